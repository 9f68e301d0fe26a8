//! What the records of a log come to, one after the other.
//!
//! Must not know how they lie on disk.

use std::collections::VecDeque;

use super::format::{Checkpoint, Record};
use crate::types::{Entry, LogId, Vote};

/// Everything that a log says besides its entries.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Facts {
    pub(super) vote: Option<Vote>,
    pub(super) purged: Option<LogId>,
    pub(super) committed: Option<LogId>,
    /// The last entry, or the last purged one when none is left.
    pub(super) last: Option<LogId>,
}

impl Facts {
    pub(super) fn purge(&mut self, upto: LogId) {
        self.purged = self.purged.max(Some(upto));
        if self.last.is_none_or(|last| last.index < upto.index) {
            self.last = Some(upto);
        }
    }
}

/// The log as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Replay {
    pub(super) facts: Facts,
    pub(super) entries: VecDeque<Entry>,
    /// Entries up to this one were in segments that are gone: they must have been purged.
    missing: Option<u64>,
}

impl Replay {
    /// A segment begins. `ended` is where the one before it ended, if that is there.
    pub(super) fn begin(&mut self, checkpoint: &Checkpoint, ended: Option<u64>) -> Result<(), String> {
        let Checkpoint { facts, previous_end } = checkpoint;
        match ended {
            None => {
                self.facts = *facts;
                self.missing = facts.last.filter(|last| Some(*last) != facts.purged).map(|id| id.index);
                Ok(())
            }
            Some(ended) if ended != *previous_end => Err(format!(
                "the segment before ends at byte {ended}, and it ended at byte {previous_end}"
            )),
            Some(_) if self.facts != *facts => Err("it does not go on where the segment before ends".into()),
            Some(_) => Ok(()),
        }
    }

    /// The next record.
    pub(super) fn take(&mut self, record: Record) -> Result<(), String> {
        match record {
            Record::Checkpoint(_) => return Err("a checkpoint is in the wrong place".into()),
            Record::Entry(entry) => return self.append(entry),
            Record::Truncate(after) => return self.truncate(after),
            Record::Vote(vote) => self.facts.vote = Some(vote),
            Record::Committed(committed) => self.facts.committed = committed,
            Record::Purge(upto) => {
                self.facts.purge(upto);
                while self
                    .entries
                    .front()
                    .is_some_and(|entry| entry.log_id.index <= upto.index)
                {
                    self.entries.pop_front();
                }
            }
        }
        Ok(())
    }

    fn append(&mut self, entry: Entry) -> Result<(), String> {
        let (id, last) = (entry.log_id, self.facts.last);
        if last.is_some_and(|last| id.index != last.index + 1) {
            let last = last.map_or_else(String::new, |last| last.to_string());
            return Err(format!("entry {id} does not follow {last}"));
        }
        self.facts.last = Some(id);
        self.entries.push_back(entry);
        Ok(())
    }

    fn truncate(&mut self, after: Option<LogId>) -> Result<(), String> {
        let kept = |index: u64| after.is_some_and(|after| index <= after.index);
        while self.entries.back().is_some_and(|entry| !kept(entry.log_id.index)) {
            self.entries.pop_back();
        }
        self.missing = match (self.missing, after) {
            (Some(missing), Some(after)) => Some(missing.min(after.index)),
            (Some(_) | None, None) | (None, Some(_)) => None,
        };
        let end = self.entries.back().map(|entry| entry.log_id).or(self.facts.purged);
        if end != after && self.missing.is_none() {
            return Err("entries are cut behind one that is not there".into());
        }
        self.facts.last = after;
        Ok(())
    }

    /// Whether everything that is not purged was read.
    pub(super) fn check_whole(&self) -> Result<(), String> {
        let purged = self.facts.purged.map(|id| id.index);
        match self.missing {
            Some(missing) if Some(missing) > purged => Err(format!(
                "segments at its beginning are missing: entries up to {missing}"
            )),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{LeaderId, Payload};

    fn id(index: u64) -> LogId {
        let leader_id = LeaderId { term: 1, node_id: 1 };
        LogId { leader_id, index }
    }

    fn entry(index: u64) -> Record {
        Record::Entry(Entry {
            log_id: id(index),
            payload: Payload::Blank,
        })
    }

    fn from(facts: Facts) -> Replay {
        let mut replay = Replay::default();
        let checkpoint = Checkpoint { facts, previous_end: 9 };
        replay.begin(&checkpoint, None).unwrap();
        replay
    }

    fn take(replay: &mut Replay, records: Vec<Record>) {
        for record in records {
            replay.take(record).unwrap();
        }
    }

    #[test]
    fn what_is_gone_must_have_been_purged() {
        let facts = Facts {
            purged: Some(id(3)),
            last: Some(id(8)),
            ..Facts::default()
        };
        let mut replay = from(facts);
        take(&mut replay, vec![entry(9), Record::Purge(id(7))]);
        assert!(replay.check_whole().unwrap_err().contains("up to 8"));
        take(&mut replay, vec![Record::Purge(id(8))]);
        replay.check_whole().unwrap();
        assert_eq!(replay.entries.len(), 1);

        // What was cut is not missing.
        let mut replay = from(facts);
        take(
            &mut replay,
            vec![Record::Truncate(Some(id(5))), entry(6), Record::Purge(id(5))],
        );
        replay.check_whole().unwrap();
        let mut replay = from(facts);
        take(
            &mut replay,
            vec![Record::Truncate(Some(id(5))), entry(6), Record::Purge(id(4))],
        );
        assert!(replay.check_whole().is_err());
        let purged = Facts {
            last: Some(id(3)),
            ..facts
        };
        from(purged).check_whole().unwrap();
    }

    #[test]
    fn a_purge_beyond_the_end_is_the_end() {
        let mut replay = from(Facts::default());
        take(&mut replay, vec![entry(0), entry(1), Record::Purge(id(5)), entry(6)]);
        assert_eq!((replay.facts.last, replay.entries.len()), (Some(id(6)), 1));
        take(&mut replay, vec![Record::Truncate(Some(id(5))), entry(6)]);
    }

    #[test]
    fn entries_must_follow_each_other_and_cuts_be_where_an_entry_is() {
        let mut replay = from(Facts::default());
        take(&mut replay, vec![entry(0), entry(1)]);
        assert!(replay.take(entry(3)).is_err());
        assert!(replay.take(Record::Truncate(Some(id(4)))).is_err());
        let mut other = id(0);
        other.leader_id.term = 2;
        assert!(replay.take(Record::Truncate(Some(other))).is_err());
        take(&mut replay, vec![Record::Truncate(None), entry(0)]);
        assert!(replay.take(Record::Checkpoint(Checkpoint::default())).is_err());
    }

    #[test]
    fn a_segment_must_go_on_where_the_one_before_ends() {
        let mut replay = from(Facts::default());
        take(&mut replay, vec![entry(0)]);
        let facts = Facts {
            last: Some(id(0)),
            ..Facts::default()
        };
        let good = Checkpoint {
            facts,
            previous_end: 700,
        };
        replay.begin(&good, Some(700)).unwrap();
        assert!(replay.begin(&good, Some(699)).is_err());
        let bad = Checkpoint {
            facts: Facts::default(),
            ..good
        };
        assert!(replay.begin(&bad, Some(700)).is_err());
    }
}
