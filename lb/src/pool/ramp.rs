//! Slow start: a node that became ready gets a small share of requests at first and its full share after a while, since
//! its caches are cold. Pure.

use crate::limits::{RAMP_MS, RAMP_PERMILLE_MIN};

/// Whether a node that has been ready for `age_ms` takes part in the choice for a request; `draw` are its random bits.
pub fn takes_part(age_ms: u64, draw: u64) -> bool {
    draw % 1_000 < share_permille(age_ms)
}

/// The share in thousandths.
pub fn share_permille(age_ms: u64) -> u64 {
    (age_ms.min(RAMP_MS) * 1_000 / RAMP_MS).max(RAMP_PERMILLE_MIN)
}

/// Random bits for one node out of those of a request, so that nodes decide independently (`SplitMix64`).
pub fn draw_for(node: usize, draw: u64) -> u64 {
    let step = u64::try_from(node).unwrap_or(0).wrapping_add(1);
    let mut bits = draw.wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_share_grows_evenly_from_a_tenth_to_all() {
        assert_eq!(share_permille(0), 100);
        assert_eq!(share_permille(RAMP_MS / 2), 500);
        assert_eq!(share_permille(RAMP_MS), 1_000);
        assert_eq!(share_permille(u64::MAX), 1_000);
    }

    #[test]
    fn half_way_it_takes_half_of_the_requests() {
        let taken = (0..10_000)
            .filter(|draw| takes_part(RAMP_MS / 2, draw_for(3, *draw)))
            .count();
        assert!((4_700..=5_300).contains(&taken), "{taken}");
    }

    proptest! {
        #[test]
        fn a_node_that_is_ready_for_long_never_sits_out(draw: u64, more: u32) {
            prop_assert!(takes_part(RAMP_MS + u64::from(more), draw));
        }

        #[test]
        fn the_share_never_shrinks(age in 0..RAMP_MS) {
            prop_assert!(share_permille(age) <= share_permille(age + 1));
        }
    }
}
