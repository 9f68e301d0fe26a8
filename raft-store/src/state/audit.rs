//! Reads every row of the tables on disk and compares them with what the last checkpoint wrote.
//!
//! Must not change anything: a checkpoint that was interrupted is finished in thought only.

use std::path::Path;

use bytes::Bytes;

use super::base::{Base, Mark};
use super::digest::RowsDigest;
use super::{check_checkpoint, current, redo, successor};
use crate::OpenError;
use crate::disk::Disk;
use crate::guard::Promises;

/// Rows read at a time.
const PAGE_ROWS: usize = 512;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct TablesFound {
    pub(crate) mark: Mark,
    /// Whether a checkpoint was interrupted and will be finished.
    pub(crate) redo: bool,
}

/// Reads everything. The digest and number of rows must be those of the mark.
pub(crate) fn audit(
    disk: &Disk,
    data_dir: &Path,
    cache_bytes: u64,
    promises: &Promises,
    owner: [u8; 16],
) -> Result<TablesFound, OpenError> {
    let folder = data_dir.join("state");
    let damaged = |why: String| OpenError::quarantine(data_dir, why);
    if !disk.exists(&folder) {
        check_checkpoint(data_dir, &Mark::default(), promises)?;
        return Ok(TablesFound::default());
    }
    let found = current::find(disk, &folder, promises)?;
    let path = folder.join(found.number.to_string());
    if !disk.exists(&path) {
        return Ok(TablesFound::default());
    }
    let base = Base::open(disk, &path, cache_bytes)?;
    base.check_owner(owner)?;
    let written = base.mark()?;
    let redo = redo::read(disk, &path).map_err(OpenError::unless_told("cannot read the redo file in", &path))?;
    let redo = redo.filter(|(mark, _)| mark.seen() > written.seen());
    let (mark, changes) = match &redo {
        Some((mark, changes)) => (mark, Some(changes)),
        None => (&written, None),
    };
    check_checkpoint(data_dir, mark, promises)?;
    let mut digest = RowsDigest::default();
    let mut from = Bytes::new();
    loop {
        let page = base.page(&from, None, PAGE_ROWS);
        let page = page.map_err(|error| damaged(format!("its tables {}: {error}", found.number)))?;
        let Some((last, _)) = page.last() else {
            break;
        };
        from = successor(last);
        for (row, value) in &page {
            if changes.is_none_or(|changes| !changes.contains_key(row)) {
                digest.add(row, value);
            }
        }
    }
    for (row, value) in changes.into_iter().flatten() {
        digest.replace(row, None, value.as_deref());
    }
    check_digest(data_dir, &digest, mark)?;
    Ok(TablesFound {
        mark: mark.clone(),
        redo: redo.is_some(),
    })
}

/// Rows as they are against rows as they were written.
pub(crate) fn check_digest(data_dir: &Path, found: &RowsDigest, mark: &Mark) -> Result<(), OpenError> {
    if *found == mark.digest {
        return Ok(());
    }
    let (found, expected) = (found.rows, mark.digest.rows);
    let why = if found == expected {
        format!(
            "one of its {found} rows, or more, is not what the checkpoint of {} entries wrote",
            mark.seen()
        )
    } else {
        format!(
            "its tables have {found} rows, the checkpoint of {} entries wrote {expected}",
            mark.seen()
        )
    };
    Err(OpenError::quarantine(data_dir, why))
}
