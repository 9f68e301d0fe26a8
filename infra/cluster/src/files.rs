//! Writing files so that a reader never sees half of one, and secrets only by their owner.

use crate::error::{Error, Result};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Owner may read and write, nobody else anything.
const PRIVATE_FILE: u32 = 0o600;
/// Owner may use the folder, nobody else.
const PRIVATE_FOLDER: u32 = 0o700;

/// Replaces the file in one step; mode 0600.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<()> {
    let beside = path.with_extension("tmp");
    let attempt = || {
        let _ = fs::remove_file(&beside);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(PRIVATE_FILE)
            .open(&beside)?;
        file.write_all(content)?;
        fs::rename(&beside, path)
    };
    attempt().map_err(|e: std::io::Error| Error::file("write", path, &e))
}

/// Makes the folder and its parents; mode 0700.
pub(crate) fn folder(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_FOLDER)
        .create(path)
        .map_err(|e| Error::file("create the folder", path, &e))
}

/// Reads a text file; `None` when there is none.
pub(crate) fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::file("read", path, &e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn cr_4_written_files_are_private_and_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ring.toml");
        write(&path, b"first").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("second"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
        assert_eq!(read(&dir.path().join("none")).unwrap(), None);
    }
}
