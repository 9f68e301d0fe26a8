//! The log: entries in memory for readers, on disk through one writer thread.
//!
//! Must not answer for an entry before the disk has it; must not let readers touch the disk.

mod again;
mod check;
mod loaded;
mod memory;
mod segments;
mod writer;

use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::Sender;

use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend, RaftLogReader};
use parking_lot::RwLock;
use tokio::sync::oneshot;

pub(crate) use self::again::{NotAsWritten, read_again};
pub(crate) use self::check::{LogFound, audit};
use self::loaded::Loaded;
use self::memory::LogMemory;
pub(crate) use self::segments::{Extent, HEADER_BYTES, remove_unfinished};
use self::segments::{Found, Place, Segments};
use self::writer::Op;
pub(crate) use self::writer::Writer;
use crate::OpenError;
use crate::disk::Disk;
use crate::fault::FaultCell;
use crate::guard::{Guard, Promises};
use crate::metrics::Counters;
use crate::types::{Entry, LogId, Types, Vote};

/// The log of this member.
pub(crate) struct LogStore {
    memory: Arc<RwLock<LogMemory>>,
    queue: LogQueue,
}

/// Sends work to the writer thread.
#[derive(Clone)]
pub(crate) struct LogQueue {
    sender: Sender<Op>,
    counters: Arc<Counters>,
}

/// Reads entries from memory.
#[derive(Clone)]
pub(crate) struct LogReader {
    memory: Arc<RwLock<LogMemory>>,
}

impl LogStore {
    /// Opens the log of a folder, compares it with what this member has promised, and starts to write.
    pub(crate) fn open(
        disk: &Disk,
        folder: &Path,
        segment_bytes: u64,
        promises: &Promises,
        guard: Arc<Guard>,
        counters: Arc<Counters>,
        fault: FaultCell,
    ) -> Result<Self, OpenError> {
        let (log, writer) = Self::prepare(disk, folder, segment_bytes, promises, guard, counters, fault)?;
        writer
            .start()
            .map_err(OpenError::io("cannot start a thread for", folder))?;
        Ok(log)
    }

    /// The log, and its writer before it runs.
    pub(crate) fn prepare(
        disk: &Disk,
        folder: &Path,
        segment_bytes: u64,
        promises: &Promises,
        guard: Arc<Guard>,
        counters: Arc<Counters>,
        fault: FaultCell,
    ) -> Result<(Self, Writer), OpenError> {
        let below = folder.join("log");
        let found = segments::read(disk, &below, guard.owner())?;
        let Found { loaded, .. } = &found;
        check::check(folder, loaded, promises)?;
        let mut memory = LogMemory::default();
        (memory.vote, memory.committed, memory.purged) = (loaded.vote, loaded.committed, loaded.purged);
        memory
            .append(&loaded.entries)
            .map_err(|error| OpenError::quarantine(folder, format!("its log has a hole: {error}")))?;
        // Nothing is changed in a log that must not be used; the tables are looked at later.
        let place = Place {
            disk: disk.clone(),
            folder: below,
            owner: guard.owner(),
            segment_bytes,
        };
        let segments = Segments::start(place, &found, counters.clone())?;
        tracing::info!(entries = memory.len(), "log opened");
        promise_found(&guard, loaded, promises).map_err(OpenError::io("cannot write the guard file in", folder))?;
        let (writer, sender) = Writer::new(segments, memory.last(), guard, counters.clone(), fault);
        let log = Self {
            memory: Arc::new(RwLock::new(memory)),
            queue: LogQueue { sender, counters },
        };
        Ok((log, writer))
    }

    pub(crate) fn queue(&self) -> LogQueue {
        self.queue.clone()
    }

    /// Number of entries, from the start of the log, that were purged.
    pub(crate) fn purged(&self) -> u64 {
        self.memory.read().purged.map_or(0, |id| id.index + 1)
    }

    /// Number of entries, from the start of the log, that are there or were purged.
    pub(crate) fn end(&self) -> u64 {
        self.memory.read().last().map_or(0, |id| id.index + 1)
    }

    pub(crate) fn reader(&self) -> LogReader {
        LogReader {
            memory: self.memory.clone(),
        }
    }
}

/// What a crash left on disk without having been acknowledged counts as acknowledged from now on: consensus builds on
/// it, a vote above all.
fn promise_found(guard: &Guard, loaded: &Loaded, promises: &Promises) -> io::Result<()> {
    if loaded.vote == promises.vote && loaded.last() == promises.log {
        return Ok(());
    }
    guard.update(|promises| {
        promises.vote = loaded.vote;
        promises.log = loaded.last();
    })
}

impl LogQueue {
    fn send(&self, op: Op) -> io::Result<()> {
        self.counters.log_queue.fetch_add(1, Relaxed);
        self.sender.send(op).map_err(|_| {
            self.counters.log_queue.fetch_sub(1, Relaxed);
            io::Error::other("the writer of the log has stopped")
        })
    }

    async fn send_and_wait(&self, op: Op, done: oneshot::Receiver<io::Result<()>>) -> io::Result<()> {
        self.send(op)?;
        done.await
            .map_err(|_| io::Error::other("the writer of the log has stopped"))?
    }

    /// All segments as far as they are on disk, oldest first.
    pub(crate) async fn extents(&self) -> io::Result<Vec<Extent>> {
        let (done, wait) = oneshot::channel();
        self.send(Op::Extents { done })?;
        wait.await
            .map_err(|_| io::Error::other("the writer of the log has stopped"))
    }

    /// Flushes, closes the log and ends the thread.
    pub(crate) async fn close(&self) -> io::Result<()> {
        let (done, wait) = oneshot::channel();
        self.send_and_wait(Op::Close { done }, wait).await
    }
}

impl LogReader {
    /// Entries in memory.
    pub(crate) fn len(&self) -> u64 {
        self.memory.read().len() as u64
    }

    /// Bytes that they take.
    pub(crate) fn memory_bytes(&self) -> Arc<AtomicU64> {
        self.memory.read().bytes()
    }

    /// Every entry in memory.
    #[cfg(feature = "cluster-sim")]
    pub(crate) fn all(&self) -> Vec<Entry> {
        self.memory.read().range(..)
    }

    /// See [`LogMemory::purge_to_fit`].
    pub(crate) fn purge_to_fit(&self, bytes: u64) -> Option<u64> {
        self.memory.read().purge_to_fit(bytes)
    }
}

impl RaftLogReader<Types> for LogReader {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        Ok(self.memory.read().range(range))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        Ok(self.memory.read().range_limited(start..end))
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.memory.read().vote)
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let memory = self.memory.read();
        Ok(LogState {
            last_purged_log_id: memory.purged,
            last_log_id: memory.last(),
        })
    }

    async fn get_log_reader(&mut self) -> LogReader {
        self.reader()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        #[cfg(feature = "mutations")]
        if mutations::on(mutations::Mutation::VoteNotSaved) {
            self.memory.write().vote = Some(*vote);
            return Ok(());
        }
        let (done, wait) = oneshot::channel();
        self.queue.send_and_wait(Op::Vote { vote: *vote, done }, wait).await?;
        self.memory.write().vote = Some(*vote);
        tracing::debug!(term = vote.leader.term, "vote saved");
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        self.memory.write().committed = committed;
        self.queue.send(Op::Committed { committed })
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.memory.read().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        self.memory.write().append(&entries)?;
        self.queue.send(Op::Append {
            entries,
            done: callback,
        })
    }

    /// Returns when the cut is on disk: a snapshot installed after it must never meet the old entries again.
    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let after = {
            let mut memory = self.memory.write();
            memory.truncate(last_log_id.map(|id| id.index));
            memory.last()
        };
        let (done, wait) = oneshot::channel();
        self.queue.send_and_wait(Op::Truncate { after, done }, wait).await
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        self.memory.write().purge(log_id);
        self.queue.send(Op::Purge { upto: log_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_cannot_be_sent_does_not_wait_in_the_queue() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let counters: Arc<Counters> = Arc::default();
        let queue = LogQueue {
            sender,
            counters: counters.clone(),
        };
        queue.send(Op::Committed { committed: None }).unwrap();
        assert_eq!(counters.log_queue.load(Relaxed), 1);
        drop(receiver);
        assert!(queue.send(Op::Committed { committed: None }).is_err());
        assert!(queue.close().await.is_err());
        assert_eq!(counters.log_queue.load(Relaxed), 1);
    }
}
