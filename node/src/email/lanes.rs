//! Which messages may be begun now. Each way out has places of its own, so that one that is down holds up no other; what
//! failed before takes half of them at most, so that it holds up nothing new. Remembers for as long as this node leads
//! what the replicated state does not count: ways that were down, and messages at which a conversation broke off.
//!
//! Must not know how messages are handed over, nor read any clock.

use super::servers::rest;
use crate::limits::{MAIL_AGAIN_MAX, MAIL_BACKOFF_MAX, MAIL_PARALLEL_MAX, MAIL_READ_MAX, MAIL_ROUND_PAUSE};
use std::collections::HashMap;
use std::time::Instant;

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It was handed over, or is in quarantine, or is not there any more.
    Gone,
    /// Its failure was counted in the replicated state, which says when it is tried again.
    Counted,
    /// Nobody was there to take any message.
    NobodyThere,
    /// The conversation broke off at this message.
    BrokeOff,
    /// The try ended in a fault of this program: another one would end so, too.
    Fault,
}

/// One way out.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// On their way, by key; whether it is another try.
    on_way: HashMap<u64, bool>,
    /// What did not get out by this process, by key.
    failed: HashMap<u64, Failed>,
    /// Nothing is tried again before.
    rests_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Failed {
    not_before: Instant,
    /// Tries in a row that found nobody there.
    nobody_there: u32,
    /// Tries at which the conversation broke off.
    broke_off: u32,
}

/// A message that may be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Its key.
    pub(super) key: u64,
    /// Failures that the replicated state counts.
    pub(super) attempts: u32,
    /// Whether it goes to quarantine without being sent: nobody has to be there for that.
    pub(super) is_void: bool,
}

impl Lane {
    /// Rows to be read so that what may be begun is among them.
    pub(super) fn rows(&self) -> usize {
        MAIL_READ_MAX + self.on_way.len() + self.failed.len()
    }

    /// Whether nothing more may be begun, whatever is due.
    pub(super) fn is_full(&self) -> bool {
        self.on_way.len() >= MAIL_PARALLEL_MAX
    }

    /// Takes a place for a message. False when it has to wait; then the next one is asked for.
    pub(super) fn begin(&mut self, one: Candidate, now: Instant) -> bool {
        if self.is_full() || self.on_way.contains_key(&one.key) {
            return false;
        }
        let failed = self.failed.get(&one.key);
        let again = one.attempts > 0 || failed.is_some();
        let rests = self.rests_until.is_some_and(|end| now < end);
        let waits = failed.is_some_and(|failed| now < failed.not_before);
        // Of a way that is down no more is remembered than is read anyway.
        let blocked = rests && (again || self.failed.len() >= MAIL_READ_MAX);
        let crowded = again && self.on_way.values().filter(|again| **again).count() >= MAIL_AGAIN_MAX;
        if !one.is_void && (waits || blocked || crowded) {
            return false;
        }
        self.on_way.insert(one.key, again);
        true
    }

    /// How often a conversation broke off at this message.
    pub(super) fn broke_off(&self, key: u64) -> u32 {
        self.failed.get(&key).map_or(0, |failed| failed.broke_off)
    }

    /// Gives the place of a message back.
    pub(super) fn end(&mut self, key: u64, ended: Ended, now: Instant) {
        self.on_way.remove(&key);
        let mut failed = self.failed.get(&key).copied().unwrap_or(Failed {
            not_before: now,
            nobody_there: 0,
            broke_off: 0,
        });
        match ended {
            Ended::Gone => {
                self.failed.remove(&key);
                return;
            }
            // The replicated state knows all about it.
            Ended::Counted if failed.broke_off == 0 => {
                self.failed.remove(&key);
                return;
            }
            Ended::Counted => failed.not_before = now,
            Ended::NobodyThere => {
                self.rests_until = Some(now + MAIL_ROUND_PAUSE);
                failed.nobody_there = failed.nobody_there.saturating_add(1);
                failed.not_before = now + rest(failed.nobody_there);
            }
            Ended::BrokeOff => {
                failed.nobody_there = 0;
                failed.broke_off = failed.broke_off.saturating_add(1);
                failed.not_before = now + rest(failed.broke_off);
            }
            Ended::Fault => failed.not_before = now + MAIL_BACKOFF_MAX,
        }
        self.failed.insert(key, failed);
    }

    /// Somebody is there again: what waited for that does so no longer than a round.
    pub(super) fn somebody_there(&mut self, now: Instant) {
        self.rests_until = None;
        for failed in self.failed.values_mut().filter(|failed| failed.nobody_there > 0) {
            failed.nobody_there = 0;
            failed.not_before = failed.not_before.min(now + MAIL_ROUND_PAUSE);
        }
    }

    /// Another node leads now: what it does to the messages is not known here.
    pub(super) fn forget(&mut self) {
        self.failed.clear();
        self.rests_until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use std::time::Duration;

    const ROUND: Duration = MAIL_ROUND_PAUSE;

    fn fresh(key: u64) -> Candidate {
        Candidate {
            key,
            attempts: 0,
            is_void: false,
        }
    }

    #[test]
    fn one_place_for_each_message_and_no_more_than_there_are() {
        let (mut lane, now) = (Lane::default(), clock::monotonic());
        let taken = (0..100).filter(|key| lane.begin(fresh(*key), now)).count();
        assert_eq!(taken, MAIL_PARALLEL_MAX);
        assert!(!lane.begin(fresh(0), now), "it is on its way");
        lane.end(0, Ended::Gone, now);
        assert!(lane.begin(fresh(100), now) && !lane.begin(fresh(101), now));
    }

    #[test]
    fn what_failed_before_leaves_places_for_what_is_new() {
        let (mut lane, now) = (Lane::default(), clock::monotonic());
        let again = |key| Candidate {
            attempts: 1,
            ..fresh(key)
        };
        let taken = (0..100).filter(|key| lane.begin(again(*key), now)).count();
        assert_eq!(taken, MAIL_AGAIN_MAX);
        assert!(lane.begin(fresh(100), now));
    }

    #[test]
    fn after_nobody_was_there_the_next_one_is_tried_and_the_way_rests_for_what_failed() {
        let (mut lane, now) = (Lane::default(), clock::monotonic());
        assert!(lane.begin(fresh(1), now));
        lane.end(1, Ended::NobodyThere, now);
        assert!(!lane.begin(fresh(1), now), "it waits");
        assert!(lane.begin(fresh(2), now), "a new one does not");
        lane.end(2, Ended::NobodyThere, now + ROUND / 2);
        assert!(!lane.begin(fresh(1), now + ROUND), "the way rests");
        assert!(lane.begin(fresh(1), now + ROUND * 3 / 2));
        lane.end(1, Ended::NobodyThere, now + ROUND * 2);
        assert!(!lane.begin(fresh(1), now + ROUND * 3), "longer each time");
        lane.somebody_there(now + ROUND * 2);
        assert!(lane.begin(fresh(1), now + ROUND * 3));
    }

    #[test]
    fn what_is_void_waits_for_nobody() {
        let (mut lane, now) = (Lane::default(), clock::monotonic());
        lane.begin(fresh(1), now);
        lane.end(1, Ended::NobodyThere, now);
        let void = Candidate {
            is_void: true,
            ..fresh(1)
        };
        assert!(lane.begin(void, now));
    }

    #[test]
    fn breaks_are_counted_until_the_message_is_gone_and_do_not_let_the_way_rest() {
        let (mut lane, now) = (Lane::default(), clock::monotonic());
        for broke_off in 0..3 {
            let now = now + ROUND * 100 * broke_off;
            assert_eq!(lane.broke_off(1), broke_off);
            assert!(lane.begin(fresh(1), now));
            lane.end(1, Ended::BrokeOff, now);
            lane.somebody_there(now);
            assert!(!lane.begin(fresh(1), now), "{broke_off}: it waits");
            assert!(lane.begin(fresh(2), now), "others do not");
            lane.end(2, Ended::Gone, now);
        }
        lane.end(1, Ended::Counted, now);
        assert_eq!(lane.broke_off(1), 3, "the next one counts at once");
        lane.end(1, Ended::Gone, now);
        assert_eq!((lane.broke_off(1), lane.failed.len()), (0, 0));
    }

    #[test]
    fn of_a_way_that_is_down_no_more_is_remembered_than_is_read() {
        let (mut lane, now) = (Lane::default(), clock::monotonic());
        for key in 0..10_000 {
            if lane.begin(fresh(key), now) {
                lane.end(key, Ended::NobodyThere, now);
            }
        }
        assert_eq!((lane.failed.len(), lane.rows()), (MAIL_READ_MAX, 2 * MAIL_READ_MAX));
        lane.forget();
        assert!(lane.begin(fresh(1), now));
    }
}
