//! Bounds of tokens and keys, with the unit in each name.

use std::time::Duration;

/// Longest token that is looked at, in bytes; ours have about 1,100.
pub(super) const TOKEN_BYTES_MAX: usize = 4096;
/// How far in the future `iat` and `nbf` may lie, for nodes whose clocks differ, in seconds.
pub(super) const CLOCK_LEEWAY_SECONDS: u64 = 5;
/// Bits of the signing key (JW-6).
pub(super) const RSA_BITS_MIN: usize = 3072;
/// Time for proposing a new signing key.
pub(super) const INSTALL_MAX: Duration = Duration::from_secs(5);
