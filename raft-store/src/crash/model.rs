//! What a member must still know after a crash: what it was told is durable, and what it may know on top of that.
//!
//! Plain lists and maps, rebuilt from the start where that is simplest. Must not share code with the stores.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::member::Found;
use crate::lives::{Lineage, Memory};
use crate::types::{Entry, LogId, Membership, Payload, Vote};

pub(super) type Cells = BTreeMap<Bytes, Bytes>;

/// A change of the log that was asked for.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Append(Vec<Entry>),
    /// Entries above the index go, or all of them.
    Truncate(Option<u64>),
    Purge(LogId),
    Vote(Vote),
}

/// What is in a log.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Log {
    pub(super) entries: Vec<Entry>,
    pub(super) purged: Option<LogId>,
    pub(super) vote: Option<Vote>,
}

impl Log {
    pub(super) fn last(&self) -> Option<LogId> {
        self.entries.last().map(|entry| entry.log_id).or(self.purged)
    }

    pub(super) fn next(&self) -> u64 {
        self.last().map_or(0, |id| id.index + 1)
    }

    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Append(entries) => self.entries.extend(entries.iter().cloned()),
            Change::Truncate(after) => {
                self.entries
                    .retain(|entry| after.is_some_and(|after| entry.log_id.index <= after));
            }
            Change::Purge(upto) => {
                self.entries.retain(|entry| entry.log_id.index > upto.index);
                self.purged = self.purged.max(Some(*upto));
            }
            Change::Vote(vote) => self.vote = Some(*vote),
        }
    }

    /// Whether `found` is what a change leaves that was interrupted: appended and cut entry by entry, the rest at once.
    fn is_partly(&self, change: &Change, found: &Self) -> bool {
        let mut after = self.clone();
        after.apply(change);
        let (shorter, longer) = match change {
            Change::Append(_) => (self, &after),
            Change::Truncate(_) => (&after, self),
            Change::Purge(_) | Change::Vote(_) => return *found == *self || *found == after,
        };
        found.purged == self.purged
            && found.vote == self.vote
            && found.entries.len() >= shorter.entries.len()
            && longer.entries.starts_with(&found.entries)
    }
}

/// Everything that is known about a member.
#[derive(Clone, Default)]
pub(super) struct Model {
    /// What is in the log for sure.
    pub(super) log: Log,
    /// What was asked of the log since, in order.
    pub(super) pending: Vec<Change>,
    /// What was said to be committed, durable or not; the last one that is durable for sure comes first.
    pub(super) committed: Vec<Option<LogId>>,
    /// What the cluster has agreed on, whether this member has it or not.
    pub(super) agreed: BTreeMap<u64, Entry>,
    /// Entries that the tables on disk cover for sure.
    pub(super) checkpoint: u64,
    /// The same, of a checkpoint or a snapshot that was begun.
    pub(super) checkpoint_begun: Option<u64>,
    /// The vote that was answered.
    pub(super) answered: Option<Vote>,
    pub(super) term: u64,
    pub(super) incarnation: Option<[u8; 16]>,
    /// What others remember of its lives.
    pub(super) seen: Option<Memory>,
    /// Entries that were applied before the crash.
    pub(super) applied: u64,
}

impl Model {
    /// Others hear how far it got.
    pub(super) fn heard(&mut self, lineage: &Lineage) {
        self.seen = Some(Memory {
            incarnation: self.incarnation.unwrap_or_default(),
            life: lineage.now,
            held: 0,
        });
    }

    /// The log as it is in memory, with everything asked for.
    pub(super) fn current(&self) -> Log {
        let mut log = self.log.clone();
        for change in &self.pending {
            log.apply(change);
        }
        log
    }

    /// What was found is what is known from now on: consensus takes all of it for durable.
    pub(super) fn adopt(&mut self, found: &Found) {
        let seen = found.mark.map_or(0, |id| id.index + 1);
        self.log = found.log.clone();
        self.pending.clear();
        if let Some(mark) = found.mark.filter(|mark| found.log.last() < Some(*mark)) {
            // Consensus purges a log that ends before its tables do.
            self.pending.push(Change::Purge(mark));
        }
        self.committed = vec![found.committed];
        self.answered = found.log.vote;
        (self.checkpoint, self.checkpoint_begun) = (seen, None);
        self.incarnation = Some(found.incarnation);
    }

    /// Everything asked of the log so far is durable.
    pub(super) fn settled(&mut self) {
        self.log = self.current();
        self.pending.clear();
        self.committed.drain(..self.committed.len().saturating_sub(1));
    }

    /// Whether a log can be what is left of this one.
    pub(super) fn allows(&self, found: &Log) -> bool {
        let mut before = self.log.clone();
        for change in &self.pending {
            if before.is_partly(change, found) {
                return true;
            }
            before.apply(change);
        }
        before == *found
    }

    /// Whether a log has what must be there, although writes of a database survived out of order.
    pub(super) fn allows_scattered(&self, found: &Log) -> bool {
        let mut states = vec![self.log.clone()];
        for change in &self.pending {
            let mut next = states[states.len() - 1].clone();
            next.apply(change);
            states.push(next);
        }
        let known = |entry: &Entry| states.iter().any(|log| log.entries.contains(entry));
        let first = found.purged.map_or(0, |id| id.index + 1);
        // What no change that was asked for takes away has to be there.
        let kept = self.log.entries.iter().filter(|entry| {
            let stays = |log: &Log| log.entries.contains(entry) || log.purged >= Some(entry.log_id);
            states.iter().all(stays) && entry.log_id.index >= first
        });
        found.entries.iter().all(known)
            && kept.into_iter().all(|entry| found.entries.contains(entry))
            && states.iter().any(|log| log.purged == found.purged)
            && states.iter().any(|log| log.vote == found.vote)
    }

    /// The cells after so many entries.
    pub(super) fn cells(&self, seen: u64) -> Cells {
        let mut cells = Cells::new();
        for (_, entry) in self.agreed.range(..seen) {
            if let Payload::Command(command) = &entry.payload {
                apply(&command.0, &mut cells);
            }
        }
        cells
    }

    /// The last membership among so many entries.
    pub(super) fn membership(&self, seen: u64) -> Option<(LogId, Membership)> {
        self.agreed
            .range(..seen)
            .rev()
            .find_map(|(_, entry)| match &entry.payload {
                Payload::Membership(membership) => Some((entry.log_id, membership.clone())),
                Payload::Blank | Payload::Command(_) | Payload::System(_) => None,
            })
    }
}

/// `put key value` or `remove key`, as the state machine of the test does it.
fn apply(command: &[u8], cells: &mut Cells) {
    let mut words = command.splitn(3, |byte| *byte == b' ');
    let (verb, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let key = Bytes::copy_from_slice(key);
    if verb == b"put" {
        cells.insert(key, Bytes::copy_from_slice(words.next().unwrap_or_default()));
    } else {
        cells.remove(&key);
    }
}
