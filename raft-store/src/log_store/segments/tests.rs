//! Segments on a real disk: what is read back, what is used again, and what damage and torn ends are told apart by.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::*;
use crate::types::{Command, LeaderId, Payload};

const OWNER: [u8; 16] = [5; 16];
const SEGMENT_BYTES: u64 = 16 << 10;

struct Log {
    folder: tempfile::TempDir,
}

fn entry(index: u64, size: usize) -> Entry {
    Entry {
        log_id: id(index),
        payload: Payload::Command(Command(vec![3; size].into())),
    }
}

fn id(index: u64) -> LogId {
    let leader_id = LeaderId { term: 1, node_id: 1 };
    LogId { leader_id, index }
}

fn vote(term: u64) -> Vote {
    Vote {
        leader: LeaderId { term, node_id: 1 },
        committed: false,
    }
}

impl Log {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self) -> Result<Found, OpenError> {
        read(&Disk::Real, self.folder.path(), OWNER)
    }

    fn open(&self) -> Segments {
        let place = Place {
            disk: Disk::Real,
            folder: self.folder.path().to_path_buf(),
            owner: OWNER,
            segment_bytes: SEGMENT_BYTES,
        };
        Segments::start(place, &self.read().unwrap(), Arc::default()).unwrap()
    }

    /// Names of all files, in order.
    fn names(&self) -> Vec<String> {
        let files = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn refused(&self) -> String {
        match self.read() {
            Err(OpenError::Quarantine { why, .. }) => why,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// Indices of the entries that are there.
    fn indices(&self) -> std::ops::RangeInclusive<u64> {
        let entries = self.read().unwrap().loaded.entries;
        entries.first().unwrap().log_id.index..=entries.last().unwrap().log_id.index
    }
}

fn append(segments: &mut Segments, indices: std::ops::Range<u64>, size: usize) {
    for index in indices {
        segments.append(&[entry(index, size)]).unwrap();
        segments.flush().unwrap();
    }
}

fn tidy(segments: &mut Segments) {
    while segments.tidy().unwrap() || segments.next.is_making() {
        std::thread::yield_now();
    }
}

#[test]
fn every_kind_of_record_comes_back_from_several_segments() {
    let log = Log::new();
    let mut segments = log.open();
    let mut expected: Vec<Entry> = Vec::new();
    for index in 0..40 {
        let entry = entry(index, 1500);
        segments.append(std::slice::from_ref(&entry)).unwrap();
        expected.push(entry);
        segments.save_vote(&vote(index));
        segments.save_committed(index.checked_sub(1).map(id));
        segments.flush().unwrap();
        segments.tidy().unwrap();
    }
    segments.truncate(Some(id(33)));
    segments.append(&[entry(34, 10)]).unwrap();
    segments.purge(id(2));
    segments.flush().unwrap();
    assert!(segments.full.len() > 3, "{}", segments.full.len());
    drop(segments);
    let found = log.read().unwrap();
    let loaded = &found.loaded;
    assert_eq!(
        (loaded.vote, loaded.purged, loaded.committed),
        (Some(vote(39)), Some(id(2)), Some(id(38)))
    );
    expected.truncate(34);
    expected.push(entry(34, 10));
    assert_eq!(loaded.entries, expected[3..]);
    drop(log.open());
    assert_eq!(log.read().unwrap().loaded.entries, expected[3..]);
}

#[test]
fn what_was_not_flushed_was_never_there() {
    let log = Log::new();
    let mut segments = log.open();
    append(&mut segments, 0..2, 10);
    segments.append(&[entry(2, 10)]).unwrap();
    segments.purge(id(0));
    drop(segments);
    assert_eq!(log.indices(), 0..=1);
}

#[test]
fn an_entry_larger_than_a_segment_has_one_of_its_own() {
    let log = Log::new();
    let mut segments = log.open();
    let large = usize::try_from(2 * SEGMENT_BYTES).unwrap();
    append(&mut segments, 0..1, large);
    append(&mut segments, 1..3, 10);
    segments.tidy().unwrap();
    append(&mut segments, 3..5, large);
    append(&mut segments, 5..6, 10);
    drop(segments);
    assert_eq!(log.indices(), 0..=5);
    let mut segments = log.open();
    segments.purge(id(5));
    tidy(&mut segments);
    append(&mut segments, 6..7, 10);
    tidy(&mut segments);
    drop(segments);
    assert_eq!(log.indices(), 6..=6);
    let sizes = log
        .names()
        .into_iter()
        .map(|name| fs::metadata(log.path(&name)).unwrap().len());
    assert!(
        sizes.sum::<u64>() <= 4 * SEGMENT_BYTES,
        "large files are not kept: {:?}",
        log.names()
    );
}

#[test]
fn many_entries_at_once_lie_in_several_frames() {
    let log = Log::new();
    let mut segments = log.open();
    let entries: Vec<Entry> = (0..100).map(|index| entry(index, 700)).collect();
    segments.append(&entries).unwrap();
    segments.flush().unwrap();
    drop(segments);
    assert_eq!(log.read().unwrap().loaded.entries, entries);
}

#[test]
fn purged_segments_are_used_again_and_never_read_as_what_they_were() {
    let log = Log::new();
    let mut segments = log.open();
    for round in 0..30_u64 {
        append(&mut segments, round * 20..round * 20 + 20, 600);
        segments.purge(id(round * 20 + 15));
        tidy(&mut segments);
    }
    let sequence = segments.current.extent.header.sequence;
    assert!(sequence > 10, "{sequence}");
    // A purge that makes no segment free goes along with the next frame.
    segments.flush().unwrap();
    drop(segments);
    assert!(log.names().len() <= LOG_SPARE_SEGMENTS_MAX + 5, "{:?}", log.names());
    assert_eq!(log.indices(), 596..=599);
    // Once more, without a next segment, and with one that a kill left unfinished.
    fs::write(log.path(UNFINISHED), b"half").unwrap();
    let mut segments = log.open();
    append(&mut segments, 600..640, 600);
    drop(segments);
    assert_eq!(log.indices(), 596..=639);
    assert!(!log.path(UNFINISHED).exists());
}

/// Cuts, zeros and flips in the last frame leave the log without it; whether that may be is judged by who promised.
#[test]
fn a_torn_last_frame_was_never_there_and_is_cleared_away() {
    let log = Log::new();
    let mut segments = log.open();
    append(&mut segments, 0..3, 2000);
    let ends: Vec<u64> = {
        append(&mut segments, 3..4, 2000);
        segments.extents().iter().map(|extent| extent.end).collect()
    };
    drop(segments);
    let (path, end) = (log.path("0000000001.log"), ends[0]);
    let whole = fs::read(&path).unwrap();
    let begin = end - 2042;
    for torn in [begin, begin + 5, begin + 600, end - 1] {
        let mut bytes = whole.clone();
        let torn = usize::try_from(torn).unwrap();
        bytes[torn..torn + 1].fill(0xA5);
        fs::write(&path, &bytes).unwrap();
        assert_eq!(log.indices(), 0..=2, "torn at {torn}");
        drop(log.open());
        let cleared = fs::read(&path).unwrap();
        assert!(cleared[usize::try_from(begin).unwrap()..].iter().all(|byte| *byte == 0));
        let mut segments = log.open();
        append(&mut segments, 3..5, 100);
        drop(segments);
        assert_eq!(log.indices(), 0..=4);
    }
}

#[test]
fn damage_before_a_whole_frame_is_no_torn_end() {
    let log = Log::new();
    let mut segments = log.open();
    append(&mut segments, 0..6, 1000);
    let end = segments.current.extent.end;
    drop(segments);
    let path = log.path("0000000001.log");
    let whole = fs::read(&path).unwrap();
    let last = end - 1042;
    // Everywhere: in the head, the checkpoint, every frame but the last.
    for at in (0..61).chain((HEADER_BYTES..last).step_by(97)) {
        let mut bytes = whole.clone();
        bytes[usize::try_from(at).unwrap()] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        assert!(log.refused().contains("segment 1 of its log"), "at {at}");
    }
    for zeros in [0..4096, 1024..1536, 512..4608] {
        let mut bytes = whole.clone();
        bytes[zeros.clone()].fill(0);
        fs::write(&path, &bytes).unwrap();
        assert!(!log.refused().is_empty(), "{zeros:?}");
    }
    for length in [0, 511, 512, 4096, SEGMENT_BYTES - 1] {
        fs::write(&path, &whole[..usize::try_from(length).unwrap()]).unwrap();
        assert!(log.refused().contains("segment 1"), "{length}");
    }
    // Behind the end nobody minds.
    let mut bytes = whole.clone();
    bytes[usize::try_from(end + 100).unwrap()] = 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(log.indices(), 0..=5);
}

/// Five segments, the last one empty or nearly so.
fn long() -> Log {
    let log = Log::new();
    let mut segments = log.open();
    append(&mut segments, 0..45, 1400);
    tidy(&mut segments);
    assert!(segments.full.len() >= 3);
    drop(segments);
    log
}

#[test]
fn segments_that_are_missing_repeated_or_foreign_are_noticed() {
    let log = long();
    let names = log.names();
    let whole: Vec<Vec<u8>> = names.iter().map(|name| fs::read(log.path(name)).unwrap()).collect();
    let restore = || {
        for (name, bytes) in names.iter().zip(&whole) {
            fs::write(log.path(name), bytes).unwrap();
        }
    };
    for gone in &names[..names.len() - 1] {
        fs::remove_file(log.path(gone)).unwrap();
        let why = log.refused();
        assert!(why.contains("missing"), "{gone}: {why}");
        restore();
    }
    for (place, bytes) in whole.iter().enumerate() {
        let other = (place + 1) % whole.len();
        fs::write(log.path(&names[other]), bytes).unwrap();
        assert!(log.refused().contains("under another name"));
        restore();
    }
    assert!(matches!(
        read(&Disk::Real, log.folder.path(), [6; 16]),
        Err(OpenError::Quarantine { why, .. }) if why.contains("another data folder")
    ));
    assert_eq!(log.indices(), 0..=44);
}

/// The tail of a full segment is not taken for a torn end, although nothing in that segment follows it.
#[test]
fn the_end_of_a_full_segment_is_known() {
    let log = long();
    let found = log.read().unwrap();
    let full = &found.segments[1];
    let file = fs::File::options().write(true).open(&full.path).unwrap();
    file.write_all_at(&[0xA5], full.end - 3).unwrap();
    let why = log.refused();
    assert!(why.contains("segment 3") && why.contains("ended at byte"), "{why}");
}

#[test]
fn an_empty_segment_is_the_last_one() {
    let log = long();
    let found = log.read().unwrap();
    let last = found.segments.iter().rfind(|extent| !extent.is_empty()).unwrap();
    let file = fs::File::options().write(true).open(&last.path).unwrap();
    file.write_all_at(
        &vec![0; usize::try_from(last.end - HEADER_BYTES).unwrap()],
        HEADER_BYTES,
    )
    .unwrap();
    assert!(log.refused().contains("holds nothing"));
}

#[test]
fn the_log_of_an_earlier_version_is_refused_as_such() {
    let log = Log::new();
    fs::write(log.path("db"), b"sled").unwrap();
    let refused = log.read().unwrap_err();
    assert!(matches!(&refused, OpenError::Outdated(path) if path == log.folder.path()));
    assert!(refused.to_string().contains("infra/dev up --fresh"), "{refused}");
    assert!(!crate::verify::is_damage(&refused));
}

/// What the scrubber reads, and that it sees a changed bit.
#[test]
fn extents_are_read_again_from_the_disk() {
    use crate::log_store::{NotAsWritten, read_again};
    let log = Log::new();
    let mut segments = log.open();
    append(&mut segments, 0..45, 1400);
    let extents = segments.extents();
    assert!(extents.len() > 3);
    for extent in &extents {
        let (mut at, mut frames) = (HEADER_BYTES, 0);
        while at < extent.end {
            let read = read_again(extent, at).unwrap();
            (at, frames) = (read.next, frames + read.frames);
        }
        assert!(at == extent.end && frames > 1);
        let file = fs::File::options().read(true).write(true).open(&extent.path).unwrap();
        for damaged in [30, extent.end / 2, extent.end - 1] {
            let mut byte = [0];
            file.read_exact_at(&mut byte, damaged).unwrap();
            file.write_all_at(&[byte[0] ^ 1], damaged).unwrap();
            let found = read_again(extent, HEADER_BYTES).unwrap_err();
            assert!(matches!(found, NotAsWritten::Damaged(_)), "{found:?}");
            file.write_all_at(&byte, damaged).unwrap();
        }
    }
}

#[test]
fn a_segment_that_could_not_be_made_takes_no_room() {
    let log = Log::new();
    let mut segments = log.open();
    // Its name is taken by what cannot be replaced.
    fs::create_dir(log.path("0000000002.log")).unwrap();
    append(&mut segments, 0..1, 10);
    let failed = loop {
        match segments.tidy() {
            Ok(_) => std::thread::yield_now(),
            Err(error) => break error,
        }
    };
    assert!(!log.path(UNFINISHED).exists(), "{failed}: {:?}", log.names());
}
