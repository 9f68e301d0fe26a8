//! The un-purged entries, in memory: what readers see.
//!
//! Must not touch the disk; the writer thread does, in the same order.

use std::collections::VecDeque;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::limits::APPEND_BYTES_MAX;
use crate::types::{Entry, LogId, Vote};

/// The log as readers see it.
#[derive(Default)]
pub(crate) struct LogMemory {
    pub(crate) vote: Option<Vote>,
    pub(crate) committed: Option<LogId>,
    pub(crate) purged: Option<LogId>,
    entries: VecDeque<Entry>,
    /// What the entries take, about; read without the lock.
    bytes: Arc<AtomicU64>,
}

fn bytes_of(entry: &Entry) -> u64 {
    entry.size().saturating_add(size_of::<Entry>()) as u64
}

impl LogMemory {
    /// The last entry, or the last purged one when none is left.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.entries.back().map(|entry| entry.log_id).or(self.purged)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn bytes(&self) -> Arc<AtomicU64> {
        self.bytes.clone()
    }

    /// The last entry to purge so that the rest takes no more than `bytes`; nothing if it does already.
    pub(crate) fn purge_to_fit(&self, bytes: u64) -> Option<u64> {
        let mut surplus = self.bytes.load(Relaxed).saturating_sub(bytes);
        let mut last = None;
        for entry in &self.entries {
            if surplus == 0 {
                break;
            }
            surplus = surplus.saturating_sub(bytes_of(entry));
            last = Some(entry.log_id.index);
        }
        last
    }

    /// Appends entries that follow each other and the last one.
    pub(crate) fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        for entry in entries {
            if let Some(last) = self.last()
                && entry.log_id.index != last.index + 1
            {
                return Err(io::Error::other(format!(
                    "entry {} does not follow {last}",
                    entry.log_id
                )));
            }
            self.bytes.fetch_add(bytes_of(entry), Relaxed);
            self.entries.push_back(entry.clone());
        }
        Ok(())
    }

    /// Drops entries above `after`, or all of them.
    pub(crate) fn truncate(&mut self, after: Option<u64>) {
        while self
            .entries
            .back()
            .is_some_and(|entry| after.is_none_or(|after| entry.log_id.index > after))
        {
            let gone = self.entries.pop_back().as_ref().map_or(0, bytes_of);
            self.bytes.fetch_sub(gone, Relaxed);
        }
    }

    /// Drops entries up to `upto`.
    pub(crate) fn purge(&mut self, upto: LogId) {
        while self
            .entries
            .front()
            .is_some_and(|entry| entry.log_id.index <= upto.index)
        {
            let gone = self.entries.pop_front().as_ref().map_or(0, bytes_of);
            self.bytes.fetch_sub(gone, Relaxed);
        }
        self.purged = self.purged.max(Some(upto));
    }

    /// Every entry of the range that the log contains.
    pub(crate) fn range(&self, range: impl RangeBounds<u64>) -> Vec<Entry> {
        let (start, end) = self.positions(range);
        self.entries.range(start..end).cloned().collect()
    }

    /// The first entries of the range: at least one if there is one, and not much more than fits in a message.
    pub(crate) fn range_limited(&self, range: impl RangeBounds<u64>) -> Vec<Entry> {
        let (start, end) = self.positions(range);
        let mut size = 0;
        let fits = |entry: &&Entry| {
            let first = size == 0;
            size += entry.size();
            first || size <= APPEND_BYTES_MAX
        };
        self.entries.range(start..end).take_while(fits).cloned().collect()
    }

    fn positions(&self, range: impl RangeBounds<u64>) -> (usize, usize) {
        let Some(first) = self.entries.front().map(|entry| entry.log_id.index) else {
            return (0, 0);
        };
        let position = |index: u64| {
            usize::try_from(index.saturating_sub(first))
                .unwrap_or(usize::MAX)
                .min(self.entries.len())
        };
        let start = match range.start_bound() {
            Bound::Included(index) => position(*index),
            Bound::Excluded(index) => position(index.saturating_add(1)),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(index) => position(index.saturating_add(1)),
            Bound::Excluded(index) => position(*index),
            Bound::Unbounded => self.entries.len(),
        };
        (start, end.max(start))
    }
}
