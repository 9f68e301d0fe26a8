//! Compares this member's wall clock with those of a quorum, so that a clock that runs ahead or behind is noticed before
//! it stamps an entry.
//!
//! Every member asks the voters what time it is, and holds its own clock against the median. In between, a jump shows
//! against the clock that never jumps. Time orders nothing in this store; a wrong clock only hurts what users of it put
//! into entries. Must not trust a single other member.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::clock::WallClock;
use crate::cluster::lead::Lead;
use crate::codec::own::Pulse;
use crate::codec::wire::{Kind, Message};
use crate::limits::{AGREEMENT_CALL_MAX, CLOCK_COMPARE_PAUSE, CLOCK_OFFSET_MAX, CLOCK_SOON, CLOCK_TRIP_MAX};
use crate::peer::{Class, Links};

/// What this member knows about its clock.
pub(crate) struct Judgement {
    clock: WallClock,
    last: Mutex<Option<Judged>>,
}

#[derive(Clone, Debug)]
struct Judged {
    /// How far the own clock was ahead of the median.
    ahead_ms: i64,
    wall_ms: u64,
    at: Instant,
    /// How far the clocks of others were ahead of the own one.
    others: BTreeMap<u64, i64>,
}

/// How the own clock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// No quorum has been asked yet.
    Unknown,
    Good,
    /// Ahead of the median of a quorum by so many milliseconds; behind it if negative.
    Off(i64),
}

impl Judgement {
    pub(crate) fn new(clock: WallClock) -> Self {
        Self {
            clock,
            last: Mutex::default(),
        }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// How far the own clock is ahead now: as last compared, and what it jumped since.
    pub(crate) fn ahead_ms(&self) -> Option<i64> {
        let last = self.last.lock();
        let judged = last.as_ref()?;
        let passed = i64::try_from(judged.at.elapsed().as_millis()).unwrap_or(i64::MAX);
        let jumped = difference(self.clock.now_ms(), judged.wall_ms).saturating_sub(passed);
        Some(judged.ahead_ms.saturating_add(jumped))
    }

    pub(crate) fn look(&self) -> Clock {
        match self.ahead_ms() {
            None => Clock::Unknown,
            Some(ahead) if is_off(ahead) => Clock::Off(ahead),
            Some(_) => Clock::Good,
        }
    }

    /// How far the clock of another member is ahead of this one's.
    pub(crate) fn of(&self, id: u64) -> Option<i64> {
        self.last.lock().as_ref()?.others.get(&id).copied()
    }

    /// Whether somebody whose clock showed `sent_ms` a moment ago runs ahead of this one, which is good itself. A message
    /// is on its way for a while, so its sender can seem to be behind, never ahead.
    pub(crate) fn sender_is_ahead(&self, sent_ms: u64) -> bool {
        let ahead = difference(sent_ms, self.clock.now_ms());
        ahead > 0 && is_off(ahead) && self.look() == Clock::Good
    }

    fn judge(&self, wall_ms: u64, at: Instant, others: BTreeMap<u64, i64>) {
        let ahead_ms = median(others.values().copied()).saturating_neg();
        let mut last = self.last.lock();
        let was_off = last.as_ref().is_some_and(|judged| is_off(judged.ahead_ms));
        if is_off(ahead_ms) && !was_off {
            tracing::error!(
                ahead_ms,
                "this machine's clock differs from those of a quorum: synchronise it; until then this node stamps nothing"
            );
        } else if was_off && !is_off(ahead_ms) {
            tracing::info!(ahead_ms, "this machine's clock agrees with those of a quorum again");
        }
        *last = Some(Judged {
            ahead_ms,
            wall_ms,
            at,
            others,
        });
    }
}

fn difference(later: u64, earlier: u64) -> i64 {
    i64::try_from(i128::from(later) - i128::from(earlier)).unwrap_or(i64::MAX)
}

fn is_off(ahead_ms: i64) -> bool {
    u128::from(ahead_ms.unsigned_abs()) > CLOCK_OFFSET_MAX.as_millis()
}

/// The median of the others' offsets and of the own one, which is zero. Of two in the middle the one that is nearer to the
/// own clock counts: with as many clocks right as wrong nobody can tell which.
fn median(others: impl Iterator<Item = i64>) -> i64 {
    let mut all: Vec<i64> = others.chain([0]).collect();
    all.sort_unstable();
    let upper = all.len() / 2;
    let lower = (all.len() - 1) / 2;
    let middle = [all.get(lower), all.get(upper)];
    middle
        .into_iter()
        .flatten()
        .min_by_key(|offset| offset.unsigned_abs())
        .copied()
        .unwrap_or(0)
}

/// Asks the others again and again, until the store closes.
pub(crate) async fn run(judgement: Arc<Judgement>, lead: Lead, links: Arc<Links>, mut closing: watch::Receiver<bool>) {
    loop {
        compare(&judgement, &lead, &links).await;
        let until = Instant::now() + CLOCK_COMPARE_PAUSE;
        let waited = async {
            // A clock that is off, or jumps, is looked at again soon: whoever wants to stamp something waits for it.
            while Instant::now() < until {
                tokio::time::sleep(CLOCK_SOON).await;
                if judgement.look() != Clock::Good {
                    return;
                }
            }
        };
        tokio::select! {
            () = waited => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
    }
}

async fn compare(judgement: &Judgement, lead: &Lead, links: &Links) {
    let look = lead.look();
    let voters: Vec<u64> = look.membership.voter_ids().collect();
    if voters.is_empty() {
        return;
    }
    let (wall_ms, at) = (judgement.now_ms(), Instant::now());
    let asked = voters.iter().filter(|id| **id != lead.me()).map(|id| async move {
        let (sent_ms, sent) = (judgement.now_ms(), Instant::now());
        let link = links.get(*id, Class::Control);
        let answer = link.call(Kind::Clock, ().to_bytes(), AGREEMENT_CALL_MAX).await.ok()?;
        let trip = sent.elapsed();
        let Pulse { clock_ms: theirs, life } = Pulse::from_bytes(answer).ok()?;
        lead.directory.lives.saw(*id, life);
        let half_trip = Duration::as_millis(&(trip / 2));
        let mine = sent_ms.saturating_add(u64::try_from(half_trip).unwrap_or(0));
        (trip <= CLOCK_TRIP_MAX).then(|| (*id, difference(theirs, mine)))
    });
    let answers = futures_util::future::join_all(asked).await;
    let others: BTreeMap<u64, i64> = answers.into_iter().flatten().collect();
    // A learner is none of the voters: it counts itself, and needs a quorum of them all the same.
    let mine = usize::from(voters.contains(&lead.me()));
    if others.len() + mine > voters.len() / 2 {
        judgement.judge(wall_ms, at, others);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

    use super::*;

    #[test]
    fn the_median_decides_and_a_tie_is_in_favour_of_the_own_clock() {
        assert_eq!(median([].into_iter()), 0);
        assert_eq!(
            median([-60_000, -60_001].into_iter()),
            -60_000,
            "the own clock is ahead"
        );
        assert_eq!(median([0, 90_000].into_iter()), 0, "another one is ahead");
        assert_eq!(median([90_000].into_iter()), 0, "one of two, nobody knows which");
        assert_eq!(median([-10, 20, 30].into_iter()), 0);
    }

    #[test]
    fn a_jump_between_two_comparisons_is_seen_at_once() {
        let wall = Arc::new(AtomicU64::new(1_000_000));
        let read = wall.clone();
        let judgement = Judgement::new(WallClock::new(move || read.load(SeqCst)));
        assert_eq!(judgement.look(), Clock::Unknown);
        judgement.judge(1_000_000, Instant::now(), BTreeMap::from([(2, 1), (3, -1)]));
        assert_eq!(judgement.look(), Clock::Good);
        wall.fetch_add(60_000, SeqCst);
        assert!(matches!(judgement.look(), Clock::Off(ahead) if ahead > 50_000));
        assert!(
            !judgement.sender_is_ahead(2_000_000),
            "who is off itself does not judge others"
        );
        wall.fetch_sub(120_000, SeqCst);
        assert!(matches!(judgement.look(), Clock::Off(ahead) if ahead < -50_000));
        wall.store(1_000_000, SeqCst);
        assert!(judgement.sender_is_ahead(1_000_000 + 60_000));
        assert!(!judgement.sender_is_ahead(1_000_000 + 100));
        assert!(!judgement.sender_is_ahead(1), "a late message is no clock");
    }
}
