//! The scripted server: the other personality of this binary. Over stdio it does what each request's script says and
//! writes down what it has seen.

mod books;
mod errands;
mod run;
mod stage;
mod tasks;

use std::io::{self, BufRead};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use stage::Stage;

/// Nothing is due: how long to wait for a line.
const LONG: Duration = Duration::from_secs(3600);

/// How often each of a server's lists was changed.
pub fn versions(folder: &Path, server: &str) -> [u64; 4] {
    books::read_versions(&books::lists_file(folder, server))
}

/// What all lives of a server have seen.
pub fn seen(folder: &Path, server: &str) -> String {
    std::fs::read_to_string(books::seen_file(folder, server)).unwrap_or_default()
}

/// `serve NAME FOLDER COLOR`: runs until its input ends or a script ends it.
pub fn run(args: &[String]) -> io::Result<()> {
    let [name, folder, _color] = args else { return Err(io::Error::other("serve NAME FOLDER COLOR")) };
    let mut stage = Stage::open(name, Path::new(folder))?;
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in io::stdin().lock().split(b'\n') {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    loop {
        let wait = stage.next_due().map_or(LONG, |at| at.saturating_duration_since(Instant::now()));
        let goes_on = match lines.recv_timeout(wait) {
            Ok(line) => stage.line(&line)?,
            Err(RecvTimeoutError::Timeout) => stage.due(Instant::now())?,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        if !goes_on {
            return Ok(());
        }
    }
}
