//! Keys of the cluster: signing keys with their times, and where sealed values are.

use crate::secret::Sealed;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// Key of [`ResealProgress`] in the meta table.
pub(crate) const RESEAL_KEY: &[u8] = b"reseal";

/// A row of the signing keys table.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SigningKey {
    /// RFC 7638 thumbprint of the public key.
    #[n(0)]
    pub kid: String,
    /// JWA name of the algorithm: `RS256`.
    #[n(1)]
    pub algorithm: String,
    /// The public key as DER (SubjectPublicKeyInfo).
    #[cbor(n(2), with = "minicbor::bytes")]
    pub public_der: Vec<u8>,
    /// The private key (PKCS #8), sealed.
    #[n(3)]
    pub private: Sealed,
    /// When it was installed.
    #[n(4)]
    pub installed_at: Timestamp,
    /// When it begins to sign; none: when it was installed.
    #[n(5)]
    pub activates_at: Option<Timestamp>,
    /// When it stops to verify, once another one follows it.
    #[n(6)]
    pub retires_at: Option<Timestamp>,
}

/// What a signing key is good for at a time (JW-7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Published, and not signing yet.
    Next,
    /// Signs, until the next one is active: of several that could, the one that was activated last.
    Active,
    /// Verifies only.
    Verifying,
    /// Good for nothing.
    Retired,
}

impl SigningKey {
    /// When it begins to sign.
    #[must_use]
    pub fn activates_at(&self) -> Timestamp {
        self.activates_at.unwrap_or(self.installed_at)
    }
}

/// The state of each key at `now`, in the same order.
#[must_use]
pub fn states(keys: &[SigningKey], now: Timestamp) -> Vec<KeyState> {
    let newest = keys
        .iter()
        .filter(|key| key.activates_at() <= now)
        .map(|key| (key.activates_at(), &key.kid))
        .max();
    keys.iter()
        .map(|key| match key.retires_at {
            Some(end) if end <= now => KeyState::Retired,
            Some(_) | None if now < key.activates_at() => KeyState::Next,
            Some(_) | None if newest == Some((key.activates_at(), &key.kid)) => KeyState::Active,
            Some(_) | None => KeyState::Verifying,
        })
        .collect()
}

/// Where a sealed value is: a row that holds one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SealedAt {
    /// Number of the table.
    #[n(0)]
    pub table: u8,
    /// Key of the row.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub key: Vec<u8>,
}

/// A sealed value and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRow {
    /// Where.
    pub at: SealedAt,
    /// The value.
    pub sealed: Sealed,
}

/// How far sealing anew went. Kept in the meta table.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ResealProgress {
    /// Id of the key that is sealed with.
    #[n(0)]
    pub key: u32,
    /// The last value that was looked at; none when all were.
    #[n(1)]
    pub cursor: Option<SealedAt>,
    /// Values sealed anew.
    #[n(2)]
    pub count: u64,
    /// When it began.
    #[n(3)]
    pub started_at: Timestamp,
    /// When the last batch was.
    #[n(4)]
    pub updated_at: Timestamp,
}
