//! `Idempotency-Key`: the same key with the same body gets the first answer for a day, with another body a refusal. The
//! answer is kept in the same entry as the effect.
//!
//! Kept is every answer to what was asked: effects and refusals alike, so that a repeat neither happens nor is charged again. Not
//! kept are answers about the moment or about the caller, who can do something about it ([`crate::reply::Denial::is_kept`]).
//!
//! An account may have so many kept answers; beyond it the oldest is forgotten, but none in its first ten minutes. Strangers
//! share the shelf of their network, and all of them one: there the oldest always makes room, so nobody is refused.

use crate::ids::RequestId;
use crate::reply::Reply;
use crate::secret::{Mac, Sealed};
use crate::tables::schema::is_default;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// What a client named its request.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct IdempotencyKey {
    /// Whose keys these are: an account's id, or a keyed hash of what an unknown client is known by.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub scope: [u8; 16],
    /// Keyed hash of route and key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub key: [u8; 16],
    /// Keyed hash of the body. A body may hold a password: never a bare hash.
    #[n(2)]
    pub body: Mac,
    /// What the answer holds beyond the reply, sealed: a seed or recovery codes that are shown once.
    #[n(3)]
    pub answer: Option<Sealed>,
    /// Whether the scope is a network, which strangers share.
    #[cbor(n(4), skip_if = "is_default")]
    pub shared: bool,
}

impl IdempotencyKey {
    /// Key of its row.
    #[must_use]
    pub fn row_key(&self) -> [u8; 32] {
        let mut key = [0; 32];
        for (to, from) in key.iter_mut().zip(self.scope.iter().chain(&self.key)) {
            *to = *from;
        }
        key
    }
}

/// A row of the idempotency table.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KeptAnswer {
    /// Keyed hash of the body.
    #[n(0)]
    pub body: Mac,
    /// The entry's reply.
    #[n(1)]
    pub reply: Reply,
    /// The request that it was given to first.
    #[n(2)]
    pub request_id: RequestId,
    /// When it is forgotten.
    #[n(3)]
    pub expires_at: Timestamp,
    /// See [`IdempotencyKey::answer`].
    #[n(4)]
    pub answer: Option<Sealed>,
    /// See [`IdempotencyKey::shared`].
    #[cbor(n(5), skip_if = "is_default")]
    pub shared: bool,
}
