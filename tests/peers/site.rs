//! What the servers work on: files, a git repository, a memory file and a web page, the same before every run.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use tempfile::TempDir;

const PAGE: &str = "A plain page.\nIts second line has an umlaut: ü, and a snowman: \u{2603}.\n";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n not more than a beginning";

/// Paths stay the same over a [`Site::reset`], so that answers that name them can be compared.
pub struct Site {
    dir: TempDir,
    root: PathBuf,
    port: u16,
}

impl Site {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        // The filesystem server shows resolved paths.
        let root = dir.path().canonicalize().expect("it was just made");
        let site = Site { dir, root, port: serve_page() };
        for folder in [site.files(), site.repository()] {
            fs::create_dir(folder).expect("a temporary folder can be written");
        }
        site.reset();
        site
    }

    pub fn files(&self) -> PathBuf {
        self.root.join("files")
    }

    pub fn repository(&self) -> PathBuf {
        self.root.join("repository")
    }

    pub fn memory_file(&self) -> PathBuf {
        self.root.join("memory.jsonl")
    }

    pub fn page_url(&self) -> String {
        format!("http://127.0.0.1:{}/page.txt", self.port)
    }

    /// Everything as it was at first. The folders themselves stay: servers hold them open.
    pub fn reset(&self) {
        if self.memory_file().exists() {
            fs::remove_file(self.memory_file()).expect("it is there");
        }
        for folder in [self.files(), self.repository()] {
            empty(&folder);
        }
        fs::create_dir(self.files().join("folder")).expect("the site can be written");
        write(
            &self.files().join("one.txt"),
            "first line\nsecond line: \u{fc} \u{2603} \"quoted\" \\ slash\nthird\n",
        );
        write(&self.files().join("folder/two.json"), "{\"n\": 12345678901234567890123, \"e\": 1e400}\n");
        fs::write(self.files().join("dot.png"), PNG).expect("the site can be written");
        self.make_repository();
    }

    /// Fixed people and times, which make the hashes of commits the same every time.
    pub fn commit_env() -> BTreeMap<String, String> {
        let of = |who: &str| {
            [("NAME", "Peer"), ("EMAIL", "peer@example.com"), ("DATE", "1767323045 +0000")]
                .map(|(what, value)| (format!("GIT_{who}_{what}"), value.to_owned()))
        };
        ["AUTHOR", "COMMITTER"].iter().flat_map(|who| of(who)).collect()
    }

    fn make_repository(&self) {
        self.git(&["init", "--quiet", "--initial-branch=main"]);
        write(&self.repository().join("a.txt"), "one\n");
        self.git(&["add", "a.txt"]);
        self.git(&["commit", "--quiet", "--message=first: \u{fc}"]);
        write(&self.repository().join("a.txt"), "one\ntwo\n");
        write(&self.repository().join("new.txt"), "new\n");
    }

    fn git(&self, args: &[&str]) {
        let mut git = Command::new("git");
        git.args(args).current_dir(self.repository()).env("HOME", self.dir.path());
        git.env("GIT_CONFIG_NOSYSTEM", "1").envs(Self::commit_env());
        let output = git.output().expect("git is installed");
        assert!(output.status.success(), "git {args:?}: {output:?}");
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("the site can be written");
}

fn empty(folder: &Path) {
    for entry in fs::read_dir(folder).expect("the site can be read") {
        let path = entry.expect("the site can be read").path();
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
            .expect("the site is ours");
    }
}

/// A web server for as long as the test runs: one page, 404 for anything else.
fn serve_page() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            stream.and_then(answer).expect("the client reads its page");
        }
    });
    port
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    while reader.read_line(&mut request)? > 2 {}
    let (status, body) = match request.starts_with("GET /page.txt ") {
        true => ("200 OK", PAGE),
        false => ("404 Not Found", "no such page\n"),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n"
    );
    write!(stream, "{head}Connection: close\r\n\r\n{body}")
}
