//! The one place where the store takes random bytes: the identity of a new data folder.
//!
//! Must not be used for secrets or for anything that members have to agree on.

use rand::RngExt;

/// A fresh 128-bit identity.
pub(crate) fn identity() -> [u8; 16] {
    rand::rng().random()
}
