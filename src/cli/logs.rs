//! `loom logs`: the files in `~/.config/loom/logs`, whether a daemon runs or not.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::Ending;
use crate::cli::args::service::LogsArgs;
use crate::cli::context::Context;
use crate::cli::out::Out;
use crate::cli::registry::text::File;
use crate::fault::{Fault, Kind, Plain};
use crate::file;
use crate::nearest::nearest;
use crate::registry::find::for_person;

/// Lines that are shown when nobody says how many.
const LINES: usize = 50;

/// So much of a log is searched for its last lines at most, in bytes.
const TAIL_MAX: u64 = 16 << 20;

/// How often a log is looked at that is followed.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub fn run(args: LogsArgs, context: &Context, out: &mut Out) -> Result<Ending, Fault> {
    let path = which(&args, context)?;
    let wanted = match args.lines {
        Some(limit) if limit.0 == 0 => usize::MAX,
        Some(limit) => limit.0,
        None => LINES,
    };
    let mut log = Log::open(path, context)?;
    let text = log.tail(wanted)?;
    let shown = out.foreign(&text).into_owned();
    out.raw(&shown);
    while args.follow && out.flush_open()? {
        let fresh = log.fresh()?;
        if fresh.is_empty() {
            std::thread::sleep(LOOK_AGAIN);
        }
        let shown = out.foreign(&fresh).into_owned();
        out.raw(&shown);
    }
    Ok(Ending::Done)
}

fn which(args: &LogsArgs, context: &Context) -> Result<PathBuf, Fault> {
    let Some(server) = &args.server else {
        return Ok(if args.errors { context.paths.daemon_err() } else { context.paths.daemon_log() });
    };
    if args.errors {
        return Err(
            Plain::new(Kind::Usage, "--errors is about the daemon: --server does not go with it").into()
        );
    }
    let path = context.paths.server_log(server);
    // A name with a slash would lead elsewhere.
    if Path::new(server).components().count() == 1 && path.exists() {
        return Ok(path);
    }
    if is_known(server, context) {
        if args.follow {
            return Ok(path);
        }
        let text = format!("{server} has written nothing to its standard error");
        return Err(Plain::new(Kind::Unavailable, text).hint("loom servers").into());
    }
    let folder = context.paths.server_logs();
    let names: Vec<String> =
        fs::read_dir(folder).into_iter().flatten().flatten().filter_map(log_name).collect();
    let plain = Plain::new(Kind::Usage, format!("there is no log of a server `{server}`"));
    Err(match nearest(server, names.iter().map(String::as_str)) {
        Some(near) => plain.hint(format!("loom logs --server {near}")).into(),
        None => plain.hint("loom servers").into(),
    })
}

/// Whether the registry has such a server; one that cannot be read has none.
fn is_known(server: &str, context: &Context) -> bool {
    let found = for_person(None, &context.cwd, &context.paths).ok();
    let file = found.and_then(|found| File::read(found.path, context).ok());
    file.is_some_and(|file| file.registry.server(server).is_some())
}

fn log_name(entry: fs::DirEntry) -> Option<String> {
    Some(entry.file_name().to_str()?.strip_suffix(".log")?.to_owned())
}

/// A log that is read where it grows, and found again where it was rotated.
struct Log {
    path: PathBuf,
    shown: String,
    /// None until there is one.
    file: Option<fs::File>,
    /// The beginning of a character of which the rest is not there yet.
    half: Vec<u8>,
}

impl Log {
    fn open(path: PathBuf, context: &Context) -> Result<Self, Fault> {
        let mut log = Log { shown: context.show(&path), path, file: None, half: Vec::new() };
        log.file = log.find()?;
        Ok(log)
    }

    fn find(&self) -> Result<Option<fs::File>, Fault> {
        match file::open(&self.path, fs::File::options().read(true)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.wrong(&error)),
        }
    }

    fn wrong(&self, error: &io::Error) -> Fault {
        Plain::new(Kind::Unavailable, format!("cannot read {}: {error}", self.shown)).into()
    }

    /// The last `wanted` lines.
    fn tail(&mut self, wanted: usize) -> Result<String, Fault> {
        let Some(file) = &mut self.file else { return Ok(String::new()) };
        let read = |file: &mut fs::File| {
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL_MAX)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read(file).map_err(|error| self.wrong(&error))?;
        Ok(String::from_utf8_lossy(last_lines(&bytes, wanted)).into_owned())
    }

    /// What was written since; the end of a rotated log and the beginning of the new one come one after the other.
    fn fresh(&mut self) -> Result<String, Fault> {
        let mut bytes = std::mem::take(&mut self.half);
        if self.was_cut() {
            bytes.clear();
        }
        if self.read_on(&mut bytes)? == 0 && self.was_replaced() {
            // What was written to it last.
            self.read_on(&mut bytes)?;
            self.file = self.find()?;
        }
        let whole = bytes.len() - unfinished(&bytes);
        self.half = bytes.split_off(whole);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn read_on(&mut self, bytes: &mut Vec<u8>) -> Result<usize, Fault> {
        let read = self.file.as_mut().map_or(Ok(0), |file| file.read_to_end(bytes));
        read.map_err(|error| self.wrong(&error))
    }

    /// Whether the file is shorter than what was read of it: then it is read from its beginning.
    fn was_cut(&mut self) -> bool {
        let Some(file) = &mut self.file else { return false };
        let (length, place) = (file.metadata().map(|metadata| metadata.len()), file.stream_position());
        let is_cut = matches!((length, place), (Ok(length), Ok(place)) if length < place);
        is_cut && file.rewind().is_ok()
    }

    fn was_replaced(&self) -> bool {
        let number = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let here = self.file.as_ref().and_then(|file| file.metadata().ok()).map(number);
        fs::metadata(&self.path).ok().map(number).is_some_and(|there| here != Some(there))
    }
}

/// The part of `bytes` that begins `wanted` lines before its end.
fn last_lines(bytes: &[u8], wanted: usize) -> &[u8] {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let mut ends = memchr::memrchr_iter(b'\n', body);
    match wanted {
        0 => &[],
        _ => ends.nth(wanted - 1).map_or(bytes, |end| &bytes[end + 1..]),
    }
}

/// How many bytes at the end begin a character that is not whole.
fn unfinished(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.len() - error.valid_up_to(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn last_lines_are_counted_from_the_end() {
        for (text, wanted, want) in [
            ("a\nb\nc\n", 2, "b\nc\n"),
            ("a\nb\nc", 2, "b\nc"),
            ("a\nb\n", 5, "a\nb\n"),
            ("a\n\n", 1, "\n"),
            ("", 3, ""),
            ("a\n", usize::MAX, "a\n"),
        ] {
            assert_eq!(last_lines(text.as_bytes(), wanted), want.as_bytes(), "{text:?} {wanted}");
        }
    }

    #[test]
    fn a_followed_log_that_is_cut_goes_on_from_its_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let mut log = Log { path: path.clone(), shown: "a".into(), file: None, half: Vec::new() };
        fs::write(&path, "one\ntwo\n").unwrap();
        assert_eq!(log.fresh().unwrap(), "");
        assert_eq!(log.fresh().unwrap(), "one\ntwo\n");
        fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        assert_eq!(log.fresh().unwrap(), "");
        fs::File::options().append(true).open(&path).unwrap().write_all(b"3\n").unwrap();
        assert_eq!(log.fresh().unwrap(), "3\n");
    }

    #[test]
    fn a_followed_log_is_found_again_after_a_rotation_and_no_byte_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let mut log = Log { path: path.clone(), shown: "a".into(), file: None, half: Vec::new() };
        assert_eq!(log.fresh().unwrap(), "");
        let mut file = fs::File::create(&path).unwrap();
        file.write_all("one\n\u{fc}".as_bytes().split_last().unwrap().1).unwrap();
        let mut said = String::new();
        let gather =
            |log: &mut Log, said: &mut String| (0..3).for_each(|_| said.push_str(&log.fresh().unwrap()));
        gather(&mut log, &mut said);
        assert_eq!(said, "one\n");
        file.write_all(&"\u{fc}".as_bytes()[1..]).unwrap();
        fs::rename(&path, dir.path().join("a.log.1")).unwrap();
        fs::write(&path, "two\n").unwrap();
        gather(&mut log, &mut said);
        assert_eq!(said, "one\n\u{fc}two\n");
    }
}
