//! Files and folders of this machine that must survive a power cut.
//!
//! Must not know what is stored in them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::limits::REWRITE_BYTES;
use crate::{OpenError, fsync};

/// An open file.
#[derive(Debug)]
pub(crate) enum DiskFile {
    Real(File),
    #[cfg(any(test, feature = "sim"))]
    Simulated(super::sim::SimFile),
}

impl DiskFile {
    pub(crate) fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let written = match self {
            Self::Real(file) => file.write_all_at(bytes, offset),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(file) => file.write_all_at(bytes, offset),
        };
        written.map_err(not_taken)
    }

    /// Returns when the file's bytes are durable; its name is, after [`super::Disk::sync_folder`].
    pub(crate) fn sync(&self) -> io::Result<()> {
        #[cfg(feature = "mutations")]
        if mutations::on(mutations::Mutation::FsyncOff) {
            return Ok(());
        }
        match self {
            Self::Real(file) => file.sync_all(),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(file) => file.sync(),
        }
    }

    /// Returns when the file's bytes are durable, if neither its length nor its name has changed: what the log waits for.
    pub(crate) fn sync_data(&self) -> io::Result<()> {
        #[cfg(feature = "mutations")]
        if mutations::on(mutations::Mutation::FsyncOff) {
            return Ok(());
        }
        match self {
            Self::Real(_) if fsync::log_is_unsynced() => Ok(()),
            Self::Real(file) => {
                #[cfg(test)]
                super::delay::wait();
                file.sync_data()
            }
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(file) => file.sync_data(),
        }
    }

    /// Makes durable what a process before may have left in the kernel's memory only.
    pub(crate) fn sync_found(&self) -> io::Result<()> {
        match self {
            Self::Real(file) => file.sync_all(),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(file) => file.sync_found(),
        }
    }
}

/// Writes one piece after the other.
impl Write for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self {
            Self::Real(file) => file.write(bytes),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(file) => file.append(bytes),
        };
        written.map_err(not_taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Real(file) => file.flush(),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(_) => Ok(()),
        }
    }
}

/// A write that a full or read-only disk refused. Unlike an fsync that failed it leaves nothing behind that programs read and
/// the disk does not have.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct NotTaken(io::Error);

fn not_taken(error: io::Error) -> io::Error {
    let refused = [io::ErrorKind::StorageFull, io::ErrorKind::ReadOnlyFilesystem];
    if refused.contains(&error.kind()) {
        io::Error::new(error.kind(), NotTaken(error))
    } else {
        error
    }
}

/// Whether it is certain that the disk refused a write, and was not asked for more. sled does not tell its writes from its
/// fsyncs.
pub(crate) fn was_not_taken(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<NotTaken>())
}

pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Writes the bytes of all files below a folder again, in place, and syncs files and folders.
pub(super) fn write_again(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            write_again(&entry.path())?;
        } else if kind.is_file() {
            write_file_again(&entry.path())?;
        }
    }
    sync_folder(folder)
}

fn write_file_again(path: &Path) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    let mut piece = vec![0; REWRITE_BYTES];
    let mut at = 0;
    loop {
        let read = file.read_at(&mut piece, at)?;
        if read == 0 {
            return file.sync_all();
        }
        file.write_all_at(&piece[..read], at)?;
        at += read as u64;
    }
}

pub(super) fn open_synced(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(libc::O_DSYNC)
        .open(path)
}

pub(super) fn open_unsynced(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

pub(super) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string().ok());
    }
    Ok(names)
}

fn files(folder: &Path) -> impl Iterator<Item = fs::DirEntry> {
    fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok)
}

/// Bytes of the files of a folder.
pub(crate) fn usage(folder: &Path) -> u64 {
    let files = files(folder).filter_map(|file| file.metadata().ok());
    files.filter(fs::Metadata::is_file).map(|m| m.len()).sum()
}

/// How many files sled wrote beside its own log in the folder of a database, which it does without any fsync.
pub(crate) fn unsynced(folder: &Path) -> u64 {
    files(&folder.join("blobs")).count() as u64
}

/// Asks the kernel to read this part from the disk and not from memory. It keeps pages that are not written yet.
pub(crate) fn forget_cached(file: &File, from: u64, bytes: u64) {
    let (from, bytes) = (i64::try_from(from).unwrap_or(0), i64::try_from(bytes).unwrap_or(0));
    // SAFETY: the descriptor is open for the whole call, and the call takes no pointer.
    #[expect(unsafe_code, reason = "there is no safe form of this hint in the standard library")]
    let _only_a_hint = unsafe { libc::posix_fadvise(file.as_raw_fd(), from, bytes, libc::POSIX_FADV_DONTNEED) };
}

/// Holds the data folder for this process.
pub(crate) struct FolderLock {
    _file: File,
}

impl FolderLock {
    pub(crate) fn take(folder: &Path) -> Result<Self, OpenError> {
        let path: PathBuf = folder.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(OpenError::io("cannot open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(fs::TryLockError::WouldBlock) => Err(OpenError::Locked(folder.to_path_buf())),
            Err(fs::TryLockError::Error(error)) => Err(OpenError::io("cannot lock", &path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_a_full_disk_refuses_is_told_from_an_fsync_that_fails() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut full = DiskFile::Real(full);
        for error in [
            full.write_all_at(b"x", 0).unwrap_err(),
            full.write_all(b"x").unwrap_err(),
        ] {
            assert!(was_not_taken(&error), "{error:?}");
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            assert!(
                error.to_string().contains("No space left on device (os error 28)"),
                "{error}"
            );
        }
        assert!(!was_not_taken(&full.sync().unwrap_err()));
        // What an fsync says on a disk that was full only when the kernel began to write.
        assert!(!was_not_taken(&io::Error::from_raw_os_error(libc::ENOSPC)));
        assert!(!was_not_taken(&not_taken(io::Error::from_raw_os_error(libc::EIO))));
    }

    #[test]
    fn a_folder_is_locked_for_one_holder() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderLock::take(folder.path()).unwrap();
        assert!(matches!(FolderLock::take(folder.path()), Err(OpenError::Locked(_))));
        drop(first);
        FolderLock::take(folder.path()).unwrap();
    }
}
