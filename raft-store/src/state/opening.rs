//! What opening does with the tables of a folder before they are used: finishes, compares, clears away.
//!
//! Must not remove anything before the live tables are known to be good.

use std::path::Path;

use super::base::{Base, Mark};
use super::{current, redo};
use crate::OpenError;
use crate::disk::Disk;
use crate::guard::Promises;

/// The tables on disk must hold at least what the guard file says they do.
pub(super) fn check_checkpoint(data_dir: &Path, mark: &Mark, promises: &Promises) -> Result<(), OpenError> {
    if mark.seen() >= promises.checkpoint {
        return Ok(());
    }
    Err(OpenError::quarantine(
        data_dir,
        format!(
            "its tables go to entry {}, but a checkpoint of {} entries was on disk",
            mark.seen(),
            promises.checkpoint
        ),
    ))
}

/// Removes what interrupted snapshots left, once the live tables are known to be good.
pub(super) fn remove_other_tables(disk: &Disk, folder: &Path, live: u64) -> Result<(), OpenError> {
    for number in current::numbered(disk, folder)? {
        if number != live {
            let path = folder.join(number.to_string());
            tracing::info!(folder = %path.display(), "removing tables that were never completed or are replaced");
            disk.remove_folder(&path)
                .map_err(OpenError::io("cannot remove", &path))?;
        }
    }
    Ok(())
}

/// Does an interrupted checkpoint again.
pub(super) fn finish_checkpoint(base: &Base) -> Result<(), OpenError> {
    let folder = base.folder();
    let unreadable = OpenError::unless_told("cannot read the redo file in", folder);
    if let Some((mark, changes)) = redo::read(base.disk(), folder).map_err(unreadable)? {
        // Done again also where the mark is there already: it may have reached the disk before the rows.
        if mark.seen() >= base.mark()?.seen() {
            tracing::info!(
                rows = changes.len(),
                seen = mark.seen(),
                "finishing an interrupted checkpoint"
            );
            // When the disk is full, all of it is on disk still, in the redo file.
            base.write_all(&changes, &mark)
                .map_err(OpenError::unless_told("cannot finish the checkpoint in", folder))?;
        }
        redo::remove(base.disk(), folder).map_err(OpenError::io("cannot remove the redo file in", folder))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::sim::SimDisk;
    use bytes::Bytes;

    /// The redo file found room, and what it is copied to did not.
    #[test]
    fn a_checkpoint_that_a_full_disk_interrupts_is_no_damage_and_is_finished_later() {
        let (sim, folder) = (SimDisk::new(1), Path::new("/state"));
        let disk = Disk::Simulated(sim.clone());
        let base = Base::open(&disk, folder, 1 << 20).unwrap();
        let row = Bytes::from_static(b"\x01key");
        let changes = redo::Changes::from([(row.clone(), Some(Bytes::from_static(b"value")))]);
        redo::write(&disk, folder, &Mark::default(), &changes).unwrap();
        sim.fill(true);
        for _ in 0..2 {
            let error = finish_checkpoint(&base).unwrap_err();
            let full = matches!(&error, OpenError::Io { source, .. } if source.raw_os_error() == Some(libc::ENOSPC));
            assert!(full && !crate::verify::is_damage(&error), "{error}");
        }
        sim.fill(false);
        finish_checkpoint(&base).unwrap();
        assert_eq!(base.get(&row).unwrap().unwrap(), b"value"[..]);
        assert!(redo::read(&disk, folder).unwrap().is_none());
    }
}
