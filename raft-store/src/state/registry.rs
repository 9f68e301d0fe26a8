//! Which views are alive, so that a checkpoint changes nothing under them.
//!
//! A view that has seen N entries stays correct while the tables on disk hold no entry from N on. Must not be held
//! across a wait: the lock is for counting only.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::pace::Pace;
use crate::limits::CHECKPOINT_WAIT_LOOK;

/// Counts views by how many entries they have seen.
#[derive(Default)]
pub(crate) struct Registry {
    views: Mutex<BTreeMap<u64, usize>>,
    dropped: Condvar,
    expired_below: AtomicU64,
    /// When a snapshot on its way to another member was last read on.
    read_on: Mutex<Option<Instant>>,
    /// What may come while such a snapshot is waited for.
    pub(super) pace: Arc<Pace>,
}

/// How long a checkpoint waits for views.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For any view.
    pub(crate) wait: Duration,
    /// For one that is read on: as long as no more than this passes between two parts.
    pub(crate) stall: Duration,
}

impl Patience {
    /// Ends whoever reads, at once.
    pub(crate) const NONE: Self = Self {
        wait: Duration::ZERO,
        stall: Duration::ZERO,
    };
}

impl Registry {
    pub(crate) fn enter(&self, seen: u64) {
        *self.views.lock().entry(seen).or_default() += 1;
    }

    pub(crate) fn leave(&self, seen: u64) {
        let mut views = self.views.lock();
        if let Some(count) = views.get_mut(&seen) {
            *count -= 1;
            if *count == 0 {
                views.remove(&seen);
                self.dropped.notify_all();
            }
        }
    }

    /// How many entries the oldest view has seen.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.views.lock().keys().next().copied()
    }

    /// Another part of a snapshot is read.
    pub(crate) fn read_on(&self) {
        *self.read_on.lock() = Some(Instant::now());
    }

    /// Waits until every view has seen at least `seen` entries; ends those that have not when patience ends, or when
    /// waiting for a snapshot is `pressed`.
    pub(crate) fn drain_below(&self, seen: u64, patience: Patience, pressed: impl Fn() -> bool) {
        let began = Instant::now();
        let look = CHECKPOINT_WAIT_LOOK.min(patience.wait.max(patience.stall));
        while !self.is_drained_below(seen, look) {
            // Without the lock: what is asked here may need a view to be finished.
            let gets_on = self.read_on.lock().is_some_and(|at| at.elapsed() < patience.stall);
            if began.elapsed() >= patience.wait && (!gets_on || pressed()) {
                tracing::warn!(seen, waited = ?began.elapsed(), "ending readers that were kept longer than a checkpoint can wait");
                break;
            }
        }
        self.expired_below.fetch_max(seen, SeqCst);
    }

    /// Whether every view has seen at least `seen` entries, now or within a moment.
    fn is_drained_below(&self, seen: u64, look: Duration) -> bool {
        let mut views = self.views.lock();
        let drained = |views: &BTreeMap<u64, usize>| views.keys().next().is_none_or(|oldest| *oldest >= seen);
        drained(&views) || {
            self.dropped.wait_for(&mut views, look);
            drained(&views)
        }
    }

    /// Whether a view may no longer be used.
    pub(crate) fn expired(&self, seen: u64) -> bool {
        seen < self.expired_below.load(SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Patience = Patience {
        wait: Duration::from_millis(60),
        stall: Duration::from_secs(5),
    };

    /// A view that is read on for `parts` times, and whether it was ended before that.
    fn read_while_draining(parts: u32, pressed: bool) -> (bool, Duration) {
        let registry = Arc::new(Registry::default());
        registry.enter(1);
        registry.read_on();
        let draining = registry.clone();
        let began = Instant::now();
        let drained = std::thread::spawn(move || draining.drain_below(2, SHORT, || pressed));
        let mut ended = false;
        for _ in 0..parts {
            std::thread::sleep(SHORT.wait);
            ended |= registry.expired(1);
            registry.read_on();
        }
        registry.leave(1);
        drained.join().unwrap();
        (ended, began.elapsed())
    }

    #[test]
    fn a_snapshot_that_gets_on_is_waited_for_however_long_it_takes() {
        let (ended, took) = read_while_draining(8, false);
        assert!(!ended && took > SHORT.wait * 7, "{took:?}");
    }

    #[test]
    fn it_is_ended_when_memory_runs_short() {
        assert!(read_while_draining(8, true).0);
    }

    #[test]
    fn a_reader_that_rests_is_ended() {
        let registry = Registry::default();
        registry.enter(1);
        registry.drain_below(2, SHORT, || false);
        assert!(registry.expired(1) && !registry.expired(2));
    }
}
