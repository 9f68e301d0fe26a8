//! What is told about the syncs of the log.

use super::*;
use crate::log_store::read_again;
use crate::metrics::Moment;
use crate::types::{Command, LeaderId, Payload};

const OWNER: [u8; 16] = [5; 16];

fn id(index: u64) -> LogId {
    let leader_id = LeaderId { term: 1, node_id: 1 };
    LogId { leader_id, index }
}

fn entry(index: u64) -> Entry {
    Entry {
        log_id: id(index),
        payload: Payload::Command(Command(vec![3; 700].into())),
    }
}

fn frames(extent: &Extent) -> u64 {
    let (mut at, mut frames) = (HEADER_BYTES, 0);
    while at < extent.end {
        let read = read_again(extent, at).unwrap();
        (at, frames) = (read.next, frames + read.frames);
    }
    frames
}

/// Every frame has one sync: those of a group that is split, of the head of a segment, and of tidying up as well.
#[test]
fn each_sync_of_a_frame_is_counted_with_its_entries() {
    let folder = tempfile::tempdir().unwrap();
    let counters: Arc<Counters> = Arc::default();
    let seen = || counters.snapshot(Moment::default());
    let place = Place {
        disk: Disk::Real,
        folder: folder.path().to_path_buf(),
        owner: OWNER,
        segment_bytes: 16 << 10,
    };
    let mut segments = Segments::start(place, &Found::default(), counters.clone()).unwrap();
    let entries: Vec<Entry> = (0..100).map(entry).collect();
    segments.append(&entries).unwrap();
    segments.flush().unwrap();
    let written: u64 = segments.extents().iter().map(frames).sum();
    assert!(written > 20, "{written}");
    assert_eq!(seen().fsync_us.count, written);
    assert_eq!(seen().group_entries.sum, 100);
    segments.purge(id(90));
    segments.tidy().unwrap();
    assert_eq!(
        seen().fsync_us.count,
        written + 1,
        "the frame that tidying up has written"
    );
}
