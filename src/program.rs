//! Another program that is asked something: input, output and an end by a deadline. What it writes may be secret.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use zeroize::Zeroizing;

/// How often is looked whether it has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Room for what it may write; so much is read without leaving copies behind.
const ROOM: usize = 64 << 10;

pub struct Said {
    /// Exit code; -1 after a signal.
    pub code: i32,
    pub stdout: Zeroizing<Vec<u8>>,
    pub stderr: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    #[error("it cannot be started: {0}")]
    Start(io::Error),
    #[error("it did not answer within {} s", .0.as_secs())]
    Late(Duration),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Runs `command` with `input` to its end, which comes after `patience` at the latest.
pub fn ask(command: &mut Command, input: &[u8], patience: Duration) -> Result<Said, ProgramError> {
    let deadline = Instant::now() + patience;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(ProgramError::Start)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        let stdout = scope.spawn(|| read(stdout));
        let stderr = scope.spawn(|| read(stderr));
        if let Some(mut stdin) = stdin {
            // A program that does not read says why on its other ends. So little fits into the pipe.
            let _ = stdin.write_all(input);
        }
        let status = wait(&mut child, deadline);
        // Also what it left behind, which holds our ends of the pipes.
        kill(&child);
        let status = match status? {
            Some(status) => status,
            None => {
                child.wait()?;
                return Err(ProgramError::Late(patience));
            }
        };
        let (stdout, stderr) = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        Ok(Said { code: status.code().unwrap_or(-1), stdout, stderr })
    })
}

fn wait(child: &mut Child, deadline: Instant) -> io::Result<Option<std::process::ExitStatus>> {
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(Some(status)),
            None if Instant::now() >= deadline => return Ok(None),
            None => thread::sleep(LOOK_AGAIN),
        }
    }
}

fn kill(child: &Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // A group that has ended is what was wanted.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

fn read(pipe: Option<impl Read>) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
    if let Some(mut pipe) = pipe {
        // What came before an error is still of use.
        let _ = pipe.read_to_end(&mut bytes);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn it_is_given_its_input_and_asked_for_its_output() {
        let said = ask(
            &mut sh("read -r line; echo \"$line!\"; echo why >&2; exit 3"),
            b"hi\n",
            Duration::from_secs(9),
        );
        let said = said.unwrap();
        assert_eq!((said.code, said.stdout.as_slice(), said.stderr.as_str()), (3, &b"hi!\n"[..], "why\n"));
    }

    #[test]
    fn one_that_does_not_answer_is_ended_with_all_it_started() {
        let began = Instant::now();
        let error = ask(&mut sh("sleep 60 & sleep 60"), b"", Duration::from_millis(50)).err().unwrap();
        assert!(matches!(error, ProgramError::Late(_)), "{error}");
        assert!(began.elapsed() < Duration::from_secs(30), "the pipes were waited for");
        assert!(matches!(
            ask(&mut Command::new("/no/such"), b"", Duration::ZERO),
            Err(ProgramError::Start(_))
        ));
    }
}
