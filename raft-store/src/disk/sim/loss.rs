//! What is left of a simulated disk after its power went, or after the process on it was killed.
//!
//! Must not lose anything that was made durable.

use std::fmt;
use std::path::PathBuf;

use super::Dice;
use super::world::{Effect, FileNode, Names, Node, Trees, World, write_at};

const SECTOR_BYTES: usize = 512;

/// How the disk comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Power: only what was made durable is there.
    Lost,
    /// Power: everything is there, the interrupted operation as well.
    Kept,
    /// The process was killed: it finds everything again, but durable is only what was.
    Killed,
    /// Power: names and sectors that were not durable survive one by one; of a database's writes, the first few.
    Torn(u64),
    /// As torn, but of a database's writes any survive: more than sled's order allows. Must be noticed at least.
    Scattered(u64),
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => f.write_str("lost"),
            Self::Kept => f.write_str("kept"),
            Self::Killed => f.write_str("killed"),
            Self::Torn(seed) => write!(f, "torn:{seed}"),
            Self::Scattered(seed) => write!(f, "scattered:{seed}"),
        }
    }
}

impl std::str::FromStr for Loss {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("{text:?} is none of lost, kept, killed, torn:SEED, scattered:SEED");
        match text.split_once(':') {
            None => match text {
                "lost" => Ok(Self::Lost),
                "kept" => Ok(Self::Kept),
                "killed" => Ok(Self::Killed),
                _ => Err(unknown()),
            },
            Some((how, seed)) => {
                let seed = seed.parse().map_err(|_| unknown())?;
                match how {
                    "torn" => Ok(Self::Torn(seed)),
                    "scattered" => Ok(Self::Scattered(seed)),
                    _ => Err(unknown()),
                }
            }
        }
    }
}

pub(super) fn after(world: &World, loss: Loss) -> World {
    let mut left = world.clone();
    (left.stopped, left.stop_at, left.points) = (false, None, 0);
    let interrupted = std::mem::take(&mut left.interrupted);
    let picker = match loss {
        Loss::Killed => return left,
        Loss::Kept => {
            for effect in &interrupted {
                left.apply(effect);
            }
            Picker::All
        }
        Loss::Lost => Picker::None,
        Loss::Torn(seed) | Loss::Scattered(seed) => {
            // Of the interrupted operation anything may have happened, but nothing of it is durable yet.
            for effect in &interrupted {
                match effect {
                    Effect::Name(_) | Effect::Write(..) | Effect::Put(..) => left.apply(effect),
                    Effect::SyncFolder(_) | Effect::SyncFile(_) | Effect::Flush(..) => {}
                }
            }
            let dice = Dice::new(seed ^ world.points.wrapping_mul(0xA24B_AED4_963E_E407));
            Picker::Some(dice, matches!(loss, Loss::Scattered(_)))
        }
    };
    forget(&mut left, picker);
    left
}

/// Chooses what survives.
enum Picker {
    None,
    All,
    Some(Dice, bool),
}

impl Picker {
    /// For one file, folder or database: all, nothing, or each by itself.
    fn each(&mut self) -> impl FnMut() -> bool {
        let (mut dice, kind) = match self {
            Self::None => (Dice::new(0), 0),
            Self::All => (Dice::new(0), 1),
            Self::Some(dice, _) => (Dice::new(dice.next()), dice.below(4)),
        };
        move || match kind {
            0 => false,
            1 => true,
            _ => dice.coin(),
        }
    }

    /// How many of so many writes in order survive, if they survive in order.
    fn first(&mut self, count: usize) -> Option<usize> {
        match self {
            Self::None => Some(0),
            Self::All => Some(count),
            Self::Some(_, true) => None,
            Self::Some(dice, false) => usize::try_from(dice.below(count as u64 + 1)).ok(),
        }
    }
}

fn forget(left: &mut World, mut picker: Picker) {
    let mut names = std::mem::take(&mut left.durable);
    for (_, ops) in std::mem::take(&mut left.pending) {
        let mut survives = picker.each();
        for op in ops {
            if survives() {
                op.apply(&mut names);
            }
        }
    }
    remove_orphans(&mut names);
    left.durable = names.clone();
    left.live = names;
    for node in &mut left.nodes {
        match node {
            Node::Folder => {}
            Node::File(file) => forget_sectors(file, picker.each()),
            Node::Database(database) => {
                let pending = std::mem::take(&mut database.pending);
                let mut trees: Trees = std::mem::take(&mut database.durable);
                let first = picker.first(pending.len());
                let mut survives = picker.each();
                for (place, put) in pending.iter().enumerate() {
                    if first.map_or_else(&mut survives, |first| place < first) {
                        put.apply(&mut trees);
                    }
                }
                database.live = trees.clone();
                database.durable = trees;
            }
        }
    }
}

fn forget_sectors(file: &mut FileNode, mut survives: impl FnMut() -> bool) {
    for (offset, bytes) in std::mem::take(&mut file.pending) {
        let mut at = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (sector, more) = rest.split_at(rest.len().min(SECTOR_BYTES - at % SECTOR_BYTES));
            if survives() {
                write_at(&mut file.durable, at as u64, sector);
            }
            (at, rest) = (at + sector.len(), more);
        }
    }
    file.live = file.durable.clone();
}

/// What lies in a folder whose name was lost cannot be reached.
fn remove_orphans(names: &mut Names) {
    loop {
        let orphans: Vec<PathBuf> = names
            .keys()
            .filter(|path| {
                path.parent()
                    .is_some_and(|folder| folder.parent().is_some() && !names.contains_key(folder))
            })
            .cloned()
            .collect();
        if orphans.is_empty() {
            return;
        }
        for path in orphans {
            names.remove(&path);
        }
    }
}
