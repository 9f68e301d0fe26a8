//! The leader asks all members for the digests of their tables at the same entries. Whoever differs from the majority is
//! told, and stops: it would answer what no other member answers.
//!
//! The majority is right, also against the leader. Without a majority nobody is stopped, because nobody knows who is
//! wrong; that is told, and counted. Must not be slowed down by a member that does not answer.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::watch;

use crate::cluster::lead::Lead;
use crate::codec::own::{Digests, Diverged};
use crate::codec::wire::{Kind, Message};
use crate::fault::FaultCell;
use crate::limits::{AGREEMENT_CALL_MAX, DIGEST_COMPARE_PAUSE};
use crate::metrics::Counters;
use crate::peer::{Class, Links};
use crate::quarantine;
use crate::state::RowsDigest;

/// What comparing needs.
pub(crate) struct Comparer {
    pub(crate) lead: Lead,
    pub(crate) links: Arc<Links>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) fault: FaultCell,
    pub(crate) data_dir: Arc<Path>,
}

/// What the digests of one entry say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All that answered have the same.
    Agreed,
    /// A majority of the voters has `right`; these have something else.
    Diverged {
        right: RowsDigest,
        wrong: Vec<(u64, RowsDigest)>,
    },
    /// They differ, and there is no majority for anything.
    Split,
    /// Too few have come to that entry.
    TooFew,
}

impl Comparer {
    /// Runs until the store closes.
    pub(crate) async fn run(self, mut closing: watch::Receiver<bool>) {
        let mut compared = 0;
        loop {
            tokio::select! {
                () = tokio::time::sleep(DIGEST_COMPARE_PAUSE) => {}
                _ = closing.wait_for(|closing| *closing) => return,
            }
            if self.lead.look().leads {
                compared = self.compare(compared).await;
            }
        }
    }

    /// Compares the newest entry behind `compared` that a majority has a digest of; up to where was compared.
    async fn compare(&self, compared: u64) -> u64 {
        let look = self.lead.look();
        let mine = self.lead.state.digests();
        if mine.keys().next_back().is_none_or(|newest| *newest <= compared) {
            return compared;
        }
        let others: Vec<u64> = look.membership.nodes().map(|(id, _)| *id).collect();
        let asked = others.iter().filter(|id| **id != self.lead.me()).map(|id| async move {
            let link = self.links.get(*id, Class::Control);
            let answer = link.call(Kind::Digests, ().to_bytes(), AGREEMENT_CALL_MAX).await;
            let digests = answer.ok().and_then(|bytes| Digests::from_bytes(bytes).ok());
            (*id, digests.unwrap_or_default().0)
        });
        let mut known: BTreeMap<u64, BTreeMap<u64, RowsDigest>> =
            futures_util::future::join_all(asked).await.into_iter().collect();
        known.insert(self.lead.me(), mine.clone());
        let voters: Vec<u64> = look.membership.voter_ids().collect();
        for (index, _) in mine.iter().rev().take_while(|(index, _)| **index > compared) {
            let at: BTreeMap<u64, RowsDigest> = known
                .iter()
                .filter_map(|(id, digests)| Some((*id, *digests.get(index)?)))
                .collect();
            match judge(&at, &voters) {
                Verdict::TooFew => {}
                Verdict::Agreed => {
                    self.counters.digests_agreed.fetch_add(1, Relaxed);
                    return *index;
                }
                Verdict::Split => {
                    self.counters.digests_differed.fetch_add(1, Relaxed);
                    tracing::error!(
                        index,
                        ?at,
                        "members have different tables, and no majority has the same: compare their logs, restore a backup"
                    );
                    return *index;
                }
                Verdict::Diverged { right, wrong } => {
                    self.counters.digests_differed.fetch_add(1, Relaxed);
                    for (id, digest) in wrong {
                        self.tell(id, *index, digest, right).await;
                    }
                    return *index;
                }
            }
        }
        compared
    }

    async fn tell(&self, id: u64, index: u64, yours: RowsDigest, right: RowsDigest) {
        let diverged = Diverged { index, yours, right };
        tracing::error!(
            node = id,
            index,
            digest = %yours,
            majority = %right,
            "a member has other tables than the majority: it is told to stop"
        );
        if id == self.lead.me() {
            if let Err(error) = stop(&self.fault, self.data_dir.clone(), &diverged).await {
                tracing::error!(%error, "the data folder could not be marked: do not start this node on it again");
            }
            return;
        }
        let link = self.links.get(id, Class::Control);
        if let Err(error) = link.call(Kind::Diverged, diverged.to_bytes(), AGREEMENT_CALL_MAX).await {
            tracing::warn!(node = id, %error, "it could not be told");
        }
    }
}

/// Stops this member, and marks its folder so that it is not opened again.
pub(crate) async fn stop(fault: &FaultCell, folder: Arc<Path>, diverged: &Diverged) -> io::Result<()> {
    let why = diverged.fault().to_string();
    // First the mark: whoever hears of the fault may end the process at once.
    let marked = tokio::task::spawn_blocking(move || quarantine::mark(&folder, &why)).await;
    fault.diverged(diverged);
    marked?
}

/// What the digests of one entry, by member, say.
pub(crate) fn judge(at: &BTreeMap<u64, RowsDigest>, voters: &[u64]) -> Verdict {
    let voting = at.iter().filter(|(id, _)| voters.contains(id));
    if voting.clone().count() <= voters.len() / 2 {
        return Verdict::TooFew;
    }
    let Some(first) = at.values().next() else {
        return Verdict::TooFew;
    };
    if at.values().all(|digest| digest == first) {
        return Verdict::Agreed;
    }
    let votes = |digest: &RowsDigest| voting.clone().filter(|(_, other)| *other == digest).count();
    match at.values().find(|digest| votes(digest) > voters.len() / 2) {
        None => Verdict::Split,
        Some(right) => Verdict::Diverged {
            right: *right,
            wrong: at
                .iter()
                .filter(|(_, digest)| *digest != right)
                .map(|(id, digest)| (*id, *digest))
                .collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(row: u8) -> RowsDigest {
        let mut digest = RowsDigest::default();
        digest.add(&[row], b"value");
        digest
    }

    fn verdict(of: &[(u64, u8)], voters: &[u64]) -> Verdict {
        let at = of.iter().map(|(id, row)| (*id, digest(*row))).collect();
        judge(&at, voters)
    }

    #[test]
    fn the_majority_of_the_voters_is_right() {
        let three = [1, 2, 3];
        assert_eq!(verdict(&[(1, 7), (2, 7), (3, 7)], &three), Verdict::Agreed);
        assert_eq!(verdict(&[(1, 7), (2, 7)], &three), Verdict::Agreed);
        assert_eq!(verdict(&[(1, 7)], &three), Verdict::TooFew);
        let third = Verdict::Diverged {
            right: digest(7),
            wrong: vec![(3, digest(8))],
        };
        assert_eq!(verdict(&[(1, 7), (2, 7), (3, 8)], &three), third);
        let leader = Verdict::Diverged {
            right: digest(7),
            wrong: vec![(1, digest(8))],
        };
        assert_eq!(verdict(&[(1, 8), (2, 7), (3, 7)], &three), leader);
        assert_eq!(verdict(&[(1, 7), (2, 8)], &three), Verdict::Split);
        assert_eq!(verdict(&[(1, 7), (2, 8), (3, 9)], &three), Verdict::Split);
    }

    #[test]
    fn a_learner_can_be_wrong_and_has_no_say() {
        let learner = Verdict::Diverged {
            right: digest(7),
            wrong: vec![(9, digest(8))],
        };
        assert_eq!(verdict(&[(1, 7), (2, 7), (9, 8)], &[1, 2, 3]), learner);
        assert_eq!(verdict(&[(1, 7), (9, 8), (10, 8)], &[1, 2, 3]), Verdict::TooFew);
    }
}
