//! The log across reopening, with entries of every size, cuts and purges; and what damage does.

use std::path::Path;

use openraft::RaftLogReader;
use openraft::storage::RaftLogStorage;
use proptest::prelude::*;
use tempfile::TempDir;

use super::{OWNER, Opened, command, log_id, open};
use crate::disk::Disk;
use crate::limits::RECORD_BYTES_MAX;
use crate::log_store::{self, LogFound};
use crate::types::{Entry, LeaderId, LogId, Vote};
use crate::{OpenError, guard};

async fn contents(opened: &mut Opened) -> (Vec<Entry>, Option<LogId>) {
    let entries = opened.log.reader().try_get_log_entries(..).await.unwrap();
    (entries, opened.log.get_log_state().await.unwrap().last_purged_log_id)
}

fn sized(term: u64, index: u64, size: usize) -> Entry {
    command(term, index, vec![u8::try_from(index % 251).unwrap(); size])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = open(folder.path()).unwrap();
    let vote = Vote {
        leader: LeaderId { term: 3, node_id: 2 },
        committed: true,
    };
    opened.log.save_vote(&vote).await.unwrap();
    let sizes = [
        0,
        10,
        RECORD_BYTES_MAX - 100,
        RECORD_BYTES_MAX,
        3 * RECORD_BYTES_MAX,
        65_536,
        1,
    ];
    let entries: Vec<Entry> = sizes
        .iter()
        .zip(0..)
        .map(|(size, index)| sized(1, index, *size))
        .collect();
    opened.append(entries.clone()).await;
    opened.log.save_committed(Some(log_id(1, 3))).await.unwrap();
    opened.close().await;
    let mut opened = open(folder.path()).unwrap();
    assert_eq!(contents(&mut opened).await, (entries, None));
    assert_eq!(opened.log.reader().read_vote().await.unwrap(), Some(vote));
    assert_eq!(opened.log.read_committed().await.unwrap(), Some(log_id(1, 3)));
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<usize>),
    Truncate(u64),
    Purge(u64),
    Vote(bool),
    Committed(u64),
    Reopen,
}

fn any_step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![4 => 0..200_usize, 1 => 3000..20_000_usize];
    prop_oneof![
        5 => proptest::collection::vec(size, 1..40).prop_map(Step::Append),
        2 => (0..60_u64).prop_map(Step::Truncate),
        2 => (0..60_u64).prop_map(Step::Purge),
        1 => any::<bool>().prop_map(Step::Vote),
        1 => (0..60_u64).prop_map(Step::Committed),
        1 => Just(Step::Reopen),
    ]
}

/// The log as a plain list.
#[derive(Default)]
struct Model {
    entries: Vec<Entry>,
    purged: Option<LogId>,
    vote: Option<Vote>,
    committed: Option<LogId>,
    term: u64,
}

impl Model {
    fn next(&self) -> u64 {
        self.entries
            .last()
            .map(|entry| entry.log_id)
            .or(self.purged)
            .map_or(0, |id| id.index + 1)
    }
}

async fn run(steps: Vec<Step>) {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = open(folder.path()).unwrap();
    let mut model = Model {
        term: 1,
        ..Model::default()
    };
    for step in steps {
        match step {
            Step::Append(sizes) => {
                let first = model.next();
                let new = sizes
                    .iter()
                    .zip(first..)
                    .map(|(size, index)| sized(model.term, index, *size));
                let new: Vec<Entry> = new.collect();
                model.entries.extend(new.clone());
                opened.append(new).await;
            }
            Step::Truncate(back) => {
                let keep = model.next().saturating_sub(back + 1);
                let keep = keep.max(model.purged.map_or(0, |id| id.index));
                model.entries.retain(|entry| entry.log_id.index <= keep);
                model.term += 1;
                opened.log.truncate_after(Some(log_id(1, keep))).await.unwrap();
            }
            Step::Purge(forward) => {
                let upto = model.purged.map_or(0, |id| id.index) + forward;
                let known = model
                    .entries
                    .iter()
                    .find(|entry| entry.log_id.index == upto)
                    .map(|entry| entry.log_id);
                if let Some(upto) = known {
                    model.entries.retain(|entry| entry.log_id.index > upto.index);
                    model.purged = Some(upto);
                    opened.log.purge(upto).await.unwrap();
                }
            }
            Step::Vote(committed) => {
                model.term += 1;
                let leader = LeaderId {
                    term: model.term,
                    node_id: 1,
                };
                model.vote = Some(Vote { leader, committed });
                opened.log.save_vote(&Vote { leader, committed }).await.unwrap();
            }
            Step::Committed(forward) => {
                let known = model.entries.iter().map(|entry| entry.log_id);
                let upto = model.purged.map_or(0, |id| id.index) + forward;
                if let Some(committed) = known.into_iter().find(|id| id.index == upto) {
                    model.committed = Some(committed);
                    opened.log.save_committed(Some(committed)).await.unwrap();
                }
            }
            Step::Reopen => {
                opened.close().await;
                opened = open(folder.path()).unwrap();
            }
        }
        assert_eq!(contents(&mut opened).await, (model.entries.clone(), model.purged));
        assert_eq!(opened.log.reader().read_vote().await.unwrap(), model.vote);
        assert_eq!(opened.log.read_committed().await.unwrap(), model.committed);
    }
    opened.close().await;
    let mut opened = open(folder.path()).unwrap();
    assert_eq!(contents(&mut opened).await, (model.entries, model.purged));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn the_log_is_the_list_of_its_entries(steps in proptest::collection::vec(any_step(), 1..25)) {
        tokio::runtime::Runtime::new().unwrap().block_on(run(steps));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lost_its_tail_or_its_vote_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = open(folder.path()).unwrap();
    opened.append((0..5).map(|index| sized(1, index, 10)).collect()).await;
    opened.close().await;
    let opened = open(folder.path()).unwrap();
    opened
        .guard
        .update(|promises| promises.log = Some(log_id(1, 6)))
        .unwrap();
    opened.close().await;
    // Closing in order writes what is true; a kill would have left the promise.
    let opened = open(folder.path()).unwrap();
    let queue = opened.log.queue();
    let guard = opened.guard.clone();
    drop(opened);
    queue.close().await.unwrap();
    guard.update(|promises| promises.log = Some(log_id(1, 6))).unwrap();
    drop(guard);
    assert!(matches!(open(folder.path()), Err(OpenError::Quarantine { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_of_another_term_than_promised_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = open(folder.path()).unwrap();
    opened.append((0..5).map(|index| sized(1, index, 10)).collect()).await;
    let guard = opened.guard.clone();
    opened.close().await;
    guard.update(|promises| promises.log = Some(log_id(2, 4))).unwrap();
    drop(guard);
    let error = open(folder.path()).err().expect("must be refused").to_string();
    assert!(error.contains("was on disk"), "{error}");
}

/// The folder as a kill of now would leave it.
fn as_if_killed(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    let names = ["guard", "tip"].map(str::to_owned);
    std::fs::create_dir(copy.path().join("log")).unwrap();
    let segments = Disk::Real.names(&folder.join("log")).unwrap();
    let names = names
        .into_iter()
        .chain(segments.into_iter().map(|name| format!("log/{name}")));
    for name in names {
        std::fs::copy(folder.join(&name), copy.path().join(&name)).unwrap();
    }
    copy
}

fn audit(folder: &Path) -> Result<LogFound, OpenError> {
    let promises = guard::peek(&Disk::Real, folder, OWNER)?.promises;
    log_store::audit(&Disk::Real, folder, &promises, OWNER.incarnation)
}

/// Damage of the last frame looks like a write that was cut short; guard file and tip tell that it was acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_last_frame_is_damaged_is_not_used() {
    for voted in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let mut opened = open(folder.path()).unwrap();
        opened.append((0..5).map(|index| sized(1, index, 900)).collect()).await;
        if voted {
            let leader = LeaderId { term: 7, node_id: 2 };
            let vote = Vote {
                leader,
                committed: false,
            };
            opened.log.save_vote(&vote).await.unwrap();
        }
        let killed = as_if_killed(folder.path());
        let found = audit(killed.path()).unwrap();
        assert_eq!((found.last, found.vote.is_some()), (Some(log_id(1, 4)), voted));
        let segment = killed.path().join("log/0000000001.log");
        let whole = std::fs::read(&segment).unwrap();
        let last = whole.iter().rposition(|byte| *byte != 0).unwrap();
        let mut damaged = Vec::new();
        for bit in [0, 7] {
            let mut bytes = whole.clone();
            bytes[last] ^= 1 << bit;
            damaged.push(bytes);
        }
        for page in [last / 4096, 0] {
            let mut bytes = whole.clone();
            bytes[page * 4096..(page + 1) * 4096].fill(0);
            damaged.push(bytes);
        }
        damaged.push(whole[..last].to_vec());
        damaged.push(Vec::new());
        for (case, bytes) in damaged.into_iter().enumerate() {
            std::fs::write(&segment, bytes).unwrap();
            let refused = audit(killed.path()).unwrap_err();
            assert!(
                matches!(refused, OpenError::Quarantine { .. }),
                "case {case}: {refused}"
            );
        }
        std::fs::remove_file(&segment).unwrap();
        assert!(matches!(audit(killed.path()), Err(OpenError::Quarantine { .. })));
        opened.close().await;
    }
}
