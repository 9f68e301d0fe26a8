//! The one place where the store takes random bytes: the identity of a new data folder, and the secret of a join token.
//!
//! Must not be used for anything that members have to agree on.

use rand::RngExt;

/// A fresh 128-bit identity.
pub(crate) fn identity() -> [u8; 16] {
    rand::rng().random()
}

/// A fresh secret, from the thread's cryptographic generator.
pub(crate) fn secret() -> [u8; 32] {
    rand::rng().random()
}
