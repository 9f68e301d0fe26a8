//! A disk in memory that loses what was not made durable, for tests: stopped at any write or flush, it comes back with
//! the rest lost, kept or torn, the same for the same seed.
//!
//! More cruel than real ones: names are durable only after their folder was synced, 512-byte sectors of one write
//! survive one by one, and nothing is written on closing. A database keeps its writes in order, as sled's log does.
//! Must not be reachable in a build that people run.

mod dice;
mod file;
mod loss;
mod tree;
mod world;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

pub(crate) use self::dice::Dice;
pub(crate) use self::file::SimFile;
pub(crate) use self::loss::Loss;
pub(crate) use self::tree::{SimDatabase, SimTree};
use self::world::{Effect, NameOp, Node, World};

/// What the disk does wrong, to show that the checks see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// A flush of the log returns before anything is durable.
    LogFlush,
    /// The same for the database of the tables.
    TablesFlush,
    /// Syncing a folder does nothing.
    FolderSync,
    /// Writes of the guard file return before they are durable.
    GuardWrite,
    /// Opening the log or a database does not make durable what it found.
    OpenSync,
}

/// A disk; cloning shares it.
#[derive(Clone)]
pub(crate) struct SimDisk {
    world: Arc<Mutex<World>>,
    flush_delay: Option<(Duration, Arc<Mutex<Dice>>)>,
}

impl std::fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimDisk").finish_non_exhaustive()
    }
}

impl SimDisk {
    /// An empty disk. The seed decides how fast its time passes.
    pub(crate) fn new(seed: u64) -> Self {
        Self::over(World::new(seed))
    }

    fn over(world: World) -> Self {
        Self {
            world: Arc::new(Mutex::new(world)),
            flush_delay: None,
        }
    }

    /// Every flush of the log or a database takes up to `longest`.
    #[cfg(test)]
    pub(crate) fn with_slow_flushes(mut self, longest: Duration, seed: u64) -> Self {
        self.flush_delay = Some((longest, Arc::new(Mutex::new(Dice::new(seed)))));
        self
    }

    fn wait_for_flush(&self) {
        if let Some((longest, dice)) = &self.flush_delay {
            let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
            let delay = Duration::from_micros(dice.lock().below(micros));
            std::thread::sleep(delay);
        }
    }

    /// The power goes in the middle of the operation after so many others.
    pub(crate) fn stop_at(&self, point: u64) {
        self.world.lock().stop_at = Some(point);
    }

    /// The power goes in the middle of the next operation.
    #[cfg(test)]
    pub(crate) fn stop_now(&self) {
        let mut world = self.world.lock();
        world.stop_at = Some(world.points);
    }

    pub(crate) fn lie(&self, lie: Lie) {
        self.world.lock().lie = Some(lie);
    }

    /// From now on databases find no room, or do again.
    #[cfg(test)]
    pub(crate) fn fill(&self, full: bool) {
        self.world.lock().full = full;
    }

    /// From now on files find no room for what would be behind so many bytes.
    #[cfg(test)]
    pub(crate) fn limit_files(&self, bytes: u64) {
        self.world.lock().file_bytes_max = bytes;
    }

    /// Whether the power is gone.
    pub(crate) fn is_stopped(&self) -> bool {
        self.world.lock().stopped
    }

    /// Writes and flushes so far.
    pub(crate) fn points(&self) -> u64 {
        self.world.lock().points
    }

    /// What the operation was in whose middle the power went.
    pub(crate) fn stopped_in(&self) -> String {
        self.world.lock().stopped_in.clone()
    }

    /// The disk as it comes back. This one stays as it is.
    pub(crate) fn after(&self, loss: Loss) -> Self {
        Self::over(loss::after(&self.world.lock(), loss))
    }

    pub(crate) fn is_older(&self) -> bool {
        self.world.lock().dice.coin()
    }

    pub(crate) fn create_folder(&self, path: &Path) -> io::Result<()> {
        let mut missing: Vec<&Path> = Vec::new();
        let mut world = self.world.lock();
        for folder in path.ancestors() {
            if folder.parent().is_none() || world.live.contains_key(folder) {
                break;
            }
            missing.push(folder);
        }
        for folder in missing.into_iter().rev() {
            let id = world.add(Node::Folder);
            let set = NameOp::Set(folder.to_path_buf(), id);
            world.step(
                || format!("create folder {}", folder.display()),
                vec![Effect::Name(set)],
            )?;
        }
        Ok(())
    }

    pub(crate) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut world = self.world.lock();
        world.find(folder)?;
        let effects = match world.lie {
            Some(Lie::FolderSync) => Vec::new(),
            Some(Lie::LogFlush | Lie::TablesFlush | Lie::GuardWrite | Lie::OpenSync) | None => {
                vec![Effect::SyncFolder(folder.to_path_buf())]
            }
        };
        world.step(|| format!("sync folder {}", folder.display()), effects)
    }

    /// Removes what is in a folder one by one, each of which can be lost on its own.
    pub(crate) fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world.lock();
        world.find(path)?;
        let inside = world.live.keys().rev().filter(|name| name.starts_with(path));
        let inside: Vec<_> = inside.cloned().collect();
        for name in inside {
            let label = name.clone();
            world.step(
                || format!("remove {}", label.display()),
                vec![Effect::Name(NameOp::Remove(name))],
            )?;
        }
        Ok(())
    }

    pub(crate) fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let world = self.world.lock();
        world.find(folder)?;
        let inside = world.live.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect())
    }

    pub(crate) fn exists(&self, path: &Path) -> bool {
        self.world.lock().live.contains_key(path)
    }

    pub(crate) fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let world = self.world.lock();
        world.file(world.find(path)?).map(|file| file.live.clone())
    }

    pub(crate) fn create_file(&self, path: &Path) -> io::Result<SimFile> {
        let mut world = self.world.lock();
        let id = world.add(Node::File(Default::default()));
        let set = NameOp::Set(path.to_path_buf(), id);
        world.step(|| format!("create {}", path.display()), vec![Effect::Name(set)])?;
        Ok(SimFile::new(self.clone(), id, path))
    }

    pub(crate) fn open_file(&self, path: &Path) -> io::Result<SimFile> {
        let found = self.world.lock().live.get(path).copied();
        match found {
            Some(id) => Ok(SimFile::new(self.clone(), id, path)),
            None => self.create_file(path),
        }
    }

    pub(crate) fn open_synced_file(&self, path: &Path) -> io::Result<SimFile> {
        self.open_file(path).map(SimFile::synced)
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world.lock();
        let id = world.find(from)?;
        let rename = NameOp::Rename(from.to_path_buf(), to.to_path_buf(), id);
        world.step(
            || format!("rename {} to {}", from.display(), to.display()),
            vec![Effect::Name(rename)],
        )
    }

    pub(crate) fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world.lock();
        world.find(path)?;
        let remove = NameOp::Remove(path.to_path_buf());
        world.step(|| format!("remove {}", path.display()), vec![Effect::Name(remove)])
    }

    /// Opens the database of a folder, or starts one, and makes what it holds durable.
    pub(crate) fn open_database(&self, folder: &Path) -> io::Result<SimDatabase> {
        let path = folder.join("db");
        let mut world = self.world.lock();
        let id = match world.live.get(&path).copied() {
            Some(id) => id,
            None => {
                let id = world.add(Node::Database(Default::default()));
                let set = NameOp::Set(path.clone(), id);
                world.step(|| format!("create {}", path.display()), vec![Effect::Name(set)])?;
                id
            }
        };
        let sync = match world.lie {
            Some(Lie::OpenSync) => Vec::new(),
            Some(Lie::LogFlush | Lie::TablesFlush | Lie::GuardWrite | Lie::FolderSync) | None => {
                vec![Effect::Flush(id, usize::MAX)]
            }
        };
        world.step(|| format!("sync {} on opening", path.display()), sync)?;
        drop(world);
        self.sync_folder(folder)?;
        Ok(SimDatabase::new(self.clone(), id, &path))
    }
}
