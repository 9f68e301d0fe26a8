//! The file CURRENT, which names the folder of the live tables.
//!
//! Must not guess: without the file only a folder that has never written a checkpoint is new.

use std::path::Path;

use crate::disk::Disk;
use crate::guard::Promises;
use crate::{OpenError, note};

const FILE: &str = "CURRENT";
const FIRST: u64 = 1;

/// Where the live tables are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Current {
    pub(super) number: u64,
    /// Whether the file was there.
    pub(super) written: bool,
}

/// Reads the file, and checks that what it names is there.
pub(super) fn find(disk: &Disk, folder: &Path, promises: &Promises) -> Result<Current, OpenError> {
    let path = folder.join(FILE);
    let damaged = |why: String| OpenError::quarantine(folder, why);
    let Some(bytes) = disk.read_file(&path).map_err(OpenError::io("cannot read", &path))? else {
        let others = numbered(disk, folder)?.into_iter().any(|number| number != FIRST);
        if promises.checkpoint > 0 || others {
            return Err(damaged(format!(
                "the file {FILE} is missing, so nothing tells which of its tables are live"
            )));
        }
        return Ok(Current {
            number: FIRST,
            written: false,
        });
    };
    let lines = note::open(&bytes).ok_or_else(|| damaged(format!("the file {FILE} is damaged")))?;
    let number = note::value(lines, "tables").and_then(|number| number.parse().ok());
    let number: u64 = number.ok_or_else(|| damaged(format!("the file {FILE} names no tables")))?;
    if !disk.exists(&folder.join(number.to_string())) {
        return Err(damaged(format!("its tables {number} are missing")));
    }
    Ok(Current { number, written: true })
}

/// Makes `number` the live tables; returns when that is on disk. It must not be there without what it names.
pub(super) fn write(disk: &Disk, folder: &Path, number: u64) -> std::io::Result<()> {
    disk.sync_folder(folder)?;
    disk.replace_file(&folder.join(FILE), note::seal(&format!("tables {number}\n")).as_bytes())
}

/// Numbers of all folders of tables, live or not.
pub(super) fn numbered(disk: &Disk, folder: &Path) -> Result<Vec<u64>, OpenError> {
    let names = disk.names(folder).map_err(OpenError::io("cannot read", folder))?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_in(folder: &Path, checkpoint: u64) -> Result<Current, OpenError> {
        let promises = Promises {
            checkpoint,
            ..Promises::default()
        };
        find(&Disk::Real, folder, &promises)
    }

    #[test]
    fn a_missing_file_is_only_new_where_nothing_was_promised() {
        let folder = tempfile::tempdir().unwrap();
        let new = Current {
            number: 1,
            written: false,
        };
        assert_eq!(find_in(folder.path(), 0).unwrap(), new);
        assert!(matches!(find_in(folder.path(), 5), Err(OpenError::Quarantine { .. })));
        std::fs::create_dir(folder.path().join("2")).unwrap();
        assert!(matches!(find_in(folder.path(), 0), Err(OpenError::Quarantine { .. })));
        write(&Disk::Real, folder.path(), 2).unwrap();
        let two = Current {
            number: 2,
            written: true,
        };
        assert_eq!(find_in(folder.path(), 5).unwrap(), two);
        write(&Disk::Real, folder.path(), 3).unwrap();
        assert!(matches!(find_in(folder.path(), 5), Err(OpenError::Quarantine { .. })));
    }
}
