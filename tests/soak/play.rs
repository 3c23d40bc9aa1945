//! The script of one request, written into its `_meta`: what its server does before it answers.

use std::collections::VecDeque;

/// From the most detailed on.
pub const LEVELS: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// What a server asks a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    Sampling,
    Form,
    Url,
    Roots,
    /// A method that no protocol knows.
    Odd,
}

/// What a server writes that means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    Garbage,
    /// The beginning of a message, and a line end.
    Half,
    /// A notification that nobody knows.
    Notification,
    /// An answer to a question that nobody asked.
    Answer,
    /// No UTF-8.
    Bytes,
}

/// One step of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// In milliseconds.
    Wait(u64),
    Progress,
    /// An index into [`LEVELS`].
    Log(usize),
    /// A subscribed resource has changed.
    Updated(String),
    /// A list is longer by one: an index into [`super::lists::Kind::ALL`].
    Changed(usize),
    /// Asks, and waits for the answer.
    Ask(Topic),
    /// Asks, and takes it back.
    Withdraw(Topic),
    Noise(Noise),
    /// Ends the process.
    Die,
    /// No answer at all.
    Silence,
    /// An answer that is no JSON.
    Broken,
    /// An error instead of a result.
    Fail,
}

const TOPICS: [(Topic, &str); 5] =
    [(Topic::Sampling, "s"), (Topic::Form, "f"), (Topic::Url, "u"), (Topic::Roots, "r"), (Topic::Odd, "o")];
const NOISES: [(Noise, &str); 5] = [
    (Noise::Garbage, "g"),
    (Noise::Half, "h"),
    (Noise::Notification, "n"),
    (Noise::Answer, "a"),
    (Noise::Bytes, "b"),
];

impl Step {
    fn word(&self) -> String {
        let topic = |wanted: Topic| TOPICS.iter().find(|row| row.0 == wanted).map_or("", |row| row.1);
        let noise = |wanted: Noise| NOISES.iter().find(|row| row.0 == wanted).map_or("", |row| row.1);
        match self {
            Step::Wait(ms) => format!("w{ms}"),
            Step::Progress => "p".into(),
            Step::Log(level) => format!("l{level}"),
            Step::Updated(uri) => format!("u{uri}"),
            Step::Changed(kind) => format!("c{kind}"),
            Step::Ask(of) => format!("a{}", topic(*of)),
            Step::Withdraw(of) => format!("x{}", topic(*of)),
            Step::Noise(of) => format!("n{}", noise(*of)),
            Step::Die => "d".into(),
            Step::Silence => "s".into(),
            Step::Broken => "b".into(),
            Step::Fail => "f".into(),
        }
    }

    fn parse(word: &str) -> Option<Step> {
        let (kind, rest) = word.split_at_checked(1)?;
        let topic = || TOPICS.iter().find(|row| row.1 == rest).map(|row| row.0);
        Some(match kind {
            "w" => Step::Wait(rest.parse().ok()?),
            "p" => Step::Progress,
            "l" => Step::Log(rest.parse().ok()?),
            "u" => Step::Updated(rest.into()),
            "c" => Step::Changed(rest.parse().ok()?),
            "a" => Step::Ask(topic()?),
            "x" => Step::Withdraw(topic()?),
            "n" => Step::Noise(NOISES.iter().find(|row| row.1 == rest)?.0),
            "d" => Step::Die,
            "s" => Step::Silence,
            "b" => Step::Broken,
            "f" => Step::Fail,
            _ => return None,
        })
    }
}

/// A JSON array of words.
pub fn write(steps: &[Step]) -> String {
    let words: Vec<String> = steps.iter().map(Step::word).collect();
    serde_json::to_string(&words).expect("texts are JSON")
}

pub fn read(words: &[String]) -> VecDeque<Step> {
    words.iter().map(|word| Step::parse(word).unwrap_or_else(|| panic!("no step: {word}"))).collect()
}

/// So many milliseconds pass at least.
pub fn pause(steps: &[Step]) -> u64 {
    let ms = |step: &Step| match step {
        Step::Wait(ms) => *ms,
        Step::Withdraw(_) => WITHDRAW_MS,
        _ => 0,
    };
    steps.iter().map(ms).sum()
}

/// A question that is taken back is open for so long.
pub const WITHDRAW_MS: u64 = 40;
