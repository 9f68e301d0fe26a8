//! Everything that log, tables, guard and identity do to a disk: durable files, folders, and ordered databases.
//!
//! The one implementation in production is the disk of this machine with sled on it; a match on one variant costs
//! nothing. Must not know what is stored.

mod database;
#[cfg(test)]
pub(crate) mod delay;
mod files;
#[cfg(any(test, feature = "sim"))]
pub(crate) mod sim;
mod sled_engine;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) use self::database::{Database, Tree, Value};
pub(crate) use self::files::{DiskFile, FolderLock, forget_cached, unsynced, usage, was_not_taken};
use crate::OpenError;

/// A disk; cloning shares it.
#[derive(Clone, Debug)]
pub(crate) enum Disk {
    /// The one of this machine.
    Real,
    /// One in memory that loses what was not made durable.
    #[cfg(any(test, feature = "sim"))]
    Simulated(sim::SimDisk),
}

impl Disk {
    /// Makes renames, new files and removals in a folder durable.
    pub(crate) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        match self {
            Self::Real => files::sync_folder(folder),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(disk) => disk.sync_folder(folder),
        }
    }

    /// Creates a folder, and those above it that are missing, and makes their names durable.
    pub(crate) fn create_folder(&self, path: &Path) -> io::Result<()> {
        // Its own name in any case: a process that was killed may have left it without.
        let above = path.ancestors().skip(1).take_while(|folder| !self.exists(folder));
        let missing: Vec<&Path> = std::iter::once(path).chain(above).collect();
        match self {
            Self::Real => fs::create_dir_all(path)?,
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(disk) => disk.create_folder(path)?,
        }
        for folder in missing {
            match folder.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => self.sync_folder(parent)?,
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    /// Writes every byte of a folder again where it is, and syncs it: what is read of it is on disk afterwards.
    pub(crate) fn write_again(&self, folder: &Path) -> io::Result<()> {
        match self {
            Self::Real => files::write_again(folder),
            // Its syncs do not fail while it has power.
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(_) => Ok(()),
        }
    }

    /// Removes a folder with everything in it.
    pub(crate) fn remove_folder(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::Real => fs::remove_dir_all(path),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(disk) => disk.remove_folder(path),
        }
    }

    /// Names of files and folders in a folder; those that are not text are none of ours.
    pub(crate) fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        match self {
            Self::Real => files::names(folder),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(disk) => disk.names(folder),
        }
    }

    pub(crate) fn exists(&self, path: &Path) -> bool {
        match self {
            Self::Real => path.exists(),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(disk) => disk.exists(path),
        }
    }

    /// The whole file, or nothing if it is not there.
    pub(crate) fn read_file(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let read = match self {
            Self::Real => fs::read(path),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(disk) => disk.read_file(path),
        };
        match read {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A new file, to be written from its start; an older one of that name is emptied.
    pub(crate) fn create_file(&self, path: &Path) -> io::Result<DiskFile> {
        match self {
            Self::Real => fs::File::create(path).map(DiskFile::Real),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(disk) => disk.create_file(path).map(DiskFile::Simulated),
        }
    }

    /// A file, new or not, each write to which is durable when it returns.
    pub(crate) fn open_synced_file(&self, path: &Path) -> io::Result<DiskFile> {
        match self {
            Self::Real => files::open_synced(path).map(DiskFile::Real),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(disk) => disk.open_synced_file(path).map(DiskFile::Simulated),
        }
    }

    /// A file, new or not, whose writes are durable after [`DiskFile::sync`].
    pub(crate) fn open_file(&self, path: &Path) -> io::Result<DiskFile> {
        match self {
            Self::Real => files::open_unsynced(path).map(DiskFile::Real),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(disk) => disk.open_file(path).map(DiskFile::Simulated),
        }
    }

    /// Gives a file another name, which is durable after [`Disk::sync_folder`].
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self {
            Self::Real => fs::rename(from, to),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(disk) => disk.rename(from, to),
        }
    }

    /// Removes a file; no error if it is not there.
    pub(crate) fn remove_file(&self, path: &Path) -> io::Result<()> {
        let removed = match self {
            Self::Real => fs::remove_file(path),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(disk) => disk.remove_file(path),
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Replaces a file: afterwards it holds either the old bytes or the new ones, whatever happens in between.
    pub(crate) fn replace_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let folder = path
            .parent()
            .ok_or_else(|| io::Error::other("a file without a folder"))?;
        let temporary = path.with_extension("tmp");
        let mut file = self.create_file(&temporary)?;
        file.write_all(bytes)?;
        file.sync()?;
        self.rename(&temporary, path)?;
        self.sync_folder(folder)
    }

    /// A database, opened so that damage is an error with a message, and everything found in it is durable.
    pub(crate) fn open_database(&self, folder: &Path, cache_bytes: u64) -> Result<Database, OpenError> {
        self.create_folder(folder)
            .map_err(OpenError::io("cannot create", folder))?;
        match self {
            Self::Real => sled_engine::open(folder, cache_bytes).map(Database::Sled),
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(disk) => disk
                .open_database(folder)
                .map(Database::Simulated)
                .map_err(OpenError::io("cannot open", folder)),
        }
    }

    /// Whether something done at `since` is older than `age`.
    pub(crate) fn is_older(&self, since: Instant, age: Duration) -> bool {
        match self {
            Self::Real => since.elapsed() >= age,
            #[cfg(any(test, feature = "sim"))]
            Self::Simulated(disk) => disk.is_older(),
        }
    }
}

/// Runs work on a database or the log; a panic inside becomes an error.
pub(crate) fn no_panic<T>(work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(io::Error::other("the store gave up with a panic")))
}
