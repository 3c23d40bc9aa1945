//! One request that a server works on.

use std::collections::VecDeque;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::play::{self, Step};

/// The members of a line. The payload stays as it came.
#[derive(Deserialize)]
pub struct Envelope<'a> {
    #[serde(borrow, default)]
    pub id: Option<&'a RawValue>,
    #[serde(default)]
    pub method: Option<String>,
    #[serde(borrow, default)]
    pub params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    task: Option<&'a RawValue>,
    #[serde(default)]
    uri: Option<String>,
    #[serde(default, rename = "taskId")]
    task_id: Option<String>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    play: Vec<String>,
    #[serde(borrow, default, rename = "progressToken")]
    token: Option<&'a RawValue>,
}

/// What happened to a request's steps so far.
#[derive(Debug, Default)]
pub struct Counts {
    pub progress: usize,
    pub logs: usize,
    pub updates: usize,
    pub asks: usize,
}

#[derive(Debug)]
pub struct Run {
    /// Raw JSON.
    pub id: String,
    pub method: String,
    pub nonce: String,
    /// The params with `null` for the progress token.
    pub heard: String,
    pub token: Option<String>,
    pub steps: VecDeque<Step>,
    pub counts: Counts,
    /// What became of its questions.
    pub asked: Vec<String>,
    /// It was answered with a task, which these steps are.
    pub is_task: bool,
    pub uri: Option<String>,
    pub task_id: Option<String>,
    /// The question that it waits for.
    pub waits_for: Option<String>,
    /// Counts the steps: what was to wake an earlier one no longer does.
    pub turn: u64,
}

impl Run {
    /// `None`: a request without a nonce is loom's own.
    pub fn parse(id: &str, method: &str, params: &str) -> Option<Run> {
        let parsed: Params<'_> = serde_json::from_str(params).ok()?;
        let meta: Meta<'_> = serde_json::from_str(parsed.meta?.get()).ok()?;
        let heard = match meta.token {
            Some(token) => without(params, token.get()),
            None => params.to_owned(),
        };
        Some(Run {
            id: id.to_owned(),
            method: method.to_owned(),
            nonce: meta.nonce?,
            heard,
            token: meta.token.map(|token| token.get().to_owned()),
            steps: play::read(&meta.play),
            counts: Counts::default(),
            asked: Vec::new(),
            is_task: parsed.task.is_some(),
            uri: parsed.uri,
            task_id: parsed.task_id,
            waits_for: None,
            turn: 0,
        })
    }
}

/// A text with one of its parts replaced by `null`.
fn without(text: &str, part: &str) -> String {
    let at = part.as_ptr() as usize - text.as_ptr() as usize;
    format!("{}null{}", &text[..at], &text[at + part.len()..])
}
