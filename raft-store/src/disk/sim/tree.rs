//! A database of a simulated disk: what sled promises after a flush, and nothing more.
//!
//! Must not outlive its disk's power: every call fails then.

use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use super::world::{Effect, Id, Put};
use super::{Lie, SimDisk};

/// A database.
#[derive(Clone)]
pub(crate) struct SimDatabase {
    disk: SimDisk,
    id: Id,
    path: PathBuf,
}

/// One tree of a database.
#[derive(Clone)]
pub(crate) struct SimTree {
    database: SimDatabase,
    name: String,
}

impl SimDatabase {
    pub(super) fn new(disk: SimDisk, id: Id, path: &Path) -> Self {
        Self {
            disk,
            id,
            path: path.to_path_buf(),
        }
    }

    pub(crate) fn open_tree(&self, name: &str) -> io::Result<SimTree> {
        self.disk.world.lock().usable()?;
        Ok(SimTree {
            database: self.clone(),
            name: name.to_owned(),
        })
    }

    /// What is written while the flush takes its time is not part of it.
    pub(crate) fn flush(&self) -> io::Result<()> {
        let before = self.disk.world.lock().database(self.id)?.pending.len();
        self.disk.wait_for_flush();
        let mut world = self.disk.world.lock();
        let effects = if world.lie == Some(Lie::TablesFlush) {
            Vec::new()
        } else {
            vec![Effect::Flush(self.id, before)]
        };
        world.step(|| format!("flush {}", self.path.display()), effects)
    }
}

impl SimTree {
    pub(crate) fn put(&self, key: &[u8], value: Option<&[u8]>) -> io::Result<()> {
        let put = Put {
            tree: self.name.clone(),
            key: key.to_vec(),
            value: value.map(Into::into),
        };
        let mut world = self.database.disk.world.lock();
        if world.full {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        world.step(
            || {
                let verb = if value.is_some() { "insert" } else { "remove" };
                let path = self.database.path.display();
                format!("{verb} {} in {} of {path}", key.escape_ascii(), self.name)
            },
            vec![Effect::Put(self.database.id, put)],
        )
    }

    pub(crate) fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let world = self.database.disk.world.lock();
        world.usable()?;
        let live = &world.database(self.database.id)?.live;
        let tree = live.get(&self.name);
        Ok(tree.and_then(|tree| tree.get(key)).map(|value| value.to_vec()))
    }

    /// The rows of a range as of now.
    pub(crate) fn range(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let world = self.database.disk.world.lock();
        world.usable()?;
        let live = &world.database(self.database.id)?.live;
        let Some(tree) = live.get(&self.name) else {
            return Ok(Vec::new());
        };
        let rows = tree.range::<[u8], _>((from, to));
        Ok(rows.map(|(key, value)| (key.clone(), value.to_vec())).collect())
    }
}
