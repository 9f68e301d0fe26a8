//! Commands of the node's own work: signing keys, re-sealing, mail.

use crate::ids::AccountId;
use crate::keys::SealedAt;
use crate::secret::{Mac, Sealed};
use minicbor::{Decode, Encode};

/// Gives the cluster its next signing key (JW-7). It is published at once and signs after `activates_in_seconds`, at
/// least [`crate::limits::SIGNING_KEY_NOTICE_SECONDS`]; the one before it verifies for `keep_seconds` more.
///
/// Replies: `SigningKeyInstalled`; refused with `KeyPending` while another one waits to become active.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AddSigningKey {
    /// RFC 7638 thumbprint.
    #[n(0)]
    pub kid: String,
    /// `RS256`.
    #[n(1)]
    pub algorithm: String,
    /// Public key, DER.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub public_der: Vec<u8>,
    /// Private key, sealed.
    #[n(3)]
    pub private: Sealed,
    /// When it begins to sign.
    #[n(4)]
    pub activates_in_seconds: u64,
    /// How long the one before it is kept for verifying after that: the longest life of a token.
    #[n(5)]
    pub keep_seconds: u64,
}

/// Keeps the answer of a call that changes nothing for its `Idempotency-Key`: it is in the key that comes with the entry.
///
/// Replies: `Done`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KeepAnswer {
    /// Whose session asked.
    #[n(0)]
    pub account: AccountId,
}

/// Removes signing keys whose time is over by the log's clock.
///
/// Replies: `Done`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct DropSigningKeys {}

/// One value, sealed anew.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Resealed {
    /// Where it is.
    #[n(0)]
    pub at: SealedAt,
    /// SHA-256 of what it was; when that changed meanwhile it stays as it is.
    #[n(1)]
    pub old: Mac,
    /// What it shall be.
    #[n(2)]
    pub new: Sealed,
}

/// Seals a batch of values anew, at most [`crate::limits::RESEALED_PER_ENTRY_MAX`], and remembers how far that went.
///
/// Replies: `Resealed`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Reseal {
    /// Id of the key ring's key that is sealed with.
    #[n(0)]
    pub key: u32,
    /// The values.
    #[n(1)]
    pub values: Vec<Resealed>,
    /// The last value that was looked at; none when all were.
    #[n(2)]
    pub cursor: Option<SealedAt>,
}

/// A mail could not be handed over. It is tried again later, or goes to quarantine.
///
/// Replies: `MailPostponed`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MarkMailFailed {
    /// Key of its outbox row.
    #[n(0)]
    pub key: u64,
    /// Tries that were counted before this one: a repeat of the same failure counts once.
    #[n(1)]
    pub attempt: u32,
    /// Whether it will never be taken.
    #[n(2)]
    pub permanent: bool,
    /// When it is tried again, in seconds.
    #[n(3)]
    pub retry_in_seconds: u64,
    /// What went wrong, without addresses and codes.
    #[n(4)]
    pub reason: String,
}

/// Takes a mail out of quarantine: to be tried again, or for good.
///
/// Replies: `Done`; refused with `NotFound`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReleaseMail {
    /// Key of its row.
    #[n(0)]
    pub key: u64,
    /// Whether it is tried again.
    #[n(1)]
    pub retry: bool,
}
