//! What is wrong with a link. Values only.

use std::time::Duration;

/// Time that a lost segment costs at least: the smallest retransmission timeout of Linux.
pub(super) const RETRANSMISSION: Duration = Duration::from_millis(200);
/// A segment that is lost so often in a row comes through the next time.
pub(super) const LOSSES_IN_A_ROW_MAX: u32 = 5;

/// One direction of data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// Nothing comes through; what was sent waits.
    pub held: bool,
    /// Everything comes so much later.
    pub delay: Duration,
    /// And up to so much more.
    pub jitter: Duration,
    /// So many of a hundred pieces wait for a retransmission, with everything behind them.
    pub loss_percent: u64,
    /// Bytes in a second, at most.
    pub bytes_per_second: Option<u64>,
}

/// Both directions of one link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// From the one who dials.
    pub forward: Way,
    /// To the one who dials.
    pub back: Way,
    /// New connections are reset at once.
    pub refusing: bool,
    /// Whoever sees another number than at its beginning is reset.
    pub(super) generation: u64,
}

impl Way {
    /// Whether anything is wrong.
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        *self != Self::default()
    }

    /// A way that lets nothing through.
    #[must_use]
    pub fn cut() -> Self {
        Self {
            held: true,
            ..Self::default()
        }
    }
}

impl Faults {
    /// The same in both directions.
    #[must_use]
    pub fn both(way: Way) -> Self {
        Self {
            forward: way,
            back: way,
            ..Self::default()
        }
    }
}
