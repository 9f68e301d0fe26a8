//! Whether the disk takes anything at all: a full or read-only disk must be called that, and never damage.

use std::io::Write;
use std::path::Path;

use crate::OpenError;
use crate::disk::Disk;
use crate::limits::ROOM_BYTES_MIN;

const FILE: &str = "room.tmp";

/// Writes as much as opening may need, and takes it away again.
pub(super) fn check(disk: &Disk, folder: &Path) -> Result<(), OpenError> {
    let path = folder.join(FILE);
    let written = disk.create_file(&path).and_then(|mut file| {
        file.write_all(&vec![0xA5; ROOM_BYTES_MIN])?;
        file.sync()
    });
    let removed = disk.remove_file(&path);
    written.and(removed).map_err(OpenError::io(
        "the disk takes nothing (make room, or make it writable): cannot write",
        &path,
    ))
}
