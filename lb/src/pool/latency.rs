//! How slow a node answers, compared with all nodes at the same kind of call. Pure; one machine word per node.
//!
//! Absolute times would say more about the calls than about the nodes: a login takes a hundred times as long as a page.
//! What counts is only whether a node is at least twice as slow as the average, so that nodes that are alike share evenly.

use crate::limits::{DRAG_MAX, SLOWNESS_HALF_LIFE_MS, SLOWNESS_PERMILLE_MAX};

/// As slow as the average.
const EVEN_PERMILLE: u32 = 1_000;

/// A moving average of a node's slowness in thousandths of the average, and when it was last touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slowness(u64);

impl Slowness {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self(0);

    /// From one word.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// As one word.
    pub const fn bits(self) -> u64 {
        self.0
    }

    fn new(permille: u32, now_ms: u64) -> Self {
        Self((now_ms & 0xffff_ffff) << 32 | u64::from(permille))
    }

    /// The slowness now. What was slow is forgiven with time: a node that gets nothing could never show that it is well.
    pub fn permille(self, now_ms: u64) -> u32 {
        let stored = u32::try_from(self.0 & 0xffff_ffff).unwrap_or(0);
        if stored == 0 {
            return EVEN_PERMILLE;
        }
        let age_ms = now_ms.wrapping_sub(self.0 >> 32) & 0xffff_ffff;
        let excess = stored.saturating_sub(EVEN_PERMILLE);
        let halvings = u32::try_from(age_ms / SLOWNESS_HALF_LIFE_MS).unwrap_or(u32::MAX);
        stored.min(EVEN_PERMILLE) + excess.checked_shr(halvings).unwrap_or(0)
    }

    /// After an answer that took `took_us` where `mean_us` is usual. One slow answer says little, and quick ones forgive soon.
    #[must_use]
    pub fn after(self, took_us: u64, mean_us: u64, now_ms: u64) -> Self {
        let ratio = took_us.saturating_mul(u64::from(EVEN_PERMILLE)) / mean_us.max(1);
        let sample = u32::try_from(ratio).unwrap_or(u32::MAX).clamp(1, SLOWNESS_PERMILLE_MAX);
        let before = self.permille(now_ms);
        let after = if sample > before {
            before + (sample - before).div_ceil(8)
        } else {
            before - (before - sample).div_ceil(4)
        };
        Self::new(after.max(1), now_ms)
    }

    /// How many times the node's load counts.
    pub fn drag(self, now_ms: u64) -> u64 {
        u64::from(self.permille(now_ms) / EVEN_PERMILLE).clamp(1, DRAG_MAX)
    }
}

/// The usual time of a kind of call after one more answer; a single very slow one moves it little.
pub fn mean_after(mean_us: u64, took_us: u64) -> u64 {
    if mean_us == 0 {
        return took_us.max(1);
    }
    let sample = took_us.min(mean_us.saturating_mul(4));
    (mean_us - mean_us / 16 + sample / 16).max(1)
}

/// What a node has to do: its requests, this one included, counted more often when it is slow.
pub fn load(in_flight: u32, slowness: Slowness, now_ms: u64) -> u64 {
    (u64::from(in_flight) + 1) * slowness.drag(now_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn after(times: &[u64], mean_us: u64) -> Slowness {
        times
            .iter()
            .fold(Slowness::UNKNOWN, |slowness, took| slowness.after(*took, mean_us, 0))
    }

    #[test]
    fn nodes_that_are_alike_count_alike() {
        assert_eq!(Slowness::UNKNOWN.drag(0), 1);
        assert_eq!(after(&[900, 1_300, 1_100, 700, 1_900], 1_000).drag(0), 1);
    }

    #[test]
    fn a_slow_node_counts_more_until_it_is_forgiven() {
        let slow = after(&[5_000; 60], 1_000);
        assert_eq!(slow.drag(0), 5);
        assert_eq!(load(2, slow, 0), 15);
        assert_eq!(slow.drag(SLOWNESS_HALF_LIFE_MS), 3);
        assert_eq!(slow.drag(SLOWNESS_HALF_LIFE_MS * 3), 1);
        let well_again = (0..20).fold(slow, |slowness, _| slowness.after(1_000, 1_000, 0));
        assert_eq!(well_again.drag(0), 1);
    }

    #[test]
    fn one_slow_answer_is_no_slow_node() {
        assert_eq!(after(&[60_000_000], 1_000).drag(0), 1);
        assert_eq!(after(&[60_000_000; 3], 1_000).drag(0), 3);
    }

    #[test]
    fn one_hanging_call_does_not_move_the_mean_far() {
        assert_eq!(mean_after(0, 800), 800);
        assert!(mean_after(1_600, 60_000_000) <= 1_900);
    }

    proptest! {
        #[test]
        fn the_drag_has_bounds_and_never_grows_with_time(
            times in prop::collection::vec(any::<u64>(), 0..50), mean: u64, wait in 0u64..1_000_000,
        ) {
            let slowness = after(&times, mean);
            prop_assert!((1..=DRAG_MAX).contains(&slowness.drag(0)));
            prop_assert!(slowness.drag(wait) <= slowness.drag(0));
            prop_assert_eq!(Slowness::from_bits(slowness.bits()), slowness);
        }

        #[test]
        fn the_load_grows_with_requests_and_is_never_nothing(in_flight in 0u32..u32::MAX, times in prop::collection::vec(any::<u64>(), 0..9)) {
            let slowness = after(&times, 1_000);
            prop_assert!(load(in_flight, slowness, 0) > 0);
            prop_assert!(load(in_flight + 1, slowness, 0) > load(in_flight, slowness, 0));
        }
    }
}
