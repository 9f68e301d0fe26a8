//! How many commands may come while a checkpoint waits for a snapshot on its way: no more than memory takes until the snapshot
//! has arrived.
//!
//! Must not hold anything back for a snapshot that would not arrive in time anyway.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::limits::{FIRST_PART_WAIT_MAX, HELD_BACK_BYTES_PER_SECOND_MIN};

/// Parts of the room, in eighths: what may come before anything was sent, and what is left for commands that were on their
/// way when the checkpoint began to wait.
const EIGHTHS_AT_ONCE: u128 = 1;
const EIGHTHS_LEFT: u128 = 1;

/// How far a snapshot on its way is.
#[derive(Clone, Copy, Debug)]
struct Progress {
    /// Entries that it contains.
    seen: u64,
    rows_sent: u64,
    rows: u64,
    began: Instant,
}

/// A checkpoint that waits.
#[derive(Clone, Copy, Debug)]
struct Wait {
    /// Snapshots with fewer entries are waited for.
    seen: u64,
    /// Bytes of commands that may come meanwhile.
    room: u64,
}

/// Snapshots on their way, and the commands that came since a checkpoint waits for them.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    waits: AtomicBool,
    wait: Mutex<Option<Wait>>,
    taken: AtomicU64,
    told: AtomicBool,
    transfers: Mutex<BTreeMap<u64, Progress>>,
    next_transfer: AtomicU64,
}

/// One snapshot on its way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Transfer {
    pace: Arc<Pace>,
    number: u64,
}

impl Pace {
    /// A snapshot of so many rows, as of `seen` entries, is being sent.
    pub(crate) fn transfer(self: &Arc<Self>, seen: u64, rows: u64) -> Transfer {
        let number = self.next_transfer.fetch_add(1, Relaxed);
        let progress = Progress {
            seen,
            rows_sent: 0,
            rows,
            began: Instant::now(),
        };
        self.transfers.lock().insert(number, progress);
        Transfer {
            pace: self.clone(),
            number,
        }
    }

    /// From now on a checkpoint of `seen` entries waits for snapshots of fewer; so many bytes have come already.
    pub(super) fn wait(&self, seen: u64, room: u64, taken: u64) {
        *self.wait.lock() = Some(Wait { seen, room });
        self.taken.store(taken, Relaxed);
        self.told.store(false, Relaxed);
        self.waits.store(true, Relaxed);
    }

    /// It waits no more.
    pub(super) fn go_on(&self) {
        self.waits.store(false, Relaxed);
        *self.wait.lock() = None;
    }

    /// Whether a command of so many bytes has to come later; otherwise it is counted.
    pub(crate) fn holds_back(&self, bytes: usize) -> bool {
        if !self.waits.load(Relaxed) {
            return false;
        }
        let Some(Wait { seen, room }) = *self.wait.lock() else {
            return false;
        };
        let taken = self.taken.load(Relaxed).saturating_add(bytes as u64);
        let now = Instant::now();
        let transfers = self.transfers.lock();
        let mut waited_for = transfers.values().filter(|progress| progress.seen < seen);
        if waited_for.any(|progress| progress.is_endangered(taken, room, now)) {
            if !self.told.swap(true, Relaxed) {
                tracing::warn!(
                    taken,
                    room,
                    "commands are held back until a snapshot has arrived at another member"
                );
            }
            return true;
        }
        self.taken.fetch_add(bytes as u64, Relaxed);
        false
    }
}

impl Transfer {
    /// So many more rows were sent.
    pub(crate) fn sent(&self, rows: u64) {
        if let Some(progress) = self.pace.transfers.lock().get_mut(&self.number) {
            progress.rows_sent += rows;
        }
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.pace.transfers.lock().remove(&self.number);
    }
}

impl Progress {
    /// Whether commands of so many bytes are more than its share of the room, although it would arrive in time without
    /// them.
    fn is_endangered(&self, taken: u64, room: u64, now: Instant) -> bool {
        let (sent, rows) = (u128::from(self.rows_sent.min(self.rows)), u128::from(self.rows.max(1)));
        let spread = 8 - EIGHTHS_AT_ONCE - EIGHTHS_LEFT;
        let share = u128::from(room) * (EIGHTHS_AT_ONCE * rows + spread * sent) / (8 * rows);
        u128::from(taken) > share && self.is_hopeful(taken, room, now)
    }

    /// Whether it arrives, as fast as it got on so far, before the least that is always taken has filled the room.
    fn is_hopeful(&self, taken: u64, room: u64, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.began);
        if self.rows_sent == 0 {
            // Nobody knows how fast it is before the first part of it has arrived.
            return elapsed < FIRST_PART_WAIT_MAX;
        }
        let elapsed = elapsed.as_millis();
        let left_ms = elapsed * u128::from(self.rows.saturating_sub(self.rows_sent)) / u128::from(self.rows_sent);
        let second = Duration::from_secs(1).as_millis();
        left_ms * u128::from(HELD_BACK_BYTES_PER_SECOND_MIN) <= u128::from(room.saturating_sub(taken)) * second
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROOM: u64 = 128 << 20;
    const COMMAND: usize = 64 * 1024;

    fn at(rows_sent: u64, rows: u64, after: Duration) -> (Progress, Instant) {
        let began = Instant::now();
        let progress = Progress {
            seen: 1,
            rows_sent,
            rows,
            began,
        };
        (progress, began + after)
    }

    #[test]
    fn nothing_is_held_back_unless_a_checkpoint_waits_for_a_snapshot() {
        let pace = Arc::new(Pace::default());
        let transfer = pace.transfer(10, 100);
        transfer.sent(1);
        assert!(!pace.holds_back(usize::MAX >> 1), "no checkpoint waits");
        pace.wait(10, 1, 0);
        assert!(!pace.holds_back(COMMAND), "the snapshot is as new as the checkpoint");
        pace.wait(11, ROOM, 0);
        while !pace.holds_back(COMMAND) {}
        drop(transfer);
        assert!(!pace.holds_back(COMMAND), "it has arrived");
    }

    #[test]
    fn the_share_grows_with_what_was_sent() {
        let (tenth, now) = at(100, 1000, Duration::from_secs(1));
        assert!(!tenth.is_endangered(ROOM / 8, ROOM, now));
        assert!(tenth.is_endangered(ROOM / 4, ROOM, now));
        let (most, now) = at(900, 1000, Duration::from_secs(9));
        assert!(!most.is_endangered(ROOM * 3 / 4, ROOM, now));
        assert!(most.is_endangered(ROOM * 7 / 8, ROOM, now));
    }

    #[test]
    fn nobody_waits_for_a_snapshot_that_would_come_too_late() {
        let room_at_least_ms = ROOM * 1000 / HELD_BACK_BYTES_PER_SECOND_MIN;
        let taken = ROOM / 2;
        let (slow, now) = at(1, 3, Duration::from_millis(room_at_least_ms));
        assert!(!slow.is_endangered(taken, ROOM, now), "too slow by a factor of four");
        let (just, now) = at(1, 3, Duration::from_millis(room_at_least_ms / 4));
        assert!(just.is_endangered(taken, ROOM, now));
        let (new, now) = at(0, 3, FIRST_PART_WAIT_MAX / 2);
        assert!(
            new.is_endangered(ROOM / 2, ROOM, now),
            "its first part may still come in time"
        );
        let (silent, now) = at(0, 3, FIRST_PART_WAIT_MAX);
        assert!(!silent.is_endangered(ROOM / 2, ROOM, now), "nobody waits for it longer");
    }

    proptest! {
        /// However many commands come: the snapshot is there before the room is full, if it is sent in time at all.
        #[test]
        fn a_steady_snapshot_always_arrives(seconds in 1_u64..400, flood in 1_u64..64, rows in 200_u64..100_000) {
            let began = Instant::now();
            let steps = 100;
            let mut taken = 0;
            for step in 1..=steps {
                let progress = Progress { seen: 1, rows_sent: rows * step / steps, rows, began };
                let now = began + Duration::from_secs(seconds) * u32::try_from(step).unwrap() / 100;
                for _ in 0..flood * 64 {
                    if !progress.is_endangered(taken + COMMAND as u64, ROOM, now) {
                        taken += COMMAND as u64;
                    }
                }
            }
            prop_assert!(taken < ROOM, "{taken} bytes came while it was on its way");
        }
    }
}
