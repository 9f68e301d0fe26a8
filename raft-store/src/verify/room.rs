//! Whether the disk takes anything at all: a full or read-only disk must be called that, and never damage.

use std::io::{self, Write};
use std::path::Path;

use crate::OpenError;
use crate::disk::Disk;
use crate::limits::{ROOM_BYTES_MIN, ZEROS_BYTES};
use crate::log_store;

const FILE: &str = "room.tmp";

/// Writes as much as opening may need, and takes it away again; before that, what a process that was killed left half-made.
pub(super) fn check(disk: &Disk, folder: &Path) -> Result<(), OpenError> {
    let path = folder.join(FILE);
    let written = log_store::remove_unfinished(disk, &folder.join("log")).and_then(|()| fill(disk, &path));
    let removed = disk.remove_file(&path);
    written.and(removed).map_err(OpenError::io(
        "the disk takes nothing (make room, or make it writable): cannot write",
        &path,
    ))
}

fn fill(disk: &Disk, path: &Path) -> io::Result<()> {
    let mut file = disk.create_file(path)?;
    let piece = vec![0xA5; ZEROS_BYTES];
    let mut left = ROOM_BYTES_MIN;
    while left > 0 {
        let bytes = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS_BYTES);
        file.write_all(&piece[..bytes])?;
        left -= bytes as u64;
    }
    file.sync()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::sim::SimDisk;

    #[test]
    fn a_segment_that_was_never_finished_does_not_take_the_room() {
        let sim = SimDisk::new(1);
        let (disk, folder) = (Disk::Simulated(sim.clone()), Path::new("/data"));
        let (log, half_made) = (folder.join("log"), folder.join("log/next.tmp"));
        disk.create_folder(&log).unwrap();
        for name in ["next.tmp", "0000000001.log"] {
            disk.create_file(&log.join(name)).unwrap().write_all(b"half").unwrap();
        }
        check(&disk, folder).unwrap();
        assert!(!disk.exists(&half_made));
        assert!(disk.exists(&log.join("0000000001.log")));
        assert!(!disk.exists(&folder.join(FILE)), "it takes its own file away");
    }

    /// A new segment is made right after opening: a disk without room for it would end the node again and again.
    #[test]
    fn a_disk_with_less_room_than_a_segment_is_full() {
        assert!(ROOM_BYTES_MIN > crate::Limits::default().log_segment_bytes);
        let sim = SimDisk::new(1);
        let (disk, folder) = (Disk::Simulated(sim.clone()), Path::new("/data"));
        disk.create_folder(folder).unwrap();
        sim.limit_files(ROOM_BYTES_MIN - 1);
        let refused = check(&disk, folder).unwrap_err();
        assert!(refused.to_string().contains("make room"), "{refused}");
        assert!(!crate::verify::is_damage(&refused), "{refused}");
        assert!(!disk.exists(&folder.join(FILE)));
        sim.limit_files(ROOM_BYTES_MIN);
        check(&disk, folder).unwrap();
    }
}
