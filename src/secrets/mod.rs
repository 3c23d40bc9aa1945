//! Secrets: where they are kept, read and written. Knows nothing of servers or the daemon.
//!
//! Four sources are asked in this order: the environment, the operating system's keychain, 1Password when it is
//! configured, and the encrypted file. Writing goes to the keychain or, where that cannot be written, to the file.
//! Everything here may block: on a keychain that asks a person, on another program, on a slow derivation of a key.

pub mod chain;
pub mod dotenv;
pub mod file;
pub mod kdf;
pub mod keychain;
pub mod keyfile;
pub mod name;
pub mod onepassword;
pub mod place;
pub mod sealed;
pub mod wrap;

use std::fmt;

/// Where a secret may be. In the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    Environment,
    Keychain,
    OnePassword,
    File,
}

impl Source {
    pub const ALL: [Source; 4] = [Source::Environment, Source::Keychain, Source::OnePassword, Source::File];

    /// The word on the command line and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Source::Environment => "environment",
            Source::Keychain => "keychain",
            Source::OnePassword => "1password",
            Source::File => "file",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Source::Environment => "the environment",
            Source::Keychain => "the keychain",
            Source::OnePassword => "1Password",
            Source::File => "the encrypted file",
        })
    }
}

/// A source that could not be asked or written, and what mends that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub source: Source,
    pub text: String,
    pub hint: Option<String>,
}
