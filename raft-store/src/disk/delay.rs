//! Flushes of sled and of the log that take their time, for tests: an acknowledgement that does not wait for its flush shows.
//!
//! Holds for the whole process, since nobody hands a disk of its own to sled.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

static LONGEST_MICROS: AtomicU64 = AtomicU64::new(0);
static FLUSHES: AtomicU64 = AtomicU64::new(0);

/// From now on each flush takes up to `longest` longer.
pub(crate) fn delay_flushes(longest: Duration) {
    LONGEST_MICROS.store(u64::try_from(longest.as_micros()).unwrap_or(u64::MAX), Relaxed);
}

/// So many flushes were delayed.
pub(crate) fn delayed() -> u64 {
    FLUSHES.load(Relaxed)
}

/// Short and long ones take turns, without a pattern that a test could keep step with.
pub(super) fn wait() {
    let longest = LONGEST_MICROS.load(Relaxed);
    if longest > 0 {
        let number = FLUSHES.fetch_add(1, Relaxed);
        let scattered = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        std::thread::sleep(Duration::from_micros(scattered % longest));
    }
}
