//! A terminal of its own for one command.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::support::home::TestHome;

const PATIENCE: Duration = Duration::from_secs(30);

pub struct Terminal {
    ours: File,
    child: Child,
    bytes: Receiver<Vec<u8>>,
    shown: String,
}

impl Terminal {
    /// `sh -c COMMAND` with a terminal that it may ask for as `/dev/tty`.
    pub fn new(home: &TestHome, command: &str) -> Terminal {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
        grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("it is ours");
        let name = ptsname(&ours, Vec::new()).expect("it has a name").into_string().expect("plain letters");
        let theirs = || File::options().read(true).write(true).open(&name).expect("it can be opened");
        let child = home
            .command("setsid")
            .args(["--ctty", "--wait", "sh", "-c", command])
            .stdin(Stdio::from(theirs()))
            .stdout(Stdio::from(theirs()))
            .stderr(Stdio::from(theirs()))
            .spawn()
            .expect("`setsid` of util-linux is installed");
        let ours = File::from(ours);
        let (sender, bytes) = channel();
        let mut input = ours.try_clone().expect("a file can be cloned");
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            // Ends when nobody has the other end any more.
            while let Ok(len @ 1..) = input.read(&mut chunk) {
                if sender.send(chunk[..len].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal { ours, child, bytes, shown: String::new() }
    }

    pub fn types(&mut self, keys: &str) {
        self.ours.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Until the terminal shows `text`.
    pub fn wait_for(&mut self, text: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.shown.contains(text) {
            let left = until.saturating_duration_since(Instant::now());
            match self.bytes.recv_timeout(left) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => panic!("{error} before `{text}`: {}", self.shown),
            }
        }
    }

    /// The exit code, and all that was shown.
    pub fn end(mut self) -> (Option<i32>, String) {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.bytes.recv_timeout(left) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    let _ = self.child.kill();
                    panic!("it does not end: {}", self.shown);
                }
            }
        }
        let code = self.child.wait().expect("a child ends").code();
        (code, self.shown)
    }
}
