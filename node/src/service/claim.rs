//! What somebody claims when he shows a password, and what it is compared with besides.

use super::answer::Given;
use super::names::username_key;
use auth_core::command::{Answer, CodeEvidence};
use auth_core::ids::AccountId;
use secrecy::SecretString;

/// What somebody claims, and what it is for.
pub(super) struct Claim<'a> {
    /// The verb, as in the log.
    pub(super) verb: &'static str,
    /// Whose password it is said to be.
    pub(super) who: Who<'a>,
    /// The password.
    pub(super) password: &'a SecretString,
    /// The second factor, for verbs that take both at once.
    pub(super) code: Code<'a>,
}

/// Whose password it is said to be.
#[derive(Clone, Copy)]
pub(super) enum Who<'a> {
    /// Of this user name or mail address.
    Named(&'a str),
    /// Of the account of a session.
    Owner(AccountId),
}

/// A second factor that comes with a password.
#[derive(Clone, Copy)]
pub(super) enum Code<'a> {
    /// None.
    Absent,
    /// Digits of an authenticator app, which may be the first ones of one that waits for them.
    Totp(&'a str),
    /// A code of any kind.
    Given(Given<'a>),
}

/// What the comparison of a second factor gave.
#[derive(Clone)]
pub(super) enum Compared {
    /// There was none.
    Nothing,
    /// Of [`Code::Totp`]; none when the account has no usable app.
    Totp(Option<CodeEvidence>),
    /// Of [`Code::Given`].
    Answer(Answer),
}

impl Who<'_> {
    /// What names the claimant in request ids and budgets.
    pub(super) fn key(&self) -> Vec<u8> {
        match self {
            Self::Named(identifier) => username_key(identifier).into_bytes(),
            Self::Owner(account) => account.0.to_vec(),
        }
    }
}
