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
    let damaged = |error: &dyn std::fmt::Display| OpenError::quarantine(folder, error.to_string());
    if let Some((mark, changes)) = redo::read(base.disk(), folder).map_err(|error| damaged(&error))? {
        // Done again also where the mark is there already: it may have reached the disk before the rows.
        if mark.seen() >= base.mark().map_err(|error| damaged(&error))?.seen() {
            tracing::info!(
                rows = changes.len(),
                seen = mark.seen(),
                "finishing an interrupted checkpoint"
            );
            base.write_all(&changes, &mark).map_err(|error| damaged(&error))?;
        }
        redo::remove(base.disk(), folder).map_err(OpenError::io("cannot remove the redo file in", folder))?;
    }
    Ok(())
}
