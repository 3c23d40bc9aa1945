//! Asks a person for something that is not to be seen: on the terminal itself, whatever standard input is, and without
//! echo. The terminal is as it was afterwards, also when a signal ends the question.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::thread;

use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr, tcsetattr,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use zeroize::Zeroizing;

use crate::fault::{Fault, Kind, Plain};
use crate::secret::Secret;

/// More than a value ever has, in bytes.
const LONGEST: usize = 64 << 10;

const ERASE: [u8; 2] = [0x7f, 0x08];
const ERASE_ALL: u8 = 0x15;
const END: u8 = 0x04;

/// Asks `question`; an empty answer is none. `otherwise` says what to do without a terminal.
pub fn ask(question: &str, otherwise: &str) -> Result<Secret<String>, Fault> {
    let Ok(mut terminal) = File::options().read(true).write(true).open("/dev/tty") else {
        return Err(Plain::new(Kind::Usage, "there is no terminal to ask for the value")
            .hint(otherwise)
            .into());
    };
    let answer = quietly(&mut terminal, question)?;
    let text = String::from_utf8(answer.to_vec()).map(Secret::new);
    let text = text.map_err(|_| Plain::new(Kind::Usage, "what was typed is not UTF-8 text"))?;
    match text.expose().is_empty() {
        true => Err(Plain::new(Kind::Usage, "nothing was typed; nothing was changed").into()),
        false => Ok(text),
    }
}

/// Whether there is a terminal to ask at.
pub fn is_there() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Everything that standard input has, but for one line end at its end.
pub fn from_stdin() -> Result<Secret<String>, Fault> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST));
    let refused = |why: String| Plain::new(Kind::Usage, why);
    std::io::stdin()
        .lock()
        .take(LONGEST as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| refused(format!("cannot read standard input: {error}")))?;
    if bytes.len() > LONGEST {
        return Err(refused(format!("a secret has at most {} KiB", LONGEST >> 10)).into());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| refused("standard input is not UTF-8 text".into()))?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    match text {
        "" => Err(refused("standard input is empty; nothing was changed".into()).into()),
        text => Ok(text.into()),
    }
}

fn quietly(terminal: &mut File, question: &str) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let broken =
        |error: &dyn std::fmt::Display| Plain::new(Kind::Unavailable, format!("the terminal: {error}"));
    let before = tcgetattr(terminal.as_fd()).map_err(|error| broken(&error))?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(|error| broken(&error))?;
    let _entered = runtime.enter();
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()];
    let signals =
        kinds.into_iter().map(signal).collect::<Result<Vec<Signal>, _>>().map_err(|error| broken(&error))?;
    let quiet = quiet(before.clone());
    let input = terminal.try_clone().map_err(|error| broken(&error))?;
    tcsetattr(terminal.as_fd(), OptionalActions::Flush, &quiet).map_err(|error| broken(&error))?;
    let answer = terminal
        .write_all(question.as_bytes())
        .map_err(|error| Fault::from(broken(&error)))
        .and_then(|()| runtime.block_on(first(read_in_thread(input), signals)));
    // A pasted text of several lines must not reach the shell.
    let _ = tcflush(terminal.as_fd(), QueueSelector::IFlush);
    let restored = tcsetattr(terminal.as_fd(), OptionalActions::Flush, &before);
    // The line end that was not echoed; a terminal that is gone needs none.
    let _ = terminal.write_all(b"\n");
    restored.map_err(|error| broken(&error))?;
    answer
}

/// Without echo, byte by byte (a line of a terminal ends at 4 KiB), and not to be suspended in this state.
fn quiet(mut modes: Termios) -> Termios {
    modes.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON);
    modes.special_codes[SpecialCodeIndex::VMIN] = 1;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    modes.special_codes[SpecialCodeIndex::VSUSP] = 0;
    modes
}

type Typed = tokio::sync::oneshot::Receiver<std::io::Result<Zeroizing<Vec<u8>>>>;

/// What is typed, or the end of the question by a signal.
async fn first(typed: Typed, signals: Vec<Signal>) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut waits = tokio::task::JoinSet::new();
    for mut signal in signals {
        waits.spawn(async move { signal.recv().await });
    }
    tokio::select! {
        typed = typed => match typed {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => Err(Plain::new(Kind::Unavailable, format!("the terminal: {error}")).into()),
            Err(_) => Err(Plain::new(Kind::Bug, "nobody reads the terminal").into()),
        },
        _ = waits.join_next() => Err(Plain::new(Kind::Usage, "interrupted; nothing was changed").into()),
    }
}

/// Reads a line in a thread of its own, which the end of the process ends.
fn read_in_thread(mut terminal: File) -> Typed {
    let (tell, told) = tokio::sync::oneshot::channel();
    thread::spawn(move || drop(tell.send(line(&mut terminal))));
    told
}

fn line(terminal: &mut impl Read) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut typed = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut byte = [0];
    while terminal.read(&mut byte)? == 1 && typed.len() < LONGEST {
        match byte[0] {
            b'\r' | b'\n' | END => break,
            erase if ERASE.contains(&erase) => {
                // A character has one byte that does not continue another.
                while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            ERASE_ALL => typed.clear(),
            other => typed.push(other),
        }
    }
    Ok(typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited_as_on_a_terminal() {
        for (keys, want) in [
            (&b"abc\nrest"[..], "abc"),
            (b"abc\r", "abc"),
            (b"ab\x7fc\n", "ac"),
            ("aü\x7fb\n".as_bytes(), "ab"),
            (b"wrong\x15right\n", "right"),
            (b"\x7f\x7f\n", ""),
            (b"abc\x04", "abc"),
            (b"abc", "abc"),
        ] {
            assert_eq!(line(&mut &keys[..]).unwrap().as_slice(), want.as_bytes(), "{keys:?}");
        }
    }
}
