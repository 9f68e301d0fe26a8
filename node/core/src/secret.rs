//! Bytes that were sealed before they were proposed. The core holds and moves them; it has no key to open them.

use minicbor::{Decode, Encode};
use std::fmt;

/// An AEAD box made by a node: key id, nonce and ciphertext. Its `Debug` shows the length only.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Sealed(#[cbor(with = "minicbor::bytes")] pub Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}
