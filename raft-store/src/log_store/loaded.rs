//! What a log holds when it is opened.
//!
//! Must not know how it lies on disk.

use crate::types::{Entry, LogId, Vote};

/// What was on disk.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) vote: Option<Vote>,
    pub(crate) purged: Option<LogId>,
    pub(crate) committed: Option<LogId>,
    pub(crate) entries: Vec<Entry>,
}

impl Loaded {
    /// The last entry, or the last one that was purged.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.entries.last().map(|entry| entry.log_id).or(self.purged)
    }
}
