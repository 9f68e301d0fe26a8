//! The only place of this package that reads the wall clock: codes are functions of it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Length of a TOTP step.
pub const STEP_SECONDS: u64 = 30;

/// Seconds since 1970.
#[must_use]
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// The TOTP step of now.
#[must_use]
pub fn step() -> u64 {
    unix_seconds() / STEP_SECONDS
}

/// Waits for the next step when the present one ends within `margin_seconds`, so that what follows sees one step.
pub async fn away_from_the_edge(margin_seconds: u64) {
    while STEP_SECONDS - unix_seconds() % STEP_SECONDS <= margin_seconds {
        tokio::time::sleep(crate::limits::POLL).await;
    }
}

/// Now, for what notes when it was done.
#[must_use]
pub fn now() -> SystemTime {
    SystemTime::now()
}
