//! An open file of a simulated disk.
//!
//! Must not outlive its disk's power: every call fails then.

use std::io;
use std::path::{Path, PathBuf};

use super::world::{Effect, Id};
use super::{Lie, SimDisk};

/// A file, by what it is and not by its name.
#[derive(Debug)]
pub(crate) struct SimFile {
    disk: SimDisk,
    id: Id,
    synced: bool,
    /// Where the next piece goes.
    end: u64,
    path: PathBuf,
}

impl SimFile {
    pub(super) fn new(disk: SimDisk, id: Id, path: &Path) -> Self {
        Self {
            disk,
            id,
            synced: false,
            end: 0,
            path: path.to_path_buf(),
        }
    }

    pub(super) fn synced(mut self) -> Self {
        self.synced = true;
        self
    }

    pub(crate) fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut world = self.disk.world.lock();
        if offset + bytes.len() as u64 > world.file_bytes_max {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        let mut effects = vec![Effect::Write(self.id, offset, bytes.to_vec())];
        if self.synced && world.lie != Some(Lie::GuardWrite) {
            effects.push(Effect::SyncFile(self.id));
        }
        world.step(
            || format!("write {} bytes to {}", bytes.len(), self.path.display()),
            effects,
        )
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all_at(bytes, self.end)?;
        self.end += bytes.len() as u64;
        Ok(bytes.len())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.sync_unless(None, "sync")
    }

    /// Only one thread writes to a file whose flushes take their time.
    pub(crate) fn sync_data(&self) -> io::Result<()> {
        self.disk.wait_for_flush();
        self.sync_unless(Some(Lie::LogFlush), "flush")
    }

    pub(crate) fn sync_found(&self) -> io::Result<()> {
        self.sync_unless(Some(Lie::OpenSync), "sync on opening")
    }

    /// With this lie nothing becomes durable.
    fn sync_unless(&self, lie: Option<Lie>, verb: &str) -> io::Result<()> {
        let mut world = self.disk.world.lock();
        let lies = lie.is_some() && world.lie == lie;
        let effects = if lies {
            Vec::new()
        } else {
            vec![Effect::SyncFile(self.id)]
        };
        world.step(|| format!("{verb} {}", self.path.display()), effects)
    }
}
