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

/// Wall clock as the system gives it, for ages of files.
#[must_use]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// The time as part of a file name: `20260131T235959Z`.
#[must_use]
pub fn label() -> String {
    let time = jiff::Timestamp::try_from(SystemTime::now()).unwrap_or_default();
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Wall clock in milliseconds, for the store: how long tokens are good, and whether members' clocks agree.
#[must_use]
pub fn milliseconds() -> u64 {
    now().0 / 1000
}
