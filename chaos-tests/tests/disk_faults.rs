//! The disk that loses power, mounted by a real kernel: what fsync keeps, what it does not, and each fault on command.
#![cfg(test)]

use chaos_tests::faultfs::{FaultDisk, missing};
use chaos_tests::skipping::skipped;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A disk, or nothing where none can be mounted: then the test says so.
fn disk(folder: &Path) -> Option<FaultDisk> {
    if skipped(missing(), false) {
        return None;
    }
    let program = Path::new(env!("CARGO_BIN_EXE_tfauth-proofs"));
    Some(FaultDisk::mount(program, &folder.join("disk")).unwrap())
}

fn write_synced(path: &Path, bytes: &[u8]) -> File {
    let mut file = File::create(path).unwrap();
    file.write_all(bytes).unwrap();
    file.sync_all().unwrap();
    File::open(path.parent().unwrap()).unwrap().sync_all().unwrap();
    file
}

/// Loses power with seeds until `seen` says that it saw what it waited for.
fn until(disk: &mut FaultDisk, mut seen: impl FnMut(&PathBuf) -> bool) {
    let path = disk.folder().join("file");
    for seed in 0..200 {
        let file = write_synced(&path, &[b'o'; 9000]);
        file.write_all_at(&[b'n'; 9000], 0).unwrap();
        drop(file);
        disk.power_off().unwrap();
        disk.power_on(seed).unwrap();
        if seen(&path) {
            return;
        }
    }
    panic!("200 power losses did not show it");
}

#[test]
fn an_fsync_keeps_bytes_and_without_it_they_are_lost_kept_or_mixed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut disk) = disk(folder.path()) else {
        return;
    };
    let (mut old, mut new, mut mixed) = (false, false, false);
    until(&mut disk, |path| {
        let bytes = fs::read(path).unwrap();
        assert_eq!(bytes.len(), 9000);
        match bytes.iter().filter(|b| **b == b'n').count() {
            0 => old = true,
            9000 => new = true,
            _ => mixed = true,
        }
        old && new && mixed
    });
}

#[test]
fn a_file_opened_for_synced_writes_needs_no_fsync() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut disk) = disk(folder.path()) else {
        return;
    };
    let path = disk.folder().join("guard");
    drop(write_synced(&path, &[0; 8192]));
    for seed in 0..10 {
        let mark = u8::try_from(seed + 1).unwrap();
        let file = File::options()
            .write(true)
            .custom_flags(libc::O_DSYNC)
            .open(&path)
            .unwrap();
        file.write_all_at(&[mark; 4096], 4096).unwrap();
        drop(file);
        disk.power_off().unwrap();
        disk.power_on(seed).unwrap();
        assert_eq!(fs::read(&path).unwrap()[4096..], [mark; 4096]);
    }
}

#[test]
fn locks_hold_and_old_handles_are_stale_after_a_power_loss() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut disk) = disk(folder.path()) else {
        return;
    };
    let path = disk.folder().join("lock");
    let first = write_synced(&path, b"x");
    first.try_lock().unwrap();
    let second = File::open(&path).unwrap();
    assert!(matches!(second.try_lock(), Err(TryLockError::WouldBlock)));
    disk.power_off().unwrap();
    assert!(first.write_all_at(b"y", 0).is_err(), "without power nothing is written");
    disk.power_on(1).unwrap();
    assert!(first.write_all_at(b"y", 0).is_err(), "a handle from before is stale");
    assert_eq!(fs::read(&path).unwrap(), b"x");
    File::open(&path).unwrap().try_lock().unwrap();
}

#[test]
fn a_socket_can_lie_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = disk(folder.path()) else {
        return;
    };
    let path = disk.folder().join("admin.sock");
    let listener = UnixListener::bind(&path).unwrap();
    UnixStream::connect(&path).unwrap();
    listener.accept().unwrap();
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_failed_fsync_is_an_error_and_loses_what_it_covered() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut disk) = disk(folder.path()) else {
        return;
    };
    let path = disk.folder().join("file");
    let file = write_synced(&path, b"old");
    disk.fail_sync(true).unwrap();
    file.write_all_at(b"new", 0).unwrap();
    assert_eq!(file.sync_data().unwrap_err().raw_os_error(), Some(libc::EIO));
    disk.fail_sync(false).unwrap();
    file.sync_data().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new", "the cache still shows it");
    disk.power_off().unwrap();
    disk.power_on(3).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[test]
fn a_disk_is_full_read_only_or_slow_until_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut disk) = disk(folder.path()) else {
        return;
    };
    let path = disk.folder().join("file");
    let file = write_synced(&path, &[1; 5000]);
    disk.capacity(Some(6000)).unwrap();
    file.write_all_at(&[2; 5000], 0).unwrap();
    assert_eq!(
        file.write_all_at(&[2; 5000], 5000).unwrap_err().kind(),
        ErrorKind::StorageFull
    );
    disk.capacity(None).unwrap();
    file.write_all_at(&[2; 5000], 5000).unwrap();

    disk.read_only(true).unwrap();
    assert_eq!(
        file.write_all_at(b"x", 0).unwrap_err().kind(),
        ErrorKind::ReadOnlyFilesystem
    );
    let made = File::create(disk.folder().join("other"));
    assert_eq!(made.unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
    disk.read_only(false).unwrap();
    file.sync_all().unwrap();

    let delay = Duration::from_millis(150);
    disk.slow_sync(delay).unwrap();
    let begun = Instant::now();
    file.sync_all().unwrap();
    assert!(begun.elapsed() >= delay);
    assert!(disk.stat("syncs").unwrap() >= 3);
}

#[test]
fn a_mount_is_gone_with_its_disk_although_a_file_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = disk(folder.path()) else {
        return;
    };
    let mount = disk.folder().to_owned();
    let open = write_synced(&mount.join("file"), b"x");
    drop(disk);
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(&*mount.to_string_lossy()), "{mounts}");
    assert_eq!(
        fs::read_dir(&mount).unwrap().count(),
        0,
        "the folder below is there again"
    );
    assert!(open.write_all_at(b"y", 0).is_err());
}
