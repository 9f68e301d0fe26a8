//! What is done to a folder, each of it to one file or one part of it.

use super::ground::{Patient, copy};
use crate::canary::files_below;
use crate::entropy::Dice;
use crate::folders::written;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

const PAGE_BYTES: u64 = 4096;
/// sled writes its files in pieces of this length.
const SEGMENT_BYTES: u64 = 512 * 1024;
/// Files below this length get no more flips than this.
const SMALL_BYTES: u64 = 16 * 1024;

/// One case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Injury {
    /// File or folder, from the top of the data folder.
    pub(super) part: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    None,
    Flip { byte: u64, bit: u8 },
    ZeroPage { page: u64 },
    Cut { length: u64 },
    Remove,
    Older,
    Foreign,
}

impl Injury {
    pub(super) const fn none() -> Self {
        Self {
            part: String::new(),
            kind: Kind::None,
        }
    }

    /// A file that is not there any more.
    #[cfg(test)]
    pub(super) fn removed(part: &str) -> Self {
        Self {
            part: part.to_owned(),
            kind: Kind::Remove,
        }
    }

    /// Everything together is from before.
    pub(super) fn image() -> Self {
        Self {
            part: "(the whole folder)".into(),
            kind: Kind::Older,
        }
    }

    /// The column of the table.
    pub(super) fn kind(&self) -> &'static str {
        match self.kind {
            Kind::None => "untouched",
            Kind::Flip { .. } => "bit flipped",
            Kind::ZeroPage { .. } => "page zeroed",
            Kind::Cut { .. } => "cut",
            Kind::Remove => "removed",
            Kind::Older => "older copy",
            Kind::Foreign => "of another node",
        }
    }

    /// For a person who wants to do it again.
    pub(super) fn describe(&self) -> String {
        format!("{} {:?}", self.part, self.kind)
    }

    pub(super) fn inflict(&self, patient: &Patient, folder: &Path) -> Result<(), String> {
        let path = folder.join(&self.part);
        let failed = |e: std::io::Error| format!("{}: {e}", path.display());
        let file = || File::options().read(true).write(true).open(&path).map_err(failed);
        match self.kind {
            Kind::None => Ok(()),
            Kind::Flip { byte, bit } => {
                let (file, mut value) = (file()?, [0]);
                file.read_exact_at(&mut value, byte).map_err(failed)?;
                file.write_all_at(&[value[0] ^ (1 << bit)], byte).map_err(failed)
            }
            Kind::ZeroPage { page } => {
                let file = file()?;
                let length = file.metadata().map_err(failed)?.len();
                let zeros = PAGE_BYTES.min(length.saturating_sub(page * PAGE_BYTES));
                file.write_all_at(&vec![0; usize::try_from(zeros).unwrap_or(0)], page * PAGE_BYTES)
                    .map_err(failed)
            }
            Kind::Cut { length } => file()?.set_len(length).map_err(failed),
            Kind::Remove => remove(&path),
            Kind::Older => exchange(&patient.older.join(&self.part), &path),
            Kind::Foreign => match &patient.foreign {
                Some(foreign) => exchange(&foreign.join(&self.part), &path),
                None => Err("there is no other node".into()),
            },
        }
    }
}

fn remove(path: &Path) -> Result<(), String> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.map_err(|e| format!("{}: {e}", path.display()))
}

fn exchange(other: &Path, path: &Path) -> Result<(), String> {
    remove(path)?;
    copy(other, path)
}

/// Every case for a folder.
pub(super) fn injuries(patient: &Patient, cases: u64, dice: &mut Dice) -> Result<Vec<Injury>, String> {
    let mut all = Vec::new();
    for path in files_below(&patient.folder)? {
        let part = path.strip_prefix(&patient.folder).map_err(|e| e.to_string())?;
        let part = part.to_string_lossy().into_owned();
        let length = fs::metadata(&path).map_err(|e| format!("{part}: {e}"))?.len();
        let written = written(&path).map_err(|e| format!("{part}: {e}"))?;
        let kinds = kinds(length, written, cases, dice);
        all.extend(kinds.into_iter().map(|kind| Injury {
            part: part.clone(),
            kind,
        }));
        let has = |folder: &Path| folder.join(&part).is_file();
        for (other, kind) in [
            (Some(&patient.older), Kind::Older),
            (patient.foreign.as_ref(), Kind::Foreign),
        ] {
            // One database among several files of its own would be a mixture that nothing makes; folders come below.
            if !part.contains('/') && other.is_some_and(|other| has(other)) {
                all.push(Injury {
                    part: part.clone(),
                    kind,
                });
            }
        }
    }
    for part in ["log", "state"] {
        for kind in [Kind::Remove, Kind::Older, Kind::Foreign] {
            if kind != Kind::Foreign || patient.foreign.is_some() {
                all.push(Injury {
                    part: part.to_owned(),
                    kind,
                });
            }
        }
    }
    Ok(all)
}

/// Bits flip and pages become zero where something was written; behind that nothing lies that could be lost.
fn kinds(length: u64, written: u64, cases: u64, dice: &mut Dice) -> Vec<Kind> {
    let mut kinds = vec![Kind::Remove];
    if length == 0 {
        return kinds;
    }
    kinds.extend([0, written / 2, length / 2, length - 1].map(|length| Kind::Cut { length }));
    let written = written.max(1);
    let some = if length < SMALL_BYTES { cases.div_ceil(4) } else { cases };
    for _ in 0..some {
        kinds.push(Kind::Flip {
            byte: dice.within(0..=written - 1),
            bit: u8::try_from(dice.within(0..=7)).unwrap_or(0),
        });
    }
    // The very end is where damage looks like a write that was cut short.
    kinds.push(Kind::Flip {
        byte: written - 1,
        bit: 0,
    });
    let pages = written.div_ceil(PAGE_BYTES);
    kinds.push(Kind::ZeroPage { page: pages - 1 });
    for _ in 0..some.min(pages) {
        kinds.push(Kind::ZeroPage {
            page: dice.within(0..=pages - 1),
        });
    }
    for border in [PAGE_BYTES, SEGMENT_BYTES] {
        for _ in 0..some.min(length / border) {
            kinds.push(Kind::Cut {
                length: dice.within(0..=(length - 1) / border) * border,
            });
        }
    }
    kinds.dedup();
    kinds
}
