//! sled databases that must not take the process down.
//!
//! Must not know what is stored in them.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use super::files::sync_folder;
use crate::OpenError;

/// A sled database, opened so that damage is an error with a message.
///
/// sled panics on most kinds of damage; the panic is caught on a thread of its own.
pub(super) fn open(folder: &Path, cache_bytes: u64) -> Result<sled::Db, OpenError> {
    let owned = folder.to_path_buf();
    remove_half_written_snapshots(&owned).map_err(OpenError::io("cannot clean", &owned))?;
    let opening = std::thread::Builder::new()
        .name("open-sled".into())
        .spawn(move || open_with_patience(&owned, cache_bytes))
        .map_err(OpenError::io("cannot start a thread to open", folder))?;
    match opening.join() {
        Ok(Ok(db)) => sync_files(folder)
            .map(|()| db)
            .map_err(OpenError::io("cannot sync", folder)),
        Ok(Err(sled::Error::Io(error))) => Err(OpenError::io("cannot open", folder)(original(error))),
        Ok(Err(error)) => Err(OpenError::quarantine(folder, format!("sled reports {error}"))),
        Err(_) => Err(OpenError::quarantine(folder, "sled found it damaged and gave up")),
    }
}

/// sled creates its files without making their names durable; and what a killed process wrote may not be on disk yet.
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

/// An error of sled as an error of the system.
pub(super) fn error(error: sled::Error) -> io::Error {
    match error {
        sled::Error::Io(error) => original(error),
        other @ (sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_)
        | sled::Error::Corruption { .. }) => io::Error::other(format!("sled reports {other}")),
    }
}

/// sled hands errors of the system on as text, `Os { code: 28, ... }`: the number says what to do, and is for people, too.
fn original(error: io::Error) -> io::Error {
    let text = error.to_string();
    let code = text
        .split_once("Os { code: ")
        .and_then(|(_, rest)| rest.split_once(','));
    match code.and_then(|(code, _)| code.parse().ok()) {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_system_is_told_as_one_although_sled_made_it_text() {
        for code in [libc::ENOSPC, libc::EIO, libc::EROFS] {
            let first = sled::Error::Io(io::Error::from_raw_os_error(code));
            for told in [first.clone(), first.clone().clone(), first] {
                let told = error(told);
                assert_eq!(told.raw_os_error(), Some(code), "{told}");
                assert!(told.to_string().ends_with(&format!("(os error {code})")), "{told}");
            }
        }
        let other = error(sled::Error::Io(io::Error::other("could not acquire lock")));
        assert_eq!(other.to_string(), "could not acquire lock");
    }

    #[test]
    fn a_half_written_index_of_sled_does_not_brick_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(folder.path(), 1 << 20).unwrap();
        db.insert(b"key", b"value").unwrap();
        db.flush().unwrap();
        drop(db);
        fs::write(folder.path().join("snap.ffffffffffffffff.generating"), b"").unwrap();
        let db = open(folder.path(), 1 << 20).unwrap();
        assert_eq!(db.get(b"key").unwrap().unwrap().as_ref(), b"value");
    }

    #[test]
    fn damage_is_an_error_and_not_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(folder.path(), 1 << 20).unwrap();
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
        if let Err(error) = open(folder.path(), 1 << 20) {
            assert!(matches!(error, OpenError::Quarantine { .. }), "{error}");
        }
    }
}
