//! The only place that reads a clock. Monotonic time since the process started; never the time of day.

use std::sync::LazyLock;
use std::time::Instant;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// This moment, for measuring spans.
pub fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since the first call in this process.
pub fn now_ms() -> u64 {
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Microseconds since the first call in this process.
pub fn now_us() -> u64 {
    u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX)
}
