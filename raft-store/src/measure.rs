//! The log's own path to the disk, without consensus above it: for benches that compare it with the disk itself.
//!
//! Must not be used to store anything: a folder that was measured is no member's.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::TypeConfigExt;

use crate::disk::Disk;
use crate::fault::FaultCell;
use crate::guard::Guard;
use crate::identity::Identity;
use crate::log_store::LogStore;
use crate::types::{Command, Entry, LeaderId, LogId, Payload, Types};
use crate::{Limits, OpenError, fsync};

/// How often a log has replaced everything in it before it counts as settled.
const SETTLED_AFTER: u64 = 2;
/// Entries of a group meanwhile.
const SETTLING_GROUP: usize = 512;

/// A log that takes entries as consensus would give them, and keeps as many as consensus would.
pub struct LogPath {
    log: LogStore,
    next: u64,
    kept: u64,
    purged: u64,
}

impl LogPath {
    /// A log in an empty folder, with the limits of production.
    ///
    /// # Errors
    /// As opening a store.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        fsync::require_real_fsync()?;
        let disk = Disk::Real;
        disk.create_folder(folder)
            .map_err(OpenError::io("cannot create", folder))?;
        let limits = Limits::default();
        let owner = Identity {
            cluster_id: [0xBE; 16],
            node_id: 1,
            incarnation: [0xBE; 16],
        };
        let (guard, promises) = Guard::open(&disk, folder, owner)?;
        let log = LogStore::open(
            &disk,
            folder,
            limits.log_segment_bytes,
            &promises,
            Arc::new(guard),
            Arc::default(),
            FaultCell::of(folder),
        )?;
        Ok(Self {
            log,
            next: 1,
            kept: limits.log_kept_entries,
            purged: 0,
        })
    }

    /// Appends entries as one, and returns when they are on disk.
    ///
    /// # Errors
    /// The disk failed.
    pub async fn append(&mut self, commands: Vec<Bytes>) -> io::Result<()> {
        let first = self.next;
        let entries: Vec<Entry> = (first..)
            .zip(commands)
            .map(|(index, command)| entry(index, command))
            .collect();
        self.next += entries.len() as u64;
        let (done, flushed) = Types::oneshot();
        self.log.append(entries, IOFlushed::signal(done)).await?;
        flushed.await.map_err(io::Error::other)??;
        if self.next - self.purged > 2 * self.kept {
            self.purged = self.next - self.kept;
            self.log.purge(log_id(self.purged)).await?;
        }
        Ok(())
    }

    /// Fills it until new entries take the place of purged ones on disk, as in a log that has lived for a while: what is
    /// compared with a preallocated file should not spend its time on making the file longer.
    ///
    /// # Errors
    /// The disk failed.
    pub async fn settle(&mut self, command: &Bytes) -> io::Result<()> {
        while self.purged < SETTLED_AFTER * self.kept {
            self.append(vec![command.clone(); SETTLING_GROUP]).await?;
        }
        Ok(())
    }

    /// Closes it.
    ///
    /// # Errors
    /// The disk failed.
    pub async fn close(self) -> io::Result<()> {
        self.log.queue().close().await
    }
}

fn log_id(index: u64) -> LogId {
    let leader_id = LeaderId { term: 1, node_id: 1 };
    LogId { leader_id, index }
}

fn entry(index: u64, command: Bytes) -> Entry {
    Entry {
        log_id: log_id(index),
        payload: Payload::Command(Command(command)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_measured_log_takes_entries_and_purges() {
        crate::install_real_fsync().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut path = LogPath::open(folder.path()).unwrap();
        path.kept = 10;
        for _ in 0..10 {
            path.append(vec![Bytes::from_static(b"command"); 7]).await.unwrap();
        }
        assert_eq!(path.next, 71);
        assert!(path.purged > 0 && path.next - path.purged <= 2 * path.kept);
        path.settle(&Bytes::from_static(b"command")).await.unwrap();
        assert!(path.purged >= 20);
        path.close().await.unwrap();
    }
}
