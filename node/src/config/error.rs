//! What can be wrong with a configuration, as sentences for the person who wrote it. File contents are never quoted.

use crate::hashing::HashParamsError;
use crate::secrets::KeyRingError;
use std::path::PathBuf;

/// The first thing found wrong.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{setting}: cannot read {}: {problem}; check that the file exists and that this user may read it", path.display())]
    Unreadable {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        problem: String,
    },
    /// The file is not TOML, or has unknown or missing keys, or values of the wrong type.
    #[error("{}: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and what was expected.
        problem: String,
    },
    /// One value is out of its range.
    #[error("{setting} = {given}: allowed is {allowed}")]
    Value {
        /// Full name of the setting.
        setting: &'static str,
        /// What was given.
        given: String,
        /// What is allowed.
        allowed: String,
    },
    /// Two values do not go together.
    #[error("{first} = {first_given} clashes with {second} = {second_given}: {rule}")]
    Clash {
        /// Full name of one setting.
        first: &'static str,
        /// What was given for it.
        first_given: String,
        /// Full name of the other setting.
        second: &'static str,
        /// What was given for it.
        second_given: String,
        /// What must hold between them.
        rule: String,
    },
    /// A certificate or key file has the wrong contents.
    #[error("{setting}: {}: {problem}", path.display())]
    Contents {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The key ring.
    #[error("keys.key_ring: {0}")]
    KeyRing(#[from] KeyRingError),
    /// The cost of password hashes (PW-7).
    #[error(transparent)]
    Hashing(#[from] HashParamsError),
}

impl ConfigError {
    pub(super) fn value(setting: &'static str, given: impl ToString, allowed: impl Into<String>) -> Self {
        Self::Value {
            setting,
            given: given.to_string(),
            allowed: allowed.into(),
        }
    }

    pub(super) fn clash(
        first: (&'static str, &dyn ToString),
        second: (&'static str, &dyn ToString),
        rule: impl Into<String>,
    ) -> Self {
        Self::Clash {
            first: first.0,
            first_given: first.1.to_string(),
            second: second.0,
            second_given: second.1.to_string(),
            rule: rule.into(),
        }
    }
}
