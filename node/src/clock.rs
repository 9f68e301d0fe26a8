//! The only file that reads the clock. Everything else is told what time it is.

use auth_core::time::Timestamp;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Wall clock, for entries and tokens. A clock before 1970 reads as 1970: the log's clock then tells that it is off.
#[must_use]
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX))
}

/// A clock that never goes back, for deadlines and durations.
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}
