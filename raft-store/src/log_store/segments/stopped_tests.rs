//! A log that is stopped at every write while many segments go at once: what is left has no hole.

use super::*;
use crate::disk::sim::{Loss, SimDisk};
use crate::types::{Command, LeaderId, Payload};

const OWNER: [u8; 16] = [5; 16];
const FOLDER: &str = "/log";
const SEGMENT_BYTES: u64 = 8 << 10;
const ENTRIES: u64 = 60;

fn id(index: u64) -> LogId {
    let leader_id = LeaderId { term: 1, node_id: 1 };
    LogId { leader_id, index }
}

fn entry(index: u64) -> Entry {
    Entry {
        log_id: id(index),
        payload: Payload::Command(Command(vec![3; 1500].into())),
    }
}

fn open(disk: &SimDisk) -> Result<Segments, OpenError> {
    let place = Place {
        disk: Disk::Simulated(disk.clone()),
        folder: Path::new(FOLDER).to_path_buf(),
        owner: OWNER,
        segment_bytes: SEGMENT_BYTES,
    };
    let found = read(&place.disk, &place.folder, OWNER)?;
    Segments::start(place, &found, Arc::default())
}

/// Fills many segments, purges all but the last entries at once, and goes on. Tells how many segments were free at once.
fn life(disk: &SimDisk) -> Result<usize, String> {
    let words = |error: io::Error| error.to_string();
    let mut segments = open(disk).map_err(|error| error.to_string())?;
    let mut spare = 0;
    for index in 0..ENTRIES {
        segments.append(&[entry(index)]).map_err(words)?;
        if index == ENTRIES - 8 {
            segments.purge(id(index - 4));
            spare = segments.purged(&segments.facts);
        }
        segments.flush().map_err(words)?;
        // As the writer does: turn by turn, until nothing is left.
        let purged = index >= ENTRIES - 8;
        while purged && segments.tidy().map_err(words)? {}
    }
    Ok(spare)
}

#[test]
fn segments_that_go_in_one_burst_leave_no_hole_wherever_it_is_stopped() {
    let whole = SimDisk::new(1);
    let spare = life(&whole).unwrap();
    assert!(spare > LOG_SPARE_SEGMENTS_MAX + 2, "{spare}");
    let mut removals = 0;
    for point in 0..whole.points() {
        let disk = SimDisk::new(1);
        disk.stop_at(point);
        life(&disk).unwrap_err();
        removals += u64::from(disk.stopped_in().starts_with("remove "));
        for loss in [
            Loss::Lost,
            Loss::Kept,
            Loss::Killed,
            Loss::Torn(point),
            Loss::Torn(point + 1),
        ] {
            let after = disk.after(loss);
            if after.exists(Path::new(FOLDER)) {
                let opened = open(&after).map(drop);
                assert!(opened.is_ok(), "{loss} in {:?}: {opened:?}", disk.stopped_in());
            }
        }
    }
    assert!(removals > 2, "{removals}");
}
