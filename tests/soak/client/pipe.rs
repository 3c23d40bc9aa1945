//! A `loom proxy` as a client has it: lines in, lines out.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::support::home::kill;

pub struct Pipe {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Vec<u8>>,
}

/// What waiting for a line brought.
pub enum Heard {
    Line(Vec<u8>),
    Nothing,
    End,
}

impl Pipe {
    pub fn spawn(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the proxy can be started");
        let stdin = child.stdin.take();
        let lines = read_lines(child.stdout.take().expect("stdout is piped"));
        Pipe { child, stdin, lines }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes one line. What a killed proxy does not take is lost.
    pub fn send(&mut self, line: &str) {
        if let Some(stdin) = &mut self.stdin {
            // Its end shows in what is read.
            let _ = stdin.write_all(format!("{line}\n").as_bytes());
        }
    }

    pub fn receive(&self, patience: Duration) -> Heard {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Heard::Line(line),
            Err(RecvTimeoutError::Timeout) => Heard::Nothing,
            Err(RecvTimeoutError::Disconnected) => Heard::End,
        }
    }

    /// The client goes away.
    pub fn close(&mut self) {
        self.stdin = None;
    }

    pub fn kill(&mut self) {
        kill(self.child.id());
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.stdin = None;
        if let Ok(None) = self.child.try_wait() {
            // Its stdout has ended, or the run has failed.
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

fn read_lines(stdout: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::with_capacity(1 << 16, stdout).split(b'\n') {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
