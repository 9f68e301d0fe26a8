//! The phases of a run in which something is promised: everything is healed, or a quorum is and the rest stays broken for good.
//!
//! Must not judge what clients saw.

use super::clients::one;
use super::faults::{break_for_good, restart};
use super::{Run, is_leader};
use crate::limits::{HEALED_MS_MAX, LEADER_MS_MAX, STEADY_MS, STORE_CLIENTS, UNSERVED_MS_MAX};
use raft_store::simulation::{Facts, Weather};
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

const LOOK: Duration = Duration::from_millis(20);
/// Calls that are answered at the end.
const LAST_CALLS: u64 = 12;

/// How long it took until there was service, in simulated milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Served {
    /// Until somebody led.
    pub leader_ms: u64,
    /// Until a call was answered.
    pub answer_ms: u64,
    /// The longest time without an answer from then on.
    pub gap_ms: u64,
}

fn ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Run {
    /// Everybody that may is up again, nothing is cut.
    pub(super) async fn heal(&mut self) -> Result<Served, String> {
        let able = self.able();
        self.shared.cluster.join();
        self.mend(&able).await?;
        self.served().await
    }

    /// A quorum is well again; the others stay broken, each in its own way, while the quorum serves for a while.
    pub(super) async fn heal_a_quorum(&mut self) -> Result<Served, String> {
        let cluster = self.shared.cluster.clone();
        let mut rest = self.able();
        let mut well = Vec::new();
        let voters = self.voters();
        while !voters.iter().all(|voters| is_quorum(&well, voters)) {
            let place = self.dice.place(rest.len()).ok_or("simulation: no quorum is left")?;
            well.push(rest.remove(place));
        }
        well.sort_unstable();
        cluster.join_among(&well);
        for (place, id) in rest.into_iter().enumerate() {
            self.faults.broken += 1;
            break_for_good(&cluster, &mut self.dice, id, &well, place > 0).await?;
        }
        self.mend(&well).await?;
        let mut served = self.served().await?;
        let steady = Instant::now();
        let mut answered = Instant::now();
        while ms(steady) < STEADY_MS {
            if self.ask().await {
                served.gap_ms = served.gap_ms.max(ms(answered));
                answered = Instant::now();
            }
            if ms(answered) > UNSERVED_MS_MAX {
                return Err(self.unserved("no answer while others stay broken", ms(answered)));
            }
            self.look()?;
            tokio::time::sleep(LOOK).await;
        }
        Ok(served)
    }

    /// Everybody catches up, every value is read once more, and all rows are the same.
    pub(super) async fn settle(&mut self) -> Result<[u8; 32], String> {
        let began = Instant::now();
        let mut answered = 0;
        loop {
            self.look()?;
            let able = self.able();
            if answered < LAST_CALLS && self.ask().await {
                answered += 1;
            }
            let seen: Vec<u64> = able.iter().map(|id| self.shared.cluster.facts(*id).seen).collect();
            let same = seen.iter().all(|one| Some(one) == seen.first());
            if answered == LAST_CALLS && same && self.is_membership_settled() {
                break;
            }
            if ms(began) > 2 * HEALED_MS_MAX {
                return Err(self.unserved(&format!("{answered} answers, not everybody has caught up"), ms(began)));
            }
            tokio::time::sleep(LOOK).await;
        }
        self.same_rows(&self.able())
    }

    /// Every row of every member, held against its digest and against the other members.
    pub(super) fn same_rows(&self, ids: &[u64]) -> Result<[u8; 32], String> {
        let mut first: Option<(u64, (u64, [u8; 32]))> = None;
        for id in ids {
            let rows = self.shared.cluster.rows(*id);
            let rows = rows.map_err(|error| format!("replicas: {id}: {error}"))?;
            let (other, others) = *first.get_or_insert((*id, rows));
            if others.0 == rows.0 && others.1 != rows.1 {
                return Err(format!(
                    "replicas: {other} and {id} hold different rows after {} entries",
                    rows.0
                ));
            }
        }
        Ok(first.map_or([0; 32], |(_, (_, hash))| hash))
    }

    /// Members that did not lose their disk.
    pub(super) fn able(&self) -> Vec<u64> {
        let ids = self.shared.cluster.ids().into_iter();
        ids.filter(|id| self.wiped != Some(*id)).collect()
    }

    /// These are up, their disks are well, and so is the network.
    async fn mend(&mut self, ids: &[u64]) -> Result<(), String> {
        let cluster = self.shared.cluster.clone();
        cluster.weather(Weather {
            delay_ms: 3,
            ..Weather::default()
        });
        for id in ids {
            restart(&cluster, *id, self.wiped).await?;
            cluster.disk_pace(*id, Duration::from_millis(3));
        }
        Ok(())
    }

    /// Waits until somebody leads and a call is answered.
    async fn served(&mut self) -> Result<Served, String> {
        let began = Instant::now();
        let mut leader_ms = None;
        loop {
            self.look()?;
            if self.leader().is_some() {
                leader_ms.get_or_insert(ms(began));
            } else if leader_ms.is_none() && ms(began) > LEADER_MS_MAX {
                return Err(self.unserved("nobody leads", ms(began)));
            }
            if self.ask().await {
                return Ok(Served {
                    leader_ms: leader_ms.unwrap_or_default(),
                    answer_ms: ms(began),
                    gap_ms: 0,
                });
            }
            if ms(began) > HEALED_MS_MAX {
                return Err(self.unserved("nobody answers", ms(began)));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// One call at whoever leads by the newest vote; whether it was answered.
    async fn ask(&mut self) -> bool {
        let Some(leader) = self.leader() else {
            return false;
        };
        one(&self.shared, STORE_CLIENTS, leader, &mut self.dice).await
    }

    /// One that is not needed may lead all the same, if it can.
    fn leader(&self) -> Option<u64> {
        let facts = self.able().into_iter().map(|id| (id, self.shared.cluster.facts(id)));
        let leaders = facts.filter(|(_, facts)| is_leader(facts));
        leaders.max_by_key(|(_, facts)| facts.vote).map(|(id, _)| id)
    }

    fn unserved(&self, what: &str, after_ms: u64) -> String {
        let ids = self.shared.cluster.ids().into_iter();
        let facts: Vec<(u64, Facts)> = ids.map(|id| (id, self.shared.cluster.facts(id))).collect();
        let wiped = self.wiped;
        format!(
            "liveness: {what} for {after_ms} ms, wiped {wiped:?}, cut {:?}: {facts:?}",
            self.shared.cluster.cuts()
        )
    }
}

fn is_quorum(ids: &[u64], voters: &BTreeSet<u64>) -> bool {
    2 * ids.iter().filter(|id| voters.contains(id)).count() > voters.len()
}
