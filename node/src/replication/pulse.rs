//! When this node last heard that a quorum stands behind its leader.
//!
//! A member that is cut off goes on believing in the leader it knew, so knowing a leader proves little: an answered read
//! barrier does.

use crate::clock;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time of the last answer. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Pulse(Arc<Mutex<Option<Instant>>>);

impl Pulse {
    /// A quorum has just answered.
    pub(super) fn heard(&self) {
        *self.0.lock() = Some(clock::monotonic());
    }

    /// How long ago a quorum answered; none before the first time.
    pub(super) fn silence(&self) -> Option<Duration> {
        self.0
            .lock()
            .map(|last| clock::monotonic().saturating_duration_since(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_begins_with_the_last_answer() {
        let pulse = Pulse::default();
        assert_eq!(pulse.silence(), None);
        pulse.heard();
        let first = pulse.silence().unwrap();
        assert!(pulse.clone().silence().unwrap() >= first, "clones share it");
    }
}
