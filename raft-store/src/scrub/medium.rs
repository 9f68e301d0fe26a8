//! One file of sled, read from the disk itself.
//!
//! sled writes its log in segments and never changes one that it has filled, until it gives it a new place in the log,
//! which its head tells. So a filled segment under the same head must have the same bytes in every pass. Must not know
//! more of sled's format than the length of a segment and where its place in the log stands.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::Found;
use crate::disk::forget_cached;

/// sled's default, which the store uses.
pub(super) const SEGMENT_BYTES: u64 = 512 * 1024;
const HEAD_BYTES: usize = 20;
/// Segments at the end of the log that sled may still be writing.
const UNSETTLED: i64 = 4 * UNSETTLED_STEP;
const UNSETTLED_STEP: i64 = 512 * 1024;
/// sled keeps numbers with these bits turned over, so that zeros are none.
const TURNED: i64 = 0x7FFF_FFFF_FFFF_FFFF;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    place: i64,
    checksum: u32,
}

pub(super) struct Medium {
    path: PathBuf,
    known: BTreeMap<u64, Segment>,
    /// The furthest place in the log that the last pass has seen.
    highest: i64,
    highest_now: i64,
}

impl Medium {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            known: BTreeMap::new(),
            highest: 0,
            highest_now: 0,
        }
    }

    pub(super) fn is_of(&self, path: &Path) -> bool {
        self.path == path
    }

    /// A pass begins at segment 0.
    pub(super) fn begin(&mut self) {
        self.highest = self.highest_now;
    }

    /// Reads one segment; false behind the last one.
    pub(super) async fn step(&mut self, number: u64) -> Result<bool, Found> {
        let Some(segment) = self.read(number).await? else {
            self.known.split_off(&number);
            return Ok(false);
        };
        if segment.place < 0 || segment.place % UNSETTLED_STEP != 0 {
            // A segment that sled has given up, or not begun yet.
            self.known.remove(&number);
            return Ok(true);
        }
        self.highest_now = self.highest_now.max(segment.place);
        if segment.place.saturating_add(UNSETTLED) > self.highest {
            return Ok(true);
        }
        match self.known.insert(number, segment) {
            Some(known) if known.place == segment.place && known.checksum != segment.checksum => {
                Err(Found::Damage(format!(
                    "{} changed on disk between byte {} and {}, where nothing was written",
                    self.path.display(),
                    number * SEGMENT_BYTES,
                    (number + 1) * SEGMENT_BYTES
                )))
            }
            Some(_) | None => Ok(true),
        }
    }

    async fn read(&self, number: u64) -> Result<Option<Segment>, Found> {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || read(&path, number)).await;
        let read = read.map_err(|error| Found::Unreadable(error.to_string()))?;
        read.map_err(|error| Found::Unreadable(format!("{}: {error}", self.path.display())))
    }
}

fn read(path: &Path, number: u64) -> io::Result<Option<Segment>> {
    let file = match File::open(path) {
        // The tables were exchanged.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    forget_cached(&file, number * SEGMENT_BYTES, SEGMENT_BYTES);
    let mut bytes = vec![0; usize::try_from(SEGMENT_BYTES).map_err(io::Error::other)?];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], number * SEGMENT_BYTES + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if filled < HEAD_BYTES {
        return Ok(None);
    }
    let mut place = [0; 8];
    place.copy_from_slice(&bytes[4..12]);
    Ok(Some(Segment {
        place: i64::from_le_bytes(place) ^ TURNED,
        checksum: crc32c::crc32c(&bytes[..filled]),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    async fn pass(medium: &mut Medium) -> Result<u64, String> {
        medium.begin();
        for number in 0.. {
            match medium.step(number).await {
                Ok(true) => {}
                Ok(false) => return Ok(number),
                Err(Found::Damage(what) | Found::Unreadable(what)) => return Err(what),
            }
        }
        Ok(0)
    }

    /// A file of sled that goes on growing is quiet; one changed bit behind its end is not.
    #[tokio::test]
    async fn a_changed_bit_is_found_and_a_busy_database_is_not() {
        crate::install_real_fsync().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let db = Disk::Real.open_database(folder.path(), 1 << 20).unwrap();
        let tree = db.open_tree("rows").unwrap();
        let mut medium = Medium::new(folder.path().join("db"));
        for round in 0..6_u32 {
            for key in 0..400_u32 {
                let key = (round * 200 + key).to_be_bytes();
                tree.insert(&key, vec![u8::try_from(round).unwrap(); 4000]).unwrap();
            }
            db.flush().unwrap();
            let segments = pass(&mut medium).await.unwrap();
            assert!(segments > u64::from(round), "{segments}");
        }
        pass(&mut medium).await.unwrap();
        let settled = *medium.known.keys().next().expect("some segments are settled");
        let file = File::options()
            .read(true)
            .write(true)
            .open(folder.path().join("db"))
            .unwrap();
        let at = settled * SEGMENT_BYTES + 100_000;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 4], at).unwrap();
        let found = pass(&mut medium).await.unwrap_err();
        assert!(found.contains("changed on disk"), "{found}");
    }
}
