//! How fast one may guess: consecutive failures are free at first, then cost a doubling delay (TH-2).

use crate::limits::{DELAY_SECONDS_MAX, FIRST_DELAY_SECONDS, FREE_FAILURES_MAX, PASSWORD_FAILURES_SECONDS};
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// Consecutive failures and when the last one was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Throttle {
    /// Failures since the last success.
    #[n(0)]
    pub failures: u32,
    /// When the last of them was charged.
    #[n(1)]
    pub last_failure_at: Timestamp,
}

impl Throttle {
    /// Charges a failure.
    #[must_use]
    pub fn charged(self, now: Timestamp) -> Self {
        // As if three nodes each counted a third of the guesses.
        #[cfg(feature = "mutations")]
        if mutations::on(mutations::Mutation::BudgetPerNode) && !now.0.is_multiple_of(3) {
            return self;
        }
        Self {
            failures: self.failures.saturating_add(1),
            last_failure_at: now,
        }
    }

    /// When the failures of a password are forgotten, should no other one follow.
    #[must_use]
    pub fn forgotten_at(self) -> Timestamp {
        self.last_failure_at.plus_seconds(PASSWORD_FAILURES_SECONDS)
    }

    /// What of the failures of a password still counts at `now`: of a name that has an account as of one that has none, or
    /// the two would be told apart by waiting (EN-2). Failures of second factors count until a success (TH-1).
    #[must_use]
    pub fn remembered(self, now: Timestamp) -> Self {
        if self.forgotten_at() <= now {
            Self::default()
        } else {
            self
        }
    }

    /// The same with at least so many failures: those of what else the last guess was charged to.
    #[must_use]
    pub fn at_least(self, failures: u32) -> Self {
        Self {
            failures: self.failures.max(failures),
            ..self
        }
    }

    /// Until when guesses are refused without being looked at, if they are at `now`.
    #[must_use]
    pub fn blocked_until(self, now: Timestamp) -> Option<Timestamp> {
        let end = self.last_failure_at.plus_seconds(delay_seconds(self.failures));
        (end > now).then_some(end)
    }
}

/// The delay that follows the given number of consecutive failures.
fn delay_seconds(failures: u32) -> u64 {
    match failures.checked_sub(FREE_FAILURES_MAX + 1) {
        None => 0,
        Some(over) => FIRST_DELAY_SECONDS
            .checked_shl(over.min(32))
            .map_or(DELAY_SECONDS_MAX, |s| s.min(DELAY_SECONDS_MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn th_2_delay_is_free_then_doubles_to_an_hour() {
        let delays: Vec<u64> = (0..16).map(delay_seconds).collect();
        assert_eq!(
            delays,
            [0, 0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]
        );
        assert_eq!(delay_seconds(u32::MAX), DELAY_SECONDS_MAX);
    }

    #[test]
    fn a_block_ends_exactly_after_its_delay() {
        let at = Timestamp::from_seconds(1_000);
        let throttle = Throttle {
            failures: 5,
            last_failure_at: at,
        };
        assert_eq!(throttle.blocked_until(at), Some(at.plus_seconds(30)));
        assert_eq!(throttle.blocked_until(at.plus_seconds(30)), None);
    }
}
