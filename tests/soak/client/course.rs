//! What a request's script must bring to its client besides the answer.

use std::time::Instant;

use super::super::play::{Step, Topic};

/// A message that the server sends to whoever is to have it.
#[derive(Clone, Debug)]
pub struct Due {
    /// Which of its kind in the script, from 1.
    pub step: usize,
    /// Of a log message.
    pub level: usize,
    /// Of a changed resource: the URI as the server has it.
    pub uri: String,
    /// It must come.
    pub must: bool,
    pub came: bool,
}

/// A question of the script.
#[derive(Clone, Debug)]
pub struct Question {
    pub topic: Topic,
    pub withdrawn: bool,
    /// It has reached this client.
    pub came: bool,
    /// What the server hears of the answer.
    pub told: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Course {
    pub server: usize,
    pub began: Instant,
    pub token: Option<String>,
    /// It is a call of a tool, which is never asked again.
    pub is_call: bool,
    /// How often progress was told, and how often it will be.
    pub progress: usize,
    pub progress_due: usize,
    pub logs: Vec<Due>,
    pub updates: Vec<Due>,
    pub questions: Vec<Question>,
    /// The id of its task at this client.
    pub task: Option<String>,
}

impl Course {
    pub fn new(server: usize, is_call: bool, token: Option<String>, steps: &[Step], now: Instant) -> Self {
        let due = |step: usize, level: usize, uri: &str| Due {
            step,
            level,
            uri: uri.to_owned(),
            must: false,
            came: false,
        };
        let mut course = Course {
            server,
            began: now,
            is_call,
            progress: 0,
            progress_due: 0,
            logs: Vec::new(),
            updates: Vec::new(),
            questions: Vec::new(),
            task: None,
            token,
        };
        for step in steps {
            match step {
                Step::Progress => course.progress_due += usize::from(course.token.is_some()),
                Step::Log(level) => course.logs.push(due(course.logs.len() + 1, *level, "")),
                Step::Updated(uri) => course.updates.push(due(course.updates.len() + 1, 0, uri)),
                Step::Ask(topic) | Step::Withdraw(topic) => course.questions.push(Question {
                    topic: *topic,
                    withdrawn: matches!(step, Step::Withdraw(_)),
                    came: false,
                    told: None,
                }),
                _ => {}
            }
        }
        course
    }

    /// What should have come and has not.
    pub fn missing(&self) -> Option<String> {
        if self.progress < self.progress_due {
            return Some(format!("progress {} of {}", self.progress, self.progress_due));
        }
        let of = |what: &str, dues: &[Due]| {
            let due = dues.iter().find(|due| due.must && !due.came)?;
            Some(format!("{what} {due:?}"))
        };
        of("log message", &self.logs).or_else(|| of("update", &self.updates))
    }
}
