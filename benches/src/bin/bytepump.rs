//! The floor for "a shim, a socket, a daemon, a child": bytes are copied the same way, and nobody looks at them.
//!
//! `bytepump daemon SOCKET -- COMMAND…` serves each connection with a child of its own; `bytepump connect SOCKET`
//! joins its stdin and stdout to one connection.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

const CHUNK_BYTES: usize = 1 << 16;

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["daemon", socket, "--", program, ..] => daemon(Path::new(socket), program, &words[4..]),
        ["connect", socket] => connect(Path::new(socket)),
        _ => Err(io::Error::new(
            ErrorKind::InvalidInput,
            "usage: bytepump daemon SOCKET -- COMMAND… | bytepump connect SOCKET",
        )),
    }
}

fn daemon(socket: &Path, program: &str, args: &[String]) -> io::Result<()> {
    let listener = UnixListener::bind(socket)?;
    for stream in listener.incoming() {
        let stream = stream?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        thread::spawn(move || {
            if let Err(error) = serve(stream, command) {
                eprintln!("bytepump: {error}");
            }
        });
    }
    Ok(())
}

fn serve(stream: UnixStream, mut command: Command) -> io::Result<()> {
    let mut child = command.spawn()?;
    let missing = || io::Error::other("the child has no pipe");
    let (stdin, stdout) = (child.stdin.take().ok_or_else(missing)?, child.stdout.take().ok_or_else(missing)?);
    let from_client = stream.try_clone()?;
    let upward = thread::spawn(move || copy(from_client, stdin));
    // A client that goes away in the middle of an answer is an end like any other.
    let downward = copy(stdout, &stream).or_else(hang_up);
    stream.shutdown(Shutdown::Both).or_else(hang_up)?;
    let up = upward.join().map_err(|_| io::Error::other("the copy to the child panicked"))?;
    child.wait()?;
    downward.and(up.or_else(hang_up))
}

fn connect(socket: &Path) -> io::Result<()> {
    let stream = UnixStream::connect(socket)?;
    let (to_daemon, from_daemon) = (stream.try_clone()?, stream.try_clone()?);
    // The descriptors themselves: std's stdout would buffer by line.
    let input = File::open("/dev/stdin")?;
    let output = OpenOptions::new().write(true).open("/dev/stdout")?;
    thread::spawn(move || {
        let ended = copy(input, to_daemon).and_then(|()| stream.shutdown(Shutdown::Write));
        if let Err(error) = ended.or_else(hang_up) {
            eprintln!("bytepump: {error}");
        }
    });
    copy(from_daemon, output).or_else(hang_up)
}

fn copy(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match from.read(&mut chunk)? {
            0 => return Ok(()),
            n => to.write_all(&chunk[..n])?,
        }
    }
}

/// The other side ended first: no error of a pump.
fn hang_up(error: io::Error) -> io::Result<()> {
    match error.kind() {
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::NotConnected => Ok(()),
        _ => Err(error),
    }
}
