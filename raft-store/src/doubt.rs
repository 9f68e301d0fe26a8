//! Bytes that programs read although they are not on disk: what an fsync that failed leaves behind. The kernel takes them for
//! written from then on, so the next fsync succeeds, and a loss of power takes them away from under all that came later.
//!
//! A store that stops because of its disk notes that in the file `doubt`, in place and not synced: the note lives as long
//! as the memory of the kernel that those bytes are in. The next start writes every byte of the folder again before
//! anything is promised upon it. Must not judge what the bytes mean: that was done before.

use std::path::Path;

use crate::OpenError;
use crate::disk::{Disk, DiskFile};

const FILE: &str = "doubt";
const NONE: &[u8] = b"-";
const NOTED: &[u8] = b"!";

/// The file, open and long enough, so that a note needs no room on the disk.
#[derive(Debug)]
pub(crate) struct Doubt {
    file: DiskFile,
}

impl Doubt {
    /// Ends the doubt that the process before has left, if it has.
    pub(crate) fn settle(disk: &Disk, folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(FILE);
        let failed = || OpenError::io("cannot write", &path);
        let noted = disk.read_file(&path).map_err(OpenError::io("cannot read", &path))?;
        if noted.is_some_and(|bytes| bytes.starts_with(NOTED)) {
            tracing::warn!(folder = %folder.display(), "the disk failed before: writing everything in the folder again");
            disk.write_again(folder)
                .map_err(OpenError::io("cannot write everything again in", folder))?;
        }
        let file = disk.open_file(&path).map_err(failed())?;
        file.write_all_at(NONE, 0)
            .and_then(|()| file.sync())
            .and_then(|()| disk.sync_folder(folder))
            .map_err(failed())?;
        Ok(Self { file })
    }

    /// The disk has failed, and with it maybe an fsync.
    pub(crate) fn note(&self) {
        if let Err(error) = self.file.write_all_at(NOTED, 0) {
            tracing::warn!(%error, "cannot note that the disk failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_failed_disk_is_doubted_once_and_keeps_every_byte() {
        let folder = tempfile::tempdir().unwrap();
        let (data, below) = (folder.path(), folder.path().join("log"));
        fs::create_dir(&below).unwrap();
        let long: Vec<u8> = (0..3_000_000_u32).map(|at| at.to_le_bytes()[at as usize % 3]).collect();
        fs::write(below.join("0000000001.log"), &long).unwrap();
        fs::write(data.join("empty"), b"").unwrap();
        let _socket = UnixListener::bind(data.join("admin.sock")).unwrap();
        let told = || fs::read(data.join(FILE)).unwrap();

        let doubt = Doubt::settle(&Disk::Real, data).unwrap();
        assert_eq!(told(), NONE);
        doubt.note();
        assert_eq!(told(), NOTED);
        let inode = |name: &str| std::os::unix::fs::MetadataExt::ino(&fs::metadata(below.join(name)).unwrap());
        let before = (
            fs::metadata(below.join("0000000001.log")).unwrap().modified().unwrap(),
            inode("0000000001.log"),
        );
        drop(Doubt::settle(&Disk::Real, data).unwrap());
        assert_eq!(told(), NONE);
        let after = (
            fs::metadata(below.join("0000000001.log")).unwrap().modified().unwrap(),
            inode("0000000001.log"),
        );
        assert!(after.0 > before.0, "it was not written again");
        assert_eq!(after.1, before.1, "in place: whoever holds it open goes on with it");
        assert_eq!(fs::read(below.join("0000000001.log")).unwrap(), long);
        drop(Doubt::settle(&Disk::Real, data).unwrap());
        assert_eq!(
            fs::metadata(below.join("0000000001.log")).unwrap().modified().unwrap(),
            after.0
        );
    }
}
