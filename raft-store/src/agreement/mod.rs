//! Whether members agree: on the digest of their tables at the same entries, and on the time.
//!
//! Must not decide what to do about it: see `divergence` and `time`.

pub(crate) mod divergence;
pub(crate) mod time;
