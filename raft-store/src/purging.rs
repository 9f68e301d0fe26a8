//! Which entries of the log may go: those that the tables on disk contain, but for the last ones, and but for those that a
//! living member still lacks, as long as memory allows.
//!
//! Consensus alone would purge behind each checkpoint, and a member that has just got a snapshot under load would find the
//! entries that follow gone. Must not purge what is in no checkpoint.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;

use openraft::Instant as _;
use openraft::async_runtime::watch::WatchReceiver;

use crate::limits::{LOG_MEMORY_LOOK, MEMBER_SILENCE_MAX};
use crate::log_store::LogReader;
use crate::state::StateStore;
use crate::types::{LogId, Metrics};
use crate::{Limits, Raft};

/// Numbers of entries, from the start of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Look {
    /// In the tables on disk, as consensus knows.
    saved: u64,
    /// Purged.
    purged: u64,
    /// What every living member has of those that are there.
    had_by_all: u64,
    /// What has to go, so that the rest takes a quarter of the memory; zero while less than half of it is used.
    pressed: u64,
}

/// How many entries may go.
fn may_go(look: Look, kept: u64) -> u64 {
    let at_leisure = look.saved.saturating_sub(kept).min(look.had_by_all);
    at_leisure.max(look.pressed.min(look.saved))
}

fn count(id: Option<&LogId>) -> u64 {
    id.map_or(0, |id| id.index + 1)
}

fn look(metrics: &Metrics, pressed: u64) -> Look {
    let purged = count(metrics.purged.as_ref());
    let heard = metrics.heartbeat.iter().flatten();
    let living: BTreeSet<u64> = heard
        .filter(|(_, at)| at.as_ref().is_some_and(|at| at.elapsed() < MEMBER_SILENCE_MAX))
        .map(|(id, _)| *id)
        .collect();
    let had = metrics.replication.iter().flatten();
    let had = had.filter(|(id, _)| living.contains(id));
    // Who lacks entries that are purged gets a snapshot, and needs what follows it.
    let had = had
        .map(|(_, matched)| count(matched.as_ref()))
        .filter(|had| *had >= purged);
    Look {
        saved: count(metrics.snapshot.as_ref()),
        purged,
        had_by_all: had.min().unwrap_or(u64::MAX),
        pressed,
    }
}

/// Purges what may go, and saves the tables early when memory asks for it, until consensus ends.
pub(crate) async fn run(raft: Raft, state: StateStore, log: LogReader, limits: Limits) {
    let bytes = log.memory_bytes();
    let mut asked = 0;
    loop {
        tokio::time::sleep(LOG_MEMORY_LOOK).await;
        let used = bytes.load(Relaxed);
        let over_half = used > limits.log_memory_bytes / 2;
        let wanted = over_half
            .then(|| log.purge_to_fit(limits.log_memory_bytes / 4))
            .flatten();
        let pressed = wanted.map_or(0, |last| last + 1);
        let seen = look(&raft.metrics().borrow_watched(), pressed);
        if seen.saved < pressed && state.unsaved_entries() > 0 && raft.trigger().snapshot().await.is_err() {
            return;
        }
        let upto = may_go(seen, limits.log_kept_entries);
        if upto <= seen.purged.max(asked) {
            continue;
        }
        if pressed > 0 {
            tracing::info!(used, upto, "entries of the log are purged to free memory");
        }
        asked = upto;
        if raft.trigger().purge_log(upto - 1).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Look = Look {
        saved: 1000,
        purged: 100,
        had_by_all: u64::MAX,
        pressed: 0,
    };

    #[test]
    fn the_last_saved_ones_are_kept() {
        assert_eq!(may_go(ALL, 300), 700);
        assert_eq!(may_go(ALL, 5000), 0);
    }

    #[test]
    fn what_a_living_member_lacks_is_kept_until_memory_runs_short() {
        let lagging = Look { had_by_all: 400, ..ALL };
        assert_eq!(may_go(lagging, 300), 400);
        let pressed = Look {
            pressed: 900,
            ..lagging
        };
        assert_eq!(may_go(pressed, 300), 900);
    }

    #[test]
    fn what_is_in_no_checkpoint_is_never_purged() {
        let pressed = Look {
            pressed: u64::MAX,
            ..ALL
        };
        assert_eq!(may_go(pressed, 0), ALL.saved);
    }
}
