//! Sending a snapshot holds up nothing: entries are applied, views are taken, and only the next checkpoint waits.

use bytes::Bytes;
use openraft::RaftSnapshotBuilder;
use openraft::storage::RaftStateMachine;

use super::{Opened, TABLE, command, open};
use crate::Read;
use crate::state::{SnapshotData, successor};
use crate::types::Entry;

const ROWS: u64 = 400;

fn put(index: u64, cell: u64, value: &str) -> Entry {
    command(1, index, format!("put {cell:05} {value}"))
}

async fn snapshot(opened: &mut Opened) -> crate::View {
    let current = opened.applier.get_current_snapshot().await.unwrap().unwrap();
    match current.snapshot {
        SnapshotData::View(view) => view,
        SnapshotData::Staged(_) => panic!("a snapshot of this member"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_being_sent_holds_up_no_entry_and_does_not_change() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = open(folder.path()).unwrap();
    opened
        .apply((0..ROWS).map(|index| put(index, index, "old")).collect())
        .await;
    let mut builder = opened.applier.get_snapshot_builder().await;
    builder.build_snapshot().await.unwrap();
    let sending = snapshot(&mut opened).await;
    // The next checkpoint has to wait for it; everything else goes on.
    let mut applied = ROWS;
    let mut waiting = None;
    let (mut from, mut sent) = (Bytes::new(), Vec::new());
    loop {
        let page = sending.page(&from, 16).unwrap();
        let Some((last, _)) = page.last() else {
            break;
        };
        from = successor(last);
        sent.extend(page);
        opened
            .apply((0..20).map(|n| put(applied + n, (applied + n) % ROWS, "new")).collect())
            .await;
        applied += 20;
        assert_eq!(opened.state.view().index(), Some(applied - 1));
        if waiting.is_none() {
            let mut builder = opened.applier.get_snapshot_builder().await;
            waiting = Some(tokio::spawn(async move { builder.build_snapshot().await }));
        }
    }
    let waiting = waiting.unwrap();
    assert!(
        !waiting.is_finished(),
        "a checkpoint changed tables that were being sent"
    );
    assert_eq!(sent.len() as u64, ROWS);
    assert!(sent.iter().all(|(_, value)| value == "old"));
    drop(sending);
    let written = waiting.await.unwrap().unwrap();
    assert_eq!(written.meta.last_log_id.map(|id| id.index), Some(ROWS + 19));
    drop(written);
    let view = opened.state.view();
    assert_eq!(view.get(TABLE, b"00003").unwrap().unwrap(), "new");
    drop(view);
    opened.close().await;
}
