//! Keys that live outside the store: what they seal, and what they sign for ourselves.
//!
//! A dump of the data folder or the log is worth nothing without the key ring. Nothing here talks to the network or to
//! the store; nothing here prints or returns a key.

mod device_token;
mod equal;
mod grouped_code;
mod key_ring;
mod seal;
mod six_digits;
mod sticky_draw;

pub use equal::equal;
pub use grouped_code::{CodeUse, GroupedCode};
pub use key_ring::{KeyRing, KeyRingError};
pub use seal::{OpenError, Purpose, sealed_with};
pub use six_digits::SixDigits;
pub use sticky_draw::DRAW_PARTS;
