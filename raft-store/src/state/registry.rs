//! Which views are alive, so that a checkpoint changes nothing under them.
//!
//! A view that has seen N entries stays correct while the tables on disk hold no entry from N on. Must not be held
//! across a wait: the lock is for counting only.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Counts views by how many entries they have seen.
#[derive(Default)]
pub(crate) struct Registry {
    views: Mutex<BTreeMap<u64, usize>>,
    dropped: Condvar,
    expired_below: AtomicU64,
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

    /// Waits until every view has seen at least `seen` entries; ends those that have not by then.
    pub(crate) fn drain_below(&self, seen: u64, patience: Duration) {
        let until = Instant::now() + patience;
        let mut views = self.views.lock();
        while views.keys().next().is_some_and(|oldest| *oldest < seen) {
            if self.dropped.wait_until(&mut views, until).timed_out() {
                tracing::warn!(seen, "ending readers that were kept longer than a checkpoint can wait");
                break;
            }
        }
        self.expired_below.fetch_max(seen, SeqCst);
    }

    /// Whether a view may no longer be used.
    pub(crate) fn expired(&self, seen: u64) -> bool {
        seen < self.expired_below.load(SeqCst)
    }
}
