//! Files and folders that must survive a power cut, and sled databases that must not take the process down.
//!
//! Must not know what is stored in them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::OpenError;

/// Makes renames, new files and removals in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Replaces a file: afterwards it holds either the old bytes or the new ones, whatever happens in between.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path
        .parent()
        .ok_or_else(|| io::Error::other("a file without a folder"))?;
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_folder(folder)
}

/// The whole file, or nothing if it is not there.
pub(crate) fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Creates a folder and makes its name durable.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        _ => Ok(()),
    }
}

/// Bytes of the files of a folder, and how many files sled wrote beside its log, which it does without any fsync.
pub(crate) fn usage(folder: &Path) -> (u64, u64) {
    let files = |folder: &Path| fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let bytes = files(folder)
        .filter_map(|file| file.metadata().ok())
        .filter(fs::Metadata::is_file)
        .map(|m| m.len());
    (bytes.sum(), files(&folder.join("blobs")).count() as u64)
}

/// A sled database, opened so that damage is an error with a message.
///
/// sled panics on most kinds of damage; the panic is caught on a thread of its own.
pub(crate) fn open_sled(folder: &Path, cache_bytes: u64) -> Result<sled::Db, OpenError> {
    let owned = folder.to_path_buf();
    create_folder(&owned).map_err(OpenError::io("cannot create", &owned))?;
    remove_half_written_snapshots(&owned).map_err(OpenError::io("cannot clean", &owned))?;
    let opening = std::thread::Builder::new()
        .name("open-sled".into())
        .spawn(move || open_with_patience(&owned, cache_bytes))
        .map_err(OpenError::io("cannot start a thread to open", folder))?;
    match opening.join() {
        Ok(Ok(db)) => sync_files(folder)
            .map(|()| db)
            .map_err(OpenError::io("cannot sync", folder)),
        Ok(Err(sled::Error::Io(error))) => Err(OpenError::io("cannot open", folder)(error)),
        Ok(Err(error)) => Err(OpenError::quarantine(folder, format!("sled reports {error}"))),
        Err(_) => Err(OpenError::quarantine(folder, "sled found it damaged and gave up")),
    }
}

/// sled creates its files without making their names durable.
fn sync_files(folder: &Path) -> io::Result<()> {
    for file in fs::read_dir(folder)? {
        File::open(file?.path())?.sync_all()?;
    }
    sync_folder(folder)
}

/// A database that this process has just closed can hold its lock for a moment longer.
fn open_with_patience(folder: &Path, cache_bytes: u64) -> Result<sled::Db, sled::Error> {
    let config = sled::Config::new()
        .path(folder)
        .mode(sled::Mode::HighThroughput)
        .cache_capacity(cache_bytes)
        .flush_every_ms(None);
    let mut tries = 0;
    loop {
        match config.open() {
            Err(sled::Error::Io(error)) if tries < 100 && error.to_string().contains("could not acquire lock") => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}

/// sled takes a snapshot of its own index that a kill left half-written for the newest one, and then refuses to open
/// for ever; without that file it uses the one before.
fn remove_half_written_snapshots(folder: &Path) -> io::Result<()> {
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::warn!(path = %path.display(), "removing a half-written index of sled");
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Runs work on sled; a panic inside becomes an error.
pub(crate) fn no_panic<T>(work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(io::Error::other("sled gave up with a panic")))
}

/// An error of sled as an error of the system.
pub(crate) fn sled_error(error: sled::Error) -> io::Error {
    match error {
        sled::Error::Io(error) => error,
        other @ (sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_)
        | sled::Error::Corruption { .. }) => io::Error::other(other.to_string()),
    }
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
    fn a_folder_is_locked_for_one_holder() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderLock::take(folder.path()).unwrap();
        assert!(matches!(FolderLock::take(folder.path()), Err(OpenError::Locked(_))));
        drop(first);
        FolderLock::take(folder.path()).unwrap();
    }

    #[test]
    fn a_half_written_index_of_sled_does_not_brick_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let db = open_sled(folder.path(), 1 << 20).unwrap();
        db.insert(b"key", b"value").unwrap();
        db.flush().unwrap();
        drop(db);
        fs::write(folder.path().join("snap.ffffffffffffffff.generating"), b"").unwrap();
        let db = open_sled(folder.path(), 1 << 20).unwrap();
        assert_eq!(db.get(b"key").unwrap().unwrap().as_ref(), b"value");
    }

    #[test]
    fn damage_is_an_error_and_not_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let db = open_sled(folder.path(), 1 << 20).unwrap();
        for number in 0..2000_u32 {
            db.insert(number.to_be_bytes(), vec![7; 500]).unwrap();
        }
        db.flush().unwrap();
        drop(db);
        let log = folder.path().join("db");
        let mut bytes = fs::read(&log).unwrap();
        let length = bytes.len();
        bytes[length / 8..length / 2].fill(0xA5);
        fs::write(&log, bytes).unwrap();
        // Either sled notices, or it recovers a shorter history; a panic must not come through.
        if let Err(error) = open_sled(folder.path(), 1 << 20) {
            assert!(matches!(error, OpenError::Quarantine { .. }), "{error}");
        }
    }
}
