//! The un-purged entries, in memory: what readers see.
//!
//! Must not touch the disk; the writer thread does, in the same order.

use std::collections::VecDeque;
use std::io;
use std::ops::{Bound, RangeBounds};

use crate::limits::APPEND_BYTES_MAX;
use crate::types::{Entry, LogId, Vote};

/// The log as readers see it.
#[derive(Default)]
pub(crate) struct LogMemory {
    pub(crate) vote: Option<Vote>,
    pub(crate) committed: Option<LogId>,
    pub(crate) purged: Option<LogId>,
    entries: VecDeque<Entry>,
}

impl LogMemory {
    /// The last entry, or the last purged one when none is left.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.entries.back().map(|entry| entry.log_id).or(self.purged)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
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
            self.entries.pop_back();
        }
    }

    /// Drops entries up to `upto`.
    pub(crate) fn purge(&mut self, upto: LogId) {
        while self
            .entries
            .front()
            .is_some_and(|entry| entry.log_id.index <= upto.index)
        {
            self.entries.pop_front();
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
