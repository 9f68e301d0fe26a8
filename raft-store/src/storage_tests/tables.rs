//! The tables across checkpoints, kills in the middle of one, snapshots and views.

use std::collections::BTreeMap;

use bytes::Bytes;
use openraft::RaftSnapshotBuilder;
use openraft::storage::RaftStateMachine;
use proptest::prelude::*;

use super::{Opened, TABLE, command, open};
use crate::state::digest::RowsDigest;
use crate::types::Entry;
use crate::{Read, StorageError, View};

fn put(index: u64, key: &str, value: &str) -> Entry {
    command(1, index, format!("put {key} {value}"))
}

fn all(view: &View) -> BTreeMap<Bytes, Bytes> {
    view.range(TABLE, b"", &[0xff; 8], usize::MAX)
        .unwrap()
        .into_iter()
        .collect()
}

async fn checkpoint(opened: &mut Opened) {
    let mut builder = opened.applier.try_create_snapshot_builder(true).await.unwrap();
    builder.build_snapshot().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_does_not_change_and_does_not_stop_checkpoints_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = open(folder.path()).unwrap();
    opened.apply(vec![put(0, "a", "1"), put(1, "b", "1")]).await;
    checkpoint(&mut opened).await;
    opened.apply(vec![put(2, "a", "2")]).await;
    let view = opened.state.view();
    opened.apply(vec![command(1, 3, "remove a"), put(4, "c", "1")]).await;
    assert_eq!(view.get(TABLE, b"a").unwrap().unwrap(), "2");
    assert_eq!(all(&view).len(), 2);
    let current = opened.state.view();
    assert_eq!(current.get(TABLE, b"a").unwrap(), None);
    assert_eq!((all(&current).len(), current.index()), (2, Some(4)));
    drop(view);
    checkpoint(&mut opened).await;
    assert_eq!(all(&current), all(&opened.state.view()));
    opened.apply(vec![put(5, "b", "9")]).await;
    assert_eq!(current.get(TABLE, b"b").unwrap().unwrap(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_outlives_the_patience_of_a_checkpoint_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = open(folder.path()).unwrap();
    opened.apply(vec![put(0, "a", "1")]).await;
    let view = opened.state.view();
    opened.apply(vec![put(1, "a", "2")]).await;
    opened.state.expire_views_below(2);
    assert_eq!(view.get(TABLE, b"zzz"), Err(StorageError::ViewExpired));
    assert_eq!(opened.state.view().get(TABLE, b"zzz"), Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_store_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open(folder.path()).unwrap();
    let state = opened.state.clone();
    opened.close().await;
    assert_eq!(state.view().get(TABLE, b"a"), Err(StorageError::Closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_was_not_finished_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = open(folder.path()).unwrap();
    opened.apply(vec![put(0, "a", "1")]).await;
    checkpoint(&mut opened).await;
    let mut staged = opened.state.stage(Default::default()).unwrap();
    staged
        .write(&crate::state::encode_rows(&[(
            Bytes::from_static(b"\x01a"),
            Bytes::from_static(b"x"),
        )]))
        .unwrap();
    assert!(staged.finish(2, [0; 32]).is_err());
    std::mem::forget(staged);
    assert_eq!(std::fs::read_dir(folder.path().join("state")).unwrap().count(), 3);
    let state = opened.state.clone();
    opened.close().await;
    drop(state);
    let opened = open(folder.path()).unwrap();
    assert_eq!(opened.state.view().get(TABLE, b"a").unwrap().unwrap(), "1");
    assert_eq!(std::fs::read_dir(folder.path().join("state")).unwrap().count(), 2);
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, usize),
    Remove(u8),
    Checkpoint,
    /// A checkpoint cut short after so many of its rows, before or after its mark.
    Kill(usize),
    Reopen,
}

fn any_step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![6 => 0..100_usize, 1 => 4000..30_000_usize];
    prop_oneof![
        8 => (any::<u8>(), size).prop_map(|(key, size)| Step::Put(key % 24, size)),
        3 => any::<u8>().prop_map(|key| Step::Remove(key % 24)),
        2 => Just(Step::Checkpoint),
        1 => (0..24_usize).prop_map(Step::Kill),
        1 => Just(Step::Reopen),
    ]
}

/// Entries applied so far, to be applied again after a kill as consensus would do from the log.
async fn reopen(opened: Opened, folder: &std::path::Path, history: &[Entry]) -> Opened {
    opened.close().await;
    let mut opened = open(folder).unwrap();
    let (applied, _) = opened.applier.applied_state().await.unwrap();
    let from = applied.map_or(0, |id| usize::try_from(id.index).unwrap() + 1);
    opened.apply(history[from..].to_vec()).await;
    opened
}

async fn run(steps: Vec<Step>) {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = open(folder.path()).unwrap();
    let (mut model, mut history) = (BTreeMap::<Bytes, Bytes>::new(), Vec::new());
    for step in steps {
        let index = history.len() as u64;
        match step {
            Step::Put(key, size) => {
                let (key, value) = (format!("k{key:03}"), "v".repeat(size));
                history.push(put(index, &key, &value));
                opened.apply(history[history.len() - 1..].to_vec()).await;
                model.insert(key.into(), value.into());
            }
            Step::Remove(key) => {
                let key = format!("k{key:03}");
                history.push(command(1, index, format!("remove {key}")));
                opened.apply(history[history.len() - 1..].to_vec()).await;
                model.remove(key.as_bytes());
            }
            Step::Checkpoint => {
                if index > 0 {
                    checkpoint(&mut opened).await;
                }
            }
            Step::Kill(rows) => {
                opened.state.interrupted_checkpoint(rows);
                opened = reopen(opened, folder.path(), &history).await;
            }
            Step::Reopen => opened = reopen(opened, folder.path(), &history).await,
        }
        let view = opened.state.view();
        assert_eq!(all(&view), model);
        let mut digest = RowsDigest::default();
        for (key, value) in &model {
            digest.add(&[&[TABLE.0], key.as_ref()].concat(), value);
        }
        assert_eq!(opened.state.applied().unwrap().digest, digest);
        let some: Vec<Bytes> = view
            .range(TABLE, b"k005", b"k020", 4)
            .unwrap()
            .into_iter()
            .map(|row| row.0)
            .collect();
        let expected = model.range(Bytes::from_static(b"k005")..Bytes::from_static(b"k020"));
        let expected: Vec<Bytes> = expected.take(4).map(|row| row.0.clone()).collect();
        assert_eq!(some, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn tables_are_what_entries_made_of_them_whenever_the_process_dies(
        steps in proptest::collection::vec(any_step(), 1..60),
    ) {
        tokio::runtime::Runtime::new().unwrap().block_on(run(steps));
    }
}
