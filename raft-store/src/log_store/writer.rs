//! The one thread that writes the log: takes everything queued, writes it, waits for the disk once, then answers all
//! of it in order. While one group waits for the disk the next one gathers.
//!
//! Votes go through the same queue: their order with entries is a safety rule. After an error nothing is acknowledged
//! any more, and nothing is tried again: what the kernel kept of a failed write is unknown.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};

use openraft::storage::IOFlushed;
use tokio::sync::oneshot;

use super::segments::{Extent, Segments};
use crate::disk;
use crate::fault::FaultCell;
use crate::guard::Guard;
use crate::limits::{GROUP_BYTES_MAX, GROUP_ENTRIES_MAX, GUARD_REFRESH_INTERVAL};
use crate::metrics::Counters;
use crate::types::{Entry, LogId, Types, Vote};

/// One request to the writer. Those with a `done` are answered when they are on disk.
pub(crate) enum Op {
    Append {
        entries: Vec<Entry>,
        done: IOFlushed<Types>,
    },
    Vote {
        vote: Vote,
        done: oneshot::Sender<io::Result<()>>,
    },
    Truncate {
        after: Option<LogId>,
        done: oneshot::Sender<io::Result<()>>,
    },
    Purge {
        upto: LogId,
    },
    Committed {
        committed: Option<LogId>,
    },
    /// What is on disk already; answered at once.
    Extents {
        done: oneshot::Sender<Vec<Extent>>,
    },
    Close {
        done: oneshot::Sender<io::Result<()>>,
    },
}

enum Answer {
    Append(IOFlushed<Types>),
    Waiter(oneshot::Sender<io::Result<()>>),
}

impl Answer {
    fn send(self, result: io::Result<()>) {
        match self {
            Self::Append(done) => done.io_completed(result),
            Self::Waiter(done) => drop(done.send(result)),
        }
    }
}

/// What one group asks for, gathered while it is written.
#[derive(Default)]
struct Group {
    answers: Vec<Answer>,
    vote: Option<Vote>,
    committed: Option<Option<LogId>>,
    needs_flush: bool,
    close: bool,
}

pub(crate) struct Writer {
    queue: Receiver<Op>,
    segments: Option<Segments>,
    guard: Arc<Guard>,
    counters: Arc<Counters>,
    fault: FaultCell,
    last: Option<LogId>,
    failed: bool,
}

impl Writer {
    /// A writer and where its work is sent. Nothing is written before it is started.
    pub(crate) fn new(
        segments: Segments,
        last: Option<LogId>,
        guard: Arc<Guard>,
        counters: Arc<Counters>,
        fault: FaultCell,
    ) -> (Self, Sender<Op>) {
        let (sender, queue) = std::sync::mpsc::channel();
        let writer = Self {
            queue,
            segments: Some(segments),
            guard,
            counters,
            fault,
            last,
            failed: false,
        };
        (writer, sender)
    }

    /// Starts the thread; it ends with [`Op::Close`], or when the last sender is gone.
    pub(crate) fn start(self) -> io::Result<()> {
        std::thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || self.run())?;
        Ok(())
    }

    fn run(mut self) {
        let mut tidying = true;
        while let Some(ops) = self.next_group(tidying) {
            tidying = self.turn(ops);
        }
    }

    /// Writes one group and answers it; tells whether there is something to tidy up.
    fn turn(&mut self, ops: Vec<Op>) -> bool {
        self.counters.log_queue.fetch_sub(ops.len() as u64, Relaxed);
        let mut group = Group::default();
        let result = self.work(ops, &mut group);
        if group.close {
            // The log has to be closed before anyone is told that it is.
            self.segments = None;
        }
        answer(group.answers, &result);
        self.maintain()
    }

    /// Everything that is queued, as groups, on the thread of the caller.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn work_off(&mut self) {
        let mut left = true;
        while left {
            let ops = self.next_group(true).unwrap_or_default();
            left = !ops.is_empty();
            left |= self.turn(ops);
        }
    }

    /// Everything queued, up to the limits of a group; nothing when there was nothing to do for a while. `None` ends
    /// the writer.
    fn next_group(&self, tidying: bool) -> Option<Vec<Op>> {
        self.segments.as_ref()?;
        let queue = &self.queue;
        let mut ops = Vec::new();
        let first = if tidying {
            match queue.try_recv() {
                Ok(op) => Some(op),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => return None,
            }
        } else if self.guard.is_stale() && !self.failed {
            match queue.recv_timeout(GUARD_REFRESH_INTERVAL) {
                Ok(op) => Some(op),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        } else {
            Some(queue.recv().ok()?)
        };
        ops.extend(first);
        let (mut entries, mut bytes) = ops.first().map_or((0, 0), size);
        while !ops.is_empty() && entries < GROUP_ENTRIES_MAX && bytes < GROUP_BYTES_MAX {
            let Ok(op) = queue.try_recv() else {
                break;
            };
            let (more_entries, more_bytes) = size(&op);
            (entries, bytes) = (entries + more_entries, bytes + more_bytes);
            ops.push(op);
        }
        Some(ops)
    }

    /// Writes a group and waits for the disk.
    fn work(&mut self, ops: Vec<Op>, group: &mut Group) -> io::Result<()> {
        let mut result = self.usable();
        let told_before = result.is_err();
        for op in ops {
            if result.is_ok() {
                result = self.take(op, group);
            } else {
                refuse(op, group);
            }
        }
        let result = result.and_then(|()| self.finish(group));
        if let Err(error) = &result {
            self.failed = true;
            if !told_before {
                tracing::error!(error = %error, "the log could not be written; nothing is acknowledged any more");
                self.fault.storage(error);
            }
        }
        result
    }

    fn segments(&mut self) -> io::Result<&mut Segments> {
        self.segments
            .as_mut()
            .ok_or_else(|| io::Error::other("the log is closed"))
    }

    fn usable(&self) -> io::Result<()> {
        if self.failed {
            Err(io::Error::other("an earlier write of the log failed"))
        } else if let Some(fault) = self.fault.get() {
            Err(io::Error::other(fault.to_string()))
        } else {
            Ok(())
        }
    }

    fn take(&mut self, op: Op, group: &mut Group) -> io::Result<()> {
        match op {
            Op::Append { entries, done } => {
                group.answers.push(Answer::Append(done));
                group.needs_flush = true;
                self.last = entries.last().map(|entry| entry.log_id).or(self.last);
                let segments = self.segments()?;
                disk::no_panic(|| segments.append(&entries))
            }
            Op::Vote { vote, done } => {
                group.answers.push(Answer::Waiter(done));
                group.vote = Some(vote);
                group.needs_flush = true;
                self.segments()?.save_vote(&vote);
                Ok(())
            }
            Op::Truncate { after, done } => {
                group.answers.push(Answer::Waiter(done));
                group.needs_flush = true;
                self.last = after;
                // The guard must never promise more than the log holds.
                self.guard.lower_log(after)?;
                self.segments()?.truncate(after);
                Ok(())
            }
            Op::Purge { upto } => {
                self.last = self.last.max(Some(upto));
                self.segments()?.purge(upto);
                Ok(())
            }
            Op::Committed { committed } => {
                group.committed = Some(committed);
                Ok(())
            }
            Op::Extents { done } => {
                // Nobody may wait any more.
                let _unheard = done.send(self.segments()?.extents());
                Ok(())
            }
            Op::Close { done } => {
                group.answers.push(Answer::Waiter(done));
                group.needs_flush = true;
                group.close = true;
                Ok(())
            }
        }
    }

    fn finish(&mut self, group: &Group) -> io::Result<()> {
        if let Some(committed) = group.committed {
            self.segments()?.save_committed(committed);
        }
        if !group.needs_flush {
            return Ok(());
        }
        #[cfg(feature = "mutations")]
        if mutations::on(mutations::Mutation::AcknowledgeBeforeFlush) {
            return Ok(());
        }
        let segments = self.segments()?;
        disk::no_panic(|| segments.flush())?;
        if group.vote.is_some() || group.close {
            let last = self.last;
            self.guard.update(|promises| {
                promises.vote = group.vote.or(promises.vote);
                promises.log = last;
                promises.clean = group.close;
            })
        } else {
            self.guard.log_flushed(self.last)
        }
    }

    /// Work that waits for nobody: segments that are purged or will be needed, refreshing the guard. Tells whether more is
    /// left.
    fn maintain(&mut self) -> bool {
        let Some(segments) = self.segments.as_mut().filter(|_| !self.failed) else {
            return false;
        };
        let result = disk::no_panic(|| segments.tidy()).and_then(|more| self.guard.refresh_if_old().map(|()| more));
        result.unwrap_or_else(|error| {
            self.failed = true;
            self.fault.storage(&error);
            false
        })
    }
}

fn size(op: &Op) -> (usize, usize) {
    match op {
        Op::Append { entries, .. } => (entries.len(), entries.iter().map(Entry::size).sum()),
        Op::Vote { .. }
        | Op::Truncate { .. }
        | Op::Purge { .. }
        | Op::Committed { .. }
        | Op::Extents { .. }
        | Op::Close { .. } => (1, 0),
    }
}

fn refuse(op: Op, group: &mut Group) {
    match op {
        Op::Append { done, .. } => group.answers.push(Answer::Append(done)),
        Op::Vote { done, .. } | Op::Truncate { done, .. } => group.answers.push(Answer::Waiter(done)),
        Op::Close { done } => {
            group.close = true;
            group.answers.push(Answer::Waiter(done));
        }
        // Who asks for extents is told by the end of the channel.
        Op::Purge { .. } | Op::Committed { .. } | Op::Extents { .. } => {}
    }
}

fn answer(answers: Vec<Answer>, result: &io::Result<()>) {
    for answer in answers {
        answer.send(match result {
            Ok(()) => Ok(()),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        });
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
