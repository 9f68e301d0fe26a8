//! Log and tables under load, on several threads: the order of acknowledgements, what they are worth when the power
//! goes at any moment, and views while entries and checkpoints go on under them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use openraft::storage::{IOFlushed, RaftLogStorage, RaftStateMachine};
use openraft::type_config::TypeConfigExt;
use openraft::{RaftLogReader, RaftSnapshotBuilder};

use super::{TABLE, command, open, open_on};
use crate::disk::Disk;
use crate::disk::sim::{Dice, Loss, SimDisk};
use crate::log_store::LogStore;
use crate::state::{Applier, StateStore};
use crate::types::{Entry, LeaderId, Types, Vote};
use crate::{ApplyError, Read, StateMachine, Transaction};

const APPENDS: u64 = 600;

/// An append that was sent, and which entries it ends with.
struct Sent {
    entries: u64,
    flushed: Option<BoxFuture<'static, std::io::Result<()>>>,
}

impl Sent {
    fn is_answered(&mut self) -> bool {
        let answer = self.flushed.as_mut().and_then(FutureExt::now_or_never);
        if let Some(answer) = answer {
            answer.unwrap();
            self.flushed = None;
        }
        self.flushed.is_none()
    }
}

/// Looks from the last to the first: if one is answered, those before it are, however fast the writer goes meanwhile.
/// How many entries are acknowledged.
fn acknowledged(sent: &mut [Sent]) -> u64 {
    let mut entries = 0;
    for append in sent.iter_mut().rev() {
        let answered = append.is_answered();
        assert!(answered || entries == 0, "an append was answered before an earlier one");
        if answered {
            entries = entries.max(append.entries);
        }
    }
    entries
}

/// Appends without waiting, with a vote now and then; looks at the answers while they come.
async fn hammer(log: &mut LogStore, mut look: impl FnMut(u64, u64)) {
    let mut dice = Dice::new(5);
    let (mut next, mut term, mut sent) = (0, 1, Vec::new());
    for _ in 0..APPENDS {
        let count = 1 + dice.below(8);
        let size = usize::try_from(dice.below(6000) / count).unwrap();
        let entries: Vec<Entry> = (next..next + count)
            .map(|index| command(term, index, vec![b'x'; size]))
            .collect();
        next += count;
        let (done, flushed) = Types::oneshot();
        log.append(entries, IOFlushed::signal(done)).await.unwrap();
        let flushed = async move { flushed.await.map_err(std::io::Error::other)? };
        sent.push(Sent {
            entries: next,
            flushed: Some(flushed.boxed()),
        });
        if dice.below(40) == 0 {
            term += 1;
            let leader = LeaderId { term, node_id: 1 };
            log.save_vote(&Vote {
                leader,
                committed: true,
            })
            .await
            .unwrap();
            // A vote waits for everything before it.
            assert_eq!(acknowledged(&mut sent), next);
        }
        if dice.below(8) == 0 {
            look(acknowledged(&mut sent), term);
        }
    }
    while acknowledged(&mut sent) < next {
        if let Some(flushed) = sent.last_mut().and_then(|append| append.flushed.as_mut()) {
            flushed.await.unwrap();
            sent.pop();
            next = sent.last().map_or(0, |append| append.entries);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_are_answered_in_order_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = open(folder.path()).unwrap();
    let mut looks = 0;
    hammer(&mut opened.log, |_, _| looks += 1).await;
    assert!(looks > 20);
    opened.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_under_load_survives_the_power_at_any_moment() {
    let disk = SimDisk::new(3).with_slow_flushes(Duration::from_micros(600), 4);
    let mut opened = open_on(&Disk::Simulated(disk.clone()), Path::new("/data")).unwrap();
    let mut cuts = Vec::new();
    hammer(&mut opened.log, |entries, term| {
        let loss = Loss::Torn(cuts.len() as u64);
        cuts.push((entries, term, disk.after(loss)));
    })
    .await;
    opened.close().await;
    let mut partly = 0;
    for (entries, term, left) in cuts {
        let after = open_on(&Disk::Simulated(left), Path::new("/data")).unwrap();
        let found = after.log.reader().try_get_log_entries(..).await.unwrap().len() as u64;
        assert!(found >= entries, "{entries} were acknowledged, {found} are there");
        partly += u64::from(found > entries);
        let vote = after.log.reader().read_vote().await.unwrap();
        assert!(vote.map_or(1, |vote| vote.leader.term) >= term);
        after.close().await;
    }
    assert!(partly > 0, "the power never went while something was being written");
}

const ACCOUNTS: u8 = 8;
const EACH: u64 = 1000;

/// A command is two accounts: the second one gets one from the first.
struct Transfers;

impl StateMachine for Transfers {
    fn apply(&self, _: u64, command: &[u8], tables: &mut Transaction<'_>) -> Result<Bytes, ApplyError> {
        let (from, to) = (command[0], command[1]);
        for (account, change) in [(from, -1), (to, 1)] {
            let balance = balance(&tables.get(TABLE, &[account])?.unwrap_or_default());
            let changed = balance.saturating_add_signed(change);
            tables.put(TABLE, &[account], &changed.to_be_bytes())?;
        }
        Ok(Bytes::new())
    }
}

fn balance(value: &[u8]) -> u64 {
    value.try_into().map_or(EACH, u64::from_be_bytes)
}

fn total(state: &StateStore) -> (Option<u64>, u64) {
    let view = state.view();
    let rows = view.range(TABLE, &[0], &[ACCOUNTS], usize::MAX).unwrap();
    let missing = u64::from(ACCOUNTS) - rows.len() as u64;
    let sum = rows.iter().map(|(_, value)| balance(value)).sum::<u64>() + missing * EACH;
    for (account, value) in rows {
        assert_eq!(view.get(TABLE, &account).unwrap(), Some(value), "a view changed");
    }
    (view.index(), sum)
}

/// Reads until told to stop; how often.
fn watch(state: &StateStore, stop: &AtomicBool) -> u64 {
    let (mut reads, mut newest) = (0, None);
    while !stop.load(SeqCst) {
        let (index, sum) = total(state);
        assert_eq!(sum, u64::from(ACCOUNTS) * EACH, "as of entry {index:?}");
        assert!(index >= newest, "a later view is older");
        newest = index;
        reads += 1;
    }
    reads
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_consistent_while_entries_and_checkpoints_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open(folder.path()).unwrap();
    let state = opened.state.clone();
    let mut applier = Applier::new(state.clone(), Arc::new(Transfers), 1, 10);
    let stop = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (state, stop) = (state.clone(), stop.clone());
            std::thread::spawn(move || watch(&state, &stop))
        })
        .collect();
    let mut dice = Dice::new(9);
    for batch in 0..300_u64 {
        let entries = (batch * 10..batch * 10 + 10).map(|index| {
            let account = |dice: &mut Dice| u8::try_from(dice.below(u64::from(ACCOUNTS))).unwrap();
            let accounts = vec![account(&mut dice), account(&mut dice)];
            Ok((command(1, index, accounts), None))
        });
        let entries: Vec<_> = entries.collect();
        applier.apply(futures_util::stream::iter(entries)).await.unwrap();
        if batch % 20 == 19 {
            let mut builder = applier.get_snapshot_builder().await;
            builder.build_snapshot().await.unwrap();
        }
    }
    stop.store(true, SeqCst);
    for reader in readers {
        assert!(reader.join().unwrap() > 10);
    }
    assert_eq!(total(&state), (Some(2999), u64::from(ACCOUNTS) * EACH));
    opened.close().await;
}
