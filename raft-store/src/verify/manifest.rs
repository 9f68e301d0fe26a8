//! Size and time of every file when the folder was closed in order: whatever touched one of them since is a reason to
//! read all of it.
//!
//! Must not be taken for a proof: it does not see what a disk forgets by itself. The scrubber does.

use std::fmt::Write;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::disk::Disk;
use crate::note;

const FILE: &str = "closed";
/// What may change while nobody works on the folder, and what says nothing about it.
const IGNORED: [&str; 6] = [FILE, "closed.tmp", "lock", "verified", "verified.tmp", "burned"];

/// Notes the files of a folder that was just closed.
pub(crate) fn write(disk: &Disk, folder: &Path) -> io::Result<()> {
    disk.replace_file(&folder.join(FILE), note::seal(&list(folder)?).as_bytes())
}

/// Whether the files are those that were noted.
pub(super) fn matches(disk: &Disk, folder: &Path) -> io::Result<bool> {
    let noted = disk.read_file(&folder.join(FILE))?.unwrap_or_default();
    Ok(note::open(&noted) == Some(list(folder)?.as_str()))
}

fn list(folder: &Path) -> io::Result<String> {
    let mut lines = Vec::new();
    walk(folder, folder, &mut lines)?;
    lines.sort_unstable();
    Ok(lines.concat())
}

fn walk(top: &Path, folder: &Path, lines: &mut Vec<String>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let (path, metadata) = (entry.path(), entry.metadata()?);
        let name = path.strip_prefix(top).unwrap_or(&path).to_string_lossy().into_owned();
        if IGNORED.contains(&name.as_str()) || crate::quarantine::is_kept(&name) {
            continue;
        }
        if metadata.is_dir() {
            walk(top, &path, lines)?;
        } else if metadata.is_file() {
            let mut line = String::new();
            // Writing to a String cannot fail.
            let _infallible = writeln!(
                line,
                "{} {}.{:09} {name}",
                metadata.len(),
                metadata.mtime(),
                metadata.mtime_nsec()
            );
            lines.push(line);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_file_that_changed_appeared_or_went_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let same = || matches(&Disk::Real, folder.path()).unwrap();
        std::fs::create_dir(path("log")).unwrap();
        std::fs::write(path("log/0000000001.log"), b"one").unwrap();
        assert!(!same());
        write(&Disk::Real, folder.path()).unwrap();
        assert!(same());
        std::fs::write(path("verified"), b"x").unwrap();
        assert!(same());
        let noted = std::fs::metadata(path("log/0000000001.log"))
            .unwrap()
            .modified()
            .unwrap();
        std::fs::write(path("log/0000000001.log"), b"two").unwrap();
        let later = noted + std::time::Duration::from_nanos(1);
        std::fs::File::options()
            .write(true)
            .open(path("log/0000000001.log"))
            .unwrap()
            .set_modified(later)
            .unwrap();
        assert!(!same());
        write(&Disk::Real, folder.path()).unwrap();
        std::fs::write(path("log/0000000002.log"), b"").unwrap();
        assert!(!same());
        write(&Disk::Real, folder.path()).unwrap();
        std::fs::remove_file(path("log/0000000001.log")).unwrap();
        assert!(!same());
    }
}
