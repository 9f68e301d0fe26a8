//! What can be wrong with a configuration, as sentences for the person who wrote it. No secrets: file contents are
//! never quoted.

use std::path::PathBuf;

/// The first thing found wrong.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{setting}: cannot read {}: {problem}. Check that the file exists and may be read by this user.", path.display())]
    Unreadable {
        /// The setting that names the file.
        setting: String,
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
    #[error("{setting} = {given}: allowed is {allowed}.")]
    Value {
        /// Full name of the setting.
        setting: String,
        /// What was given.
        given: String,
        /// What is allowed.
        allowed: String,
    },
    /// Two values do not go together.
    #[error("{first} = {first_given} clashes with {second} = {second_given}: {rule}.")]
    Clash {
        /// Full name of one setting.
        first: String,
        /// What was given for it.
        first_given: String,
        /// Full name of the other setting.
        second: String,
        /// What was given for it.
        second_given: String,
        /// What must hold between them.
        rule: String,
    },
    /// A certificate or key file has the wrong contents.
    #[error("{setting}: {}: {problem}.", path.display())]
    Contents {
        /// The setting that names the file.
        setting: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
}
