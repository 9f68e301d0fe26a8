//! Takes a data folder that must not be used out of the way: its content moves into a folder beside, nothing is deleted,
//! and the node id that it belonged to is noted as burned, so that it is never used again.
//!
//! Each step can be cut short: a mark comes first and goes last, and while it is there nothing opens the folder and
//! [`quarantine`] goes on where it stopped. Must not decide whether a folder is damaged.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, FolderLock};
use crate::identity::{Identity, hex};
use crate::{OpenError, note};

/// Says that the folder must not be used, and why.
const MARK: &str = "damaged";
/// Says whose folder this was before.
const BURNED: &str = "burned";
const KEPT_PREFIX: &str = "quarantine-";
const LOCK: &str = "lock";

/// A node id that must never be used again, and the data folder that had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Burned {
    /// The id; `None` if the damaged folder did not tell.
    pub node_id: Option<u64>,
    /// Identity of the folder, in hex; empty if it did not tell.
    pub incarnation: String,
    /// Where its content lies, below the data folder.
    pub kept_in: String,
}

/// Whether a name below the data folder is content that was taken out of the way.
pub(crate) fn is_kept(name: &str) -> bool {
    name.starts_with(KEPT_PREFIX)
}

/// Whether the folder is marked as damaged.
pub(crate) fn is_marked(disk: &Disk, folder: &Path) -> bool {
    disk.exists(&folder.join(MARK))
}

/// Refuses a folder that is marked as damaged.
pub(crate) fn refuse_marked(disk: &Disk, folder: &Path) -> Result<(), OpenError> {
    let path = folder.join(MARK);
    let Some(bytes) = disk.read_file(&path).map_err(OpenError::io("cannot read", &path))? else {
        return Ok(());
    };
    let why = note::open(&bytes).and_then(|lines| note::value(lines, "why"));
    Err(OpenError::quarantine(
        folder,
        why.unwrap_or("it was found damaged before").to_owned(),
    ))
}

/// Marks the folder: it is not opened again, whatever it looks like then. A mark that is there stays.
///
/// # Errors
/// The mark is not on disk.
pub fn mark(folder: &Path, why: &str) -> io::Result<()> {
    mark_on(&Disk::Real, folder, why)
}

pub(crate) fn mark_on(disk: &Disk, folder: &Path, why: &str) -> io::Result<()> {
    if is_marked(disk, folder) {
        return Ok(());
    }
    let why: String = why.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    disk.replace_file(&folder.join(MARK), note::seal(&format!("why {why}\n")).as_bytes())
}

/// Node ids that were burned here, oldest first.
///
/// # Errors
/// The list cannot be read, or is damaged: then nobody can say which ids are burned.
pub fn burned(folder: &Path) -> Result<Vec<Burned>, OpenError> {
    burned_on(&Disk::Real, folder)
}

pub(crate) fn burned_on(disk: &Disk, folder: &Path) -> Result<Vec<Burned>, OpenError> {
    let path = folder.join(BURNED);
    let Some(bytes) = disk.read_file(&path).map_err(OpenError::io("cannot read", &path))? else {
        return Ok(Vec::new());
    };
    let damaged = || OpenError::quarantine(folder, format!("the file {BURNED} is damaged"));
    let lines = note::open(&bytes).ok_or_else(damaged)?.lines();
    lines.map(|line| parse(line).ok_or_else(damaged)).collect()
}

fn parse(line: &str) -> Option<Burned> {
    let mut words = line.split(' ');
    let (kept_in, node, incarnation) = (words.next()?, words.next()?, words.next()?);
    Some(Burned {
        node_id: if node == "-" { None } else { Some(node.parse().ok()?) },
        incarnation: incarnation.trim_matches('-').to_owned(),
        kept_in: kept_in.to_owned(),
    })
}

fn line(burned: &Burned) -> String {
    let node = burned.node_id.map_or("-".to_owned(), |id| id.to_string());
    let incarnation = if burned.incarnation.is_empty() {
        "-"
    } else {
        &burned.incarnation
    };
    format!("{} {node} {incarnation}\n", burned.kept_in)
}

/// Moves everything in the folder into `quarantine-<label>` in it, and notes the node id as burned. `label` is a time,
/// for people. Returns what was burned; the folder is then as good as new for another node id.
///
/// # Errors
/// The folder is in use, or a step failed; run again, it goes on.
pub fn quarantine(folder: &Path, label: &str, why: &str) -> Result<Burned, OpenError> {
    let _lock = FolderLock::take(folder)?;
    quarantine_on(&Disk::Real, folder, label, why)
}

pub(crate) fn quarantine_on(disk: &Disk, folder: &Path, label: &str, why: &str) -> Result<Burned, OpenError> {
    let failed = |path: &Path| OpenError::io("cannot take a damaged folder out of the way at", path.to_path_buf());
    mark_on(disk, folder, why).map_err(failed(&folder.join(MARK)))?;
    let kept_in = target(disk, folder, label)?;
    let target = folder.join(&kept_in);
    disk.create_folder(&target).map_err(failed(&target))?;
    for name in disk.names(folder).map_err(failed(folder))? {
        if [MARK, BURNED, LOCK].contains(&name.as_str()) || is_kept(&name) {
            continue;
        }
        disk.rename(&folder.join(&name), &target.join(&name))
            .map_err(failed(&folder.join(&name)))?;
    }
    disk.sync_folder(&target).map_err(failed(&target))?;
    disk.sync_folder(folder).map_err(failed(folder))?;
    let burned = burn(disk, folder, &target, kept_in)?;
    // From here on the folder is new.
    disk.rename(&folder.join(MARK), &target.join(MARK))
        .map_err(failed(&target))?;
    disk.sync_folder(&target).map_err(failed(&target))?;
    disk.sync_folder(folder).map_err(failed(folder))?;
    tracing::warn!(folder = %folder.display(), kept_in = burned.kept_in, node = burned.node_id, why, "data folder taken out of use; nothing was deleted");
    Ok(burned)
}

/// Where to: a folder that an interrupted run began, or one that does not exist yet.
fn target(disk: &Disk, folder: &Path, label: &str) -> Result<String, OpenError> {
    let names = disk.names(folder).map_err(OpenError::io("cannot read", folder))?;
    let begun = names
        .iter()
        .find(|name| is_kept(name) && !disk.exists(&folder.join(name).join(MARK)));
    if let Some(begun) = begun {
        return Ok(begun.clone());
    }
    let mut candidates = (0_u32..).map(|attempt| match attempt {
        0 => format!("{KEPT_PREFIX}{label}"),
        more => format!("{KEPT_PREFIX}{label}.{more}"),
    });
    let free = candidates.find(|name| !names.contains(name));
    Ok(free.unwrap_or_else(|| format!("{KEPT_PREFIX}{label}")))
}

fn burn(disk: &Disk, folder: &Path, target: &Path, kept_in: String) -> Result<Burned, OpenError> {
    let mut known = burned_on(disk, folder)?;
    if let Some(burned) = known.iter().find(|burned| burned.kept_in == kept_in) {
        return Ok(burned.clone());
    }
    let identity = Identity::find(disk, target).ok().flatten();
    let burned = Burned {
        node_id: identity.map(|identity| identity.node_id),
        incarnation: identity.map_or(String::new(), |identity| hex(&identity.incarnation)),
        kept_in,
    };
    known.push(burned.clone());
    let lines: String = known.iter().map(line).collect();
    let path: PathBuf = folder.join(BURNED);
    disk.replace_file(&path, note::seal(&lines).as_bytes())
        .map_err(OpenError::io("cannot write", &path))?;
    Ok(burned)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;
    use crate::guard::Guard;

    const FILES: [&str; 5] = ["guard", "identity", "log/0000000001.log", "state/1/base/db", "tip"];

    /// A folder with files in it, and what they hold.
    fn folder() -> (tempfile::TempDir, BTreeMap<String, Vec<u8>>) {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::claim(&Disk::Real, folder.path(), [7; 16], 3).unwrap();
        drop(Guard::open(&Disk::Real, folder.path(), identity).unwrap());
        for path in ["log/0000000001.log", "state/1/base/db"] {
            fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
            fs::write(folder.path().join(path), path).unwrap();
        }
        let content = FILES.map(|name| (name.to_owned(), fs::read(folder.path().join(name)).unwrap()));
        (folder, content.into())
    }

    fn assert_done(folder: &Path, content: &BTreeMap<String, Vec<u8>>) {
        let burned = burned(folder).unwrap();
        assert_eq!((burned.len(), burned[0].node_id), (1, Some(3)), "{burned:?}");
        for (name, bytes) in content {
            let path = folder.join(&burned[0].kept_in).join(name);
            assert_eq!(fs::read(&path).ok().as_ref(), Some(bytes), "{} is lost", path.display());
        }
        assert!(!is_marked(&Disk::Real, folder));
        assert_eq!(Identity::find(&Disk::Real, folder).unwrap(), None);
        let again = Identity::claim(&Disk::Real, folder, [7; 16], 3).unwrap_err();
        assert!(matches!(again, OpenError::Burned { node_id: 3, .. }), "{again}");
        Identity::claim(&Disk::Real, folder, [7; 16], 9).unwrap();
    }

    #[test]
    fn a_folder_is_taken_out_of_use_and_nothing_is_lost() {
        let (folder, content) = folder();
        let burned = quarantine(folder.path(), "now", "a test").unwrap();
        assert_eq!(burned.kept_in, "quarantine-now");
        assert_done(folder.path(), &content);
        let mark = fs::read_to_string(folder.path().join("quarantine-now/damaged")).unwrap();
        assert!(mark.contains("why a test"), "{mark}");
    }

    /// Every state that a kill between two steps can leave: so many of the names moved, before and after the list.
    #[test]
    fn a_kill_at_any_step_is_gone_on_from_and_the_folder_is_never_opened_meanwhile() {
        let names = ["guard", "identity", "log", "state", "tip"];
        for moved in 0..=names.len() {
            for listed in [false, true] {
                if listed && moved < names.len() {
                    continue;
                }
                let (folder, content) = folder();
                let (path, target) = (folder.path(), folder.path().join("quarantine-before"));
                mark(path, "a test").unwrap();
                if moved > 0 {
                    fs::create_dir(&target).unwrap();
                }
                for name in &names[..moved] {
                    fs::rename(path.join(name), target.join(name)).unwrap();
                }
                if listed {
                    burn(&Disk::Real, path, &target, "quarantine-before".into()).unwrap();
                }
                assert!(matches!(
                    Identity::claim(&Disk::Real, path, [7; 16], 9),
                    Err(OpenError::Quarantine { .. })
                ));
                let burned = quarantine(path, "later", "again").unwrap();
                let expected = if moved > 0 {
                    "quarantine-before"
                } else {
                    "quarantine-later"
                };
                assert_eq!(burned.kept_in, expected, "after {moved} moves");
                assert_done(path, &content);
            }
        }
    }

    #[test]
    fn a_second_quarantine_keeps_the_first() {
        let (folder, content) = folder();
        quarantine(folder.path(), "now", "a test").unwrap();
        Identity::claim(&Disk::Real, folder.path(), [7; 16], 9).unwrap();
        let second = quarantine(folder.path(), "now", "again").unwrap();
        assert_eq!((second.node_id, second.kept_in.as_str()), (Some(9), "quarantine-now.1"));
        let known = burned(folder.path()).unwrap();
        assert_eq!(
            known.iter().map(|burned| burned.node_id).collect::<Vec<_>>(),
            [Some(3), Some(9)]
        );
        assert_eq!(
            fs::read(folder.path().join("quarantine-now/log/0000000001.log")).unwrap(),
            content["log/0000000001.log"]
        );
    }
}
