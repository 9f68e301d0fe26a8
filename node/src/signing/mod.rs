//! The cluster's signing key and the tokens that are made with it.
//!
//! RS256 with RSA-3072 only (JW-1, JW-6). The private key is sealed in the replicated state and lives opened in the
//! memory of each node; tokens are not stored anywhere.

mod claims;
mod issue;
mod key;
mod keys;
mod limits;
mod rotation;
mod verify;

pub use issue::{TokenIssuer, TokenSettings};
pub use keys::SigningKeys;
pub use rotation::Rotation;
pub use verify::{TokenRefused, TokenVerifier, VerifiedToken};

use thiserror::Error;

/// Which of the two tokens. They never stand in for one another: `typ` and `aud` differ (JW-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Opens resources.
    Access,
    /// Gets the next pair.
    Refresh,
}

/// Why there is no signature, or no key.
#[derive(Debug, Error)]
pub enum SigningError {
    /// The cluster has no signing key yet, or this node has not read it.
    #[error("there is no signing key yet")]
    NoKey,
    /// Every signer was busy until the deadline.
    #[error("no signature within the deadline")]
    Deadline,
    /// Something broke.
    #[error("{0}")]
    Failed(String),
}
