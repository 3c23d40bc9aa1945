//! Errors that reach a person: what went wrong, what to do, and the exit code that says so to a script.

use std::error::Error;

/// What kind of failure a command ended with. Fixes the exit code (the table is in README).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 1: the check or drift that was asked for is there.
    Found,
    /// 2: the command line is wrong.
    Usage,
    /// 3: the daemon does not run.
    NotRunning,
    /// 4: the daemon or a server runs but does not work.
    Unhealthy,
    /// 69: something outside loom is not available.
    Unavailable,
    /// 70: a defect of loom.
    Bug,
    /// 78: a configuration file is wrong.
    Config,
}

impl Kind {
    /// The process exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Found => 1,
            Kind::Usage => 2,
            Kind::NotRunning => 3,
            Kind::Unhealthy => 4,
            Kind::Unavailable => 69,
            Kind::Bug => 70,
            Kind::Config => 78,
        }
    }
}

/// An error that can be shown to a person.
pub trait Explain: Error + Send + Sync + 'static {
    /// Which exit code it ends the program with.
    fn kind(&self) -> Kind;

    /// One command or path that mends it; never advice.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Any error that ends a command.
pub type Fault = Box<dyn Explain>;

impl<E: Explain> From<E> for Fault {
    fn from(error: E) -> Self {
        Box::new(error)
    }
}

/// A failure that nobody matches on: a sentence, a kind and perhaps a hint.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Plain {
    kind: Kind,
    text: String,
    hint: Option<String>,
}

impl Plain {
    pub fn new(kind: Kind, text: impl Into<String>) -> Self {
        Plain { kind, text: text.into(), hint: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Explain for Plain {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

/// The text printed for a fault: `error: …`, its causes after colons, then `hint:  …`.
pub fn report(fault: &dyn Explain) -> String {
    let mut text = format!("error: {fault}");
    let mut cause = fault.source();
    while let Some(error) = cause {
        let shown = error.to_string();
        if !text.ends_with(&shown) {
            text.push_str(": ");
            text.push_str(&shown);
        }
        cause = error.source();
    }
    text.push('\n');
    if let Some(hint) = fault.hint() {
        text.push_str("hint:  ");
        text.push_str(&hint);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_shows_text_and_hint() {
        let fault: Fault = Plain::new(Kind::NotRunning, "loomd does not run").hint("loom start").into();
        assert_eq!(report(&*fault), "error: loomd does not run\nhint:  loom start\n");
        assert_eq!(fault.kind().exit_code(), 3);
    }
}
