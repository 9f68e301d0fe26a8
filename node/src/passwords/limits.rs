//! Bounds of passwords and of the filter of breached ones, with the unit in each name.

use auth_core::limits::PASSWORD_CHARS_MIN;

/// Name of the service, as in QR codes; no password may be it (PW-5).
pub(super) const SERVICE_NAME: &str = "tfauth";
/// Shortest password that is the only factor, in characters (PW-1).
pub(super) const PASSWORD_ALONE_CHARS_MIN: usize = 15;
/// Longest password whose strength is estimated, in characters. A longer one is only compared with lists: estimating takes
/// time that grows with the square of the length, and 64 times the same letter is a password that must be allowed (PW-2).
pub(super) const ESTIMATED_CHARS_MAX: usize = 32;
/// Estimated guesses that a password beside a second factor withstands. The throttle lets 24 a day through.
pub(super) const GUESSES_MIN: u64 = 1_000_000;
/// Estimated guesses that a password withstands which is the only factor.
pub(super) const GUESSES_ALONE_MIN: u64 = 100_000_000;
/// Hashes in one part of a filter: bounds the memory of building, and lets parts be read one after the other.
pub(super) const FILTER_PART_KEYS_MAX: usize = 1 << 22;
/// Bytes of one part of a filter. A part of [`FILTER_PART_KEYS_MAX`] has about five million.
pub(super) const FILTER_PART_BYTES_MAX: u32 = 16 * 1024 * 1024;
/// Longest line of a file of hashes, in bytes.
pub(super) const HASH_LINE_BYTES_MAX: usize = 256;

const _: () = assert!(PASSWORD_CHARS_MIN < PASSWORD_ALONE_CHARS_MIN);
const _: () = assert!(PASSWORD_ALONE_CHARS_MIN < ESTIMATED_CHARS_MAX);
const _: () = assert!(GUESSES_MIN < GUESSES_ALONE_MIN);
const _: () = assert!((FILTER_PART_KEYS_MAX as u64) < FILTER_PART_BYTES_MAX as u64);
