//! What the disk promises about names.

use super::content::Content;
use super::disk::{Disk, Kind, ROOT, Refusal};
use crate::entropy::Dice;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;

fn file() -> Kind {
    Kind::File(Content::default())
}

fn folder() -> Kind {
    Kind::Folder(BTreeMap::new())
}

fn name(text: &str) -> &OsStr {
    OsStr::new(text)
}

fn names(disk: &Disk) -> BTreeSet<String> {
    let names = disk.names(ROOT).unwrap().keys();
    names.map(|n| n.to_string_lossy().into_owned()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

/// What a hundred power losses leave of the disk that `make` makes.
fn outcomes(make: impl Fn() -> Disk) -> BTreeSet<BTreeSet<String>> {
    let after = |seed| {
        let mut disk = make();
        disk.lose_power(&mut Dice::new(seed));
        names(&disk)
    };
    (0..100).map(after).collect()
}

#[test]
fn a_synced_file_without_a_synced_folder_may_have_no_name() {
    let make = || {
        let mut disk = Disk::default();
        let number = disk.create(ROOT, name("a"), file(), 0o600).unwrap();
        disk.file(number).unwrap().write(0, b"bytes");
        disk.file(number).unwrap().sync();
        disk
    };
    assert_eq!(outcomes(make), [set(&[]), set(&["a"])].into());
    let synced = || {
        let mut disk = make();
        disk.sync_folder(ROOT);
        disk
    };
    assert_eq!(outcomes(synced), [set(&["a"])].into());
    let mut disk = synced();
    disk.lose_power(&mut Dice::new(1));
    let number = disk.lookup(ROOT, name("a")).unwrap();
    assert_eq!(disk.file(number).unwrap().live(), b"bytes");
}

#[test]
fn a_rename_is_lost_or_kept_as_a_whole() {
    let make = || {
        let mut disk = Disk::default();
        for (text, bytes) in [("new", b"n"), ("live", b"l")] {
            let number = disk.create(ROOT, name(text), file(), 0o600).unwrap();
            disk.file(number).unwrap().write(0, bytes);
            disk.file(number).unwrap().sync();
        }
        disk.sync_folder(ROOT);
        disk.rename((ROOT, name("new")), (ROOT, name("live")), true).unwrap();
        disk
    };
    assert_eq!(outcomes(make), [set(&["live", "new"]), set(&["live"])].into());
    for seed in 0..100 {
        let mut disk = make();
        disk.lose_power(&mut Dice::new(seed));
        let number = disk.lookup(ROOT, name("live")).unwrap();
        let renamed = disk.lookup(ROOT, name("new")).is_err();
        let bytes: &[u8] = if renamed { b"n" } else { b"l" };
        assert_eq!(disk.file(number).unwrap().live(), bytes);
    }
}

#[test]
fn a_removed_file_may_come_back_with_its_bytes() {
    let make = || {
        let mut disk = Disk::default();
        let number = disk.create(ROOT, name("a"), file(), 0o600).unwrap();
        disk.file(number).unwrap().write(0, b"back");
        disk.file(number).unwrap().sync();
        disk.sync_folder(ROOT);
        disk.remove(ROOT, name("a"), false).unwrap();
        disk
    };
    assert_eq!(outcomes(make), [set(&[]), set(&["a"])].into());
    let mut seed = 0;
    loop {
        let mut disk = make();
        disk.lose_power(&mut Dice::new(seed));
        if let Ok(number) = disk.lookup(ROOT, name("a")) {
            return assert_eq!(disk.file(number).unwrap().live(), b"back");
        }
        seed += 1;
    }
}

#[test]
fn numbers_from_before_a_power_loss_are_stale() {
    let mut disk = Disk::default();
    let number = disk.create(ROOT, name("a"), file(), 0o600).unwrap();
    disk.open(number).unwrap();
    disk.file(number).unwrap().sync();
    disk.sync_folder(ROOT);
    disk.lose_power(&mut Dice::new(1));
    assert_eq!(disk.file(number).unwrap_err(), Refusal::Stale);
    assert_ne!(disk.lookup(ROOT, name("a")).unwrap(), number);
}

#[test]
fn a_moved_name_is_in_one_of_the_folders() {
    for seed in 0..100 {
        let mut disk = Disk::default();
        let (from, to) = (
            disk.create(ROOT, name("from"), folder(), 0o700).unwrap(),
            disk.create(ROOT, name("to"), folder(), 0o700).unwrap(),
        );
        disk.create(from, name("a"), file(), 0o600).unwrap();
        disk.sync_folder(ROOT);
        disk.sync_folder(from);
        disk.rename((from, name("a")), (to, name("b")), true).unwrap();
        let synced = seed % 2 == 0;
        if synced {
            disk.sync_folder(from);
        }
        disk.lose_power(&mut Dice::new(seed));
        let (from, to) = (
            disk.lookup(ROOT, name("from")).unwrap(),
            disk.lookup(ROOT, name("to")).unwrap(),
        );
        let (old, new) = (disk.lookup(from, name("a")).is_ok(), disk.lookup(to, name("b")).is_ok());
        assert!(old != new, "seed {seed}: in one of them");
        assert!(new || !synced, "seed {seed}: one fsync moves both sides");
    }
}

#[test]
fn an_open_file_without_a_name_keeps_its_bytes_until_it_is_closed() {
    let mut disk = Disk::default();
    let number = disk.create(ROOT, name("a"), file(), 0o600).unwrap();
    disk.open(number).unwrap();
    disk.file(number).unwrap().write(0, b"x");
    disk.sync_folder(ROOT);
    disk.remove(ROOT, name("a"), false).unwrap();
    disk.sync_folder(ROOT);
    assert_eq!(disk.file(number).unwrap().live(), b"x");
    disk.close(number);
    assert_eq!(disk.file(number).unwrap_err(), Refusal::Stale);
    assert_eq!(disk.used_bytes(), 0);
}

#[test]
fn only_empty_folders_are_removed() {
    let mut disk = Disk::default();
    let inner = disk.create(ROOT, name("d"), folder(), 0o700).unwrap();
    disk.create(inner, name("a"), file(), 0o600).unwrap();
    assert_eq!(disk.remove(ROOT, name("d"), true), Err(Refusal::NotEmpty));
    assert_eq!(disk.remove(ROOT, name("d"), false), Err(Refusal::IsFolder));
    assert_eq!(disk.remove(inner, name("a"), true), Err(Refusal::NotFolder));
    disk.remove(inner, name("a"), false).unwrap();
    disk.remove(ROOT, name("d"), true).unwrap();
}
