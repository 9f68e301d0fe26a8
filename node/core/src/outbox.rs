//! Mail that a command caused, kept until the leader has sent it. A repeat carries the same key, so it can be recognised.

use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// What a mail says. The text itself is the sender's matter.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum MailTemplate {
    /// Somebody tried to register with this address, which has an account.
    #[n(0)]
    AddressAlreadyRegistered {},
    /// An authenticator was bound to the account (OTP-9).
    #[n(1)]
    AuthenticatorAdded {
        /// Name of the account.
        #[n(0)]
        username: String,
    },
}

/// A row of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Mail {
    /// Log index of the entry that caused it: the stable part of its Message-ID.
    #[n(0)]
    pub key: u64,
    /// Recipient.
    #[n(1)]
    pub to: String,
    /// What it says.
    #[n(2)]
    pub template: MailTemplate,
    /// When it was caused.
    #[n(3)]
    pub created_at: Timestamp,
}
