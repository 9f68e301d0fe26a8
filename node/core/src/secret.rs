//! Bytes that were sealed or hashed before they were proposed. The core holds, moves and compares them; it has no key to
//! open them.

use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::ConstantTimeEq as _;

/// An AEAD box made by a node: key id, nonce and ciphertext. Its `Debug` shows the length only.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Sealed(#[cbor(with = "minicbor::bytes")] pub Vec<u8>);

impl Sealed {
    /// SHA-256 of the box: names it in a compare-and-swap.
    #[must_use]
    pub fn digest(&self) -> Mac {
        Mac(Sha256::digest(&self.0).into())
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// A keyed hash, or a hash of at least 112 random bits: of a mailed code, a recovery code, a link's token, a request's
/// body. Compared in constant time (EN-4); its `Debug` shows nothing.
#[derive(Clone, Copy, Encode, Decode)]
#[cbor(transparent)]
pub struct Mac(#[cbor(with = "minicbor::bytes")] pub [u8; 32]);

impl Mac {
    /// Whether both are equal; the time it takes tells nothing about where they differ.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl PartialEq for Mac {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other)
    }
}

impl Eq for Mac {}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mac")
    }
}
