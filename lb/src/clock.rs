//! The only place that reads a clock. Everything is measured in monotonic time; the time of day serves only to tell
//! whether a certificate is valid.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// This moment, for measuring spans.
pub fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since the first call in this process.
pub fn now_ms() -> u64 {
    ms_at(now())
}

/// The same for a moment that was read before.
pub fn ms_at(moment: Instant) -> u64 {
    u64::try_from(moment.saturating_duration_since(*START).as_millis()).unwrap_or(u64::MAX)
}

/// Microseconds from the first call in this process to a moment that was read before.
pub fn us_at(moment: Instant) -> u64 {
    u64::try_from(moment.saturating_duration_since(*START).as_micros()).unwrap_or(u64::MAX)
}

/// Seconds since 1970.
pub fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
