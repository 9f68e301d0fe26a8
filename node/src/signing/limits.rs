//! Bounds of tokens and keys, with the unit in each name.

use crate::limits::CLOCK_BEHIND_SECONDS_MAX;
use std::time::Duration;

/// Longest token that is looked at, in bytes; ours have about 1,100.
pub(super) const TOKEN_BYTES_MAX: usize = 4096;
/// How far in the future `iat` and `nbf` may lie, for nodes whose clocks differ, in seconds. A node that is behind the
/// log's clock by more is not ready anyway.
pub(super) const CLOCK_LEEWAY_SECONDS: u64 = CLOCK_BEHIND_SECONDS_MAX;
/// Bits of the signing key (JW-6).
pub(super) const RSA_BITS_MIN: usize = 3072;
/// Time for proposing a new signing key.
pub(super) const INSTALL_MAX: Duration = Duration::from_secs(5);

/// Pause between two looks at the replicated keys.
pub(super) const LOOK_PAUSE: Duration = Duration::from_secs(1);

const _: () = assert!(CLOCK_LEEWAY_SECONDS <= 5, "JW-3: a small leeway");
