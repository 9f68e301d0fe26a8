//! The two ways in which a command ends badly. Messages say what happened, to what, and what to do; never a secret.

use std::fmt::Display;
use std::path::Path;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for cannot be done as asked: exit code 2.
    #[error("{0}")]
    Refused(String),
    /// Something went wrong while doing it: exit code 1.
    #[error("{0}")]
    Fault(String),
}

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The exit code of a process that ends with this error.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) => 2,
            Self::Fault(_) => 1,
        }
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::Refused(message.into())
    }

    pub(crate) fn fault(message: impl Into<String>) -> Self {
        Self::Fault(message.into())
    }

    /// A failed operation on a file, as `cannot <verb> <path>: <reason>`.
    pub(crate) fn file(verb: &str, path: &Path, reason: &impl Display) -> Self {
        Self::Fault(format!("cannot {verb} {}: {reason}", path.display()))
    }
}
