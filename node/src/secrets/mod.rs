//! Keys that live outside the store: what they seal, and what they sign for ourselves.
//!
//! A dump of the data folder or the log is worth nothing without the key ring. Nothing here talks to the network or to
//! the store; nothing here prints or returns a key.

mod key_ring;
mod seal;

pub use key_ring::{KeyRing, KeyRingError};
pub use seal::{OpenError, Purpose};
