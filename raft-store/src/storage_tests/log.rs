//! The log across reopening, with entries of every size, cuts and purges; and what damage does.

use openraft::RaftLogReader;
use openraft::storage::RaftLogStorage;
use proptest::prelude::*;

use super::{Opened, command, log_id, open};
use crate::OpenError;
use crate::limits::RECORD_BYTES_MAX;
use crate::types::{Entry, LeaderId, LogId, Vote};

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
