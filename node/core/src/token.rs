//! Tokens that were mailed: to prove an address, to reset a password. Each is 125 random bits of which only the hash is
//! kept; it works once.

use crate::ids::{AccountId, SessionId};
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum TokenPurpose {
    /// Proves an address: the account's own, or one that shall take its place.
    #[n(0)]
    ConfirmEmail {
        /// Address as written.
        #[n(0)]
        email: String,
        /// Address as looked up.
        #[n(1)]
        email_key: String,
        /// The session that asked for it. An address that shall take the place of the account's falls with it.
        #[n(2)]
        asked_by: Option<SessionId>,
    },
    /// Sets a new password without the old one.
    #[n(1)]
    ResetPassword {},
}

/// A row of the mailed tokens table, keyed by hash.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MailToken {
    /// Whose.
    #[n(0)]
    pub account: AccountId,
    /// What for.
    #[n(1)]
    pub purpose: TokenPurpose,
    /// When it was made.
    #[n(2)]
    pub created_at: Timestamp,
    /// When it is void.
    #[n(3)]
    pub expires_at: Timestamp,
    /// Wrong second factors that it still takes.
    #[n(4)]
    pub answers_left: u8,
}

impl MailToken {
    /// Whether it proves this address, as looked up.
    #[must_use]
    pub fn proves(&self, key: &str) -> bool {
        match &self.purpose {
            TokenPurpose::ConfirmEmail { email_key, .. } => email_key == key,
            TokenPurpose::ResetPassword {} => false,
        }
    }

    /// Whether this session asked for it.
    #[must_use]
    pub fn was_asked_by(&self, session: SessionId) -> bool {
        match &self.purpose {
            TokenPurpose::ConfirmEmail { asked_by, .. } => *asked_by == Some(session),
            TokenPurpose::ResetPassword {} => false,
        }
    }
}
