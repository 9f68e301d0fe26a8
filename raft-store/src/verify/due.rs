//! Whether a folder has to be read as a whole before it is used.
//!
//! Must not open anything of sled: in doubt the answer is yes.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::manifest;
use crate::disk::Disk;
use crate::guard;
use crate::identity::Identity;
use crate::limits::VERIFY_AGE_MAX;
use crate::{note, quarantine};

const FILE: &str = "verified";

/// How much has to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The folder is new, or was closed in order and nothing touched it since.
    Quick,
    /// Everything, and why.
    Full(&'static str),
}

/// What the small files of a folder say.
#[must_use]
pub fn due(folder: &Path, now: SystemTime) -> Depth {
    let disk = Disk::Real;
    if quarantine::is_marked(&disk, folder) {
        return Depth::Full("it was found damaged before");
    }
    let identity = match Identity::find(&disk, folder) {
        Ok(Some(identity)) => identity,
        Ok(None) => return Depth::Quick,
        Err(_) => return Depth::Full("its identity cannot be read"),
    };
    let Ok(found) = guard::peek(&disk, folder, identity) else {
        return Depth::Full("its guard file cannot be read");
    };
    if !found.promises.clean {
        return Depth::Full("it was not closed in order");
    }
    if found.boot_id != guard::boot_id() {
        return Depth::Full("the machine was restarted since it was closed");
    }
    match age(&disk, folder, now) {
        Some(age) if age < VERIFY_AGE_MAX => {}
        Some(_) => return Depth::Full("the last full check is too long ago"),
        None => return Depth::Full("it was never fully checked"),
    }
    match manifest::matches(&disk, folder) {
        Ok(true) => Depth::Quick,
        Ok(false) | Err(_) => Depth::Full("its files were touched since it was closed"),
    }
}

/// Notes that everything was read and found sound.
pub(super) fn note(disk: &Disk, folder: &Path, now: SystemTime) -> io::Result<()> {
    let seconds = seconds(now);
    disk.replace_file(&folder.join(FILE), note::seal(&format!("at {seconds}\n")).as_bytes())
}

/// Time since the last full check. A check in the future is none: a clock was wrong then, or is now.
fn age(disk: &Disk, folder: &Path, now: SystemTime) -> Option<Duration> {
    let bytes = disk.read_file(&folder.join(FILE)).ok()??;
    let at: u64 = note::value(note::open(&bytes)?, "at")?.parse().ok()?;
    seconds(now).checked_sub(at).map(Duration::from_secs)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Guard;

    #[test]
    fn only_a_folder_closed_in_order_untouched_and_lately_read_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let disk = Disk::Real;
        assert_eq!(due(folder.path(), now), Depth::Quick, "a new one");
        let identity = Identity::claim(&disk, folder.path(), [1; 16], 1).unwrap();
        let (guard, _) = Guard::open(&disk, folder.path(), identity).unwrap();
        std::fs::create_dir(folder.path().join("log")).unwrap();
        let is = |why: &'static str| assert_eq!(due(folder.path(), now), Depth::Full(why));
        is("it was not closed in order");
        guard.update(|promises| promises.clean = true).unwrap();
        is("it was never fully checked");
        note(&disk, folder.path(), now).unwrap();
        is("its files were touched since it was closed");
        manifest::write(&disk, folder.path()).unwrap();
        assert_eq!(due(folder.path(), now), Depth::Quick);
        assert_eq!(
            due(folder.path(), now + VERIFY_AGE_MAX),
            Depth::Full("the last full check is too long ago")
        );
        assert_eq!(
            due(folder.path(), now - Duration::from_secs(1)),
            Depth::Full("it was never fully checked")
        );
        std::fs::write(folder.path().join("guard"), b"").unwrap();
        is("its guard file cannot be read");
    }
}
