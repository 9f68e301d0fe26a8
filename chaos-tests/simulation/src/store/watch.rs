//! What must hold of the members whenever somebody looks, whatever is broken: what Raft promises, what the stores promise to
//! it, and that one entry is one entry for everybody.
//!
//! Two leaders of one term are no fault here: votes of openraft are ordered by term and member, and the later one wins. Must not
//! look at what clients saw.

use super::machine::Cells;
use raft_store::simulation::{Cluster, Committed, Facts, LogLine};
use std::collections::{BTreeMap, BTreeSet};

type Leader = (u64, u64);

/// What was seen of one member so far.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    life: u64,
    vote: Leader,
    /// Within this life.
    seen: u64,
    committed: u64,
    /// Digests before this entry are compared.
    digests: u64,
}

#[derive(Default)]
pub(super) struct Watch {
    members: BTreeMap<u64, Known>,
    /// Who wrote each entry that somebody knew to be agreed on.
    agreed: BTreeMap<u64, Leader>,
    /// Of each entry of each leader: who wrote the one before it, and what it is.
    entries: BTreeMap<(u64, Leader), (Option<Leader>, u32)>,
    digests: BTreeMap<u64, (u64, String)>,
    newest_vote: Leader,
    /// Snapshots that were installed, by life.
    installed: BTreeMap<u64, u64>,
}

impl Watch {
    /// Snapshots that took the place of a member's tables.
    pub(super) fn installed(&self) -> u64 {
        self.installed.values().sum()
    }

    /// Looks at everything.
    pub(super) fn look(&mut self, cluster: &Cluster, machine: &Cells, wiped: Option<u64>) -> Result<(), String> {
        if let Some(difference) = machine.difference() {
            return Err(format!("committed: {difference}"));
        }
        let all: Vec<(u64, Facts)> = cluster.ids().into_iter().map(|id| (id, cluster.facts(id))).collect();
        for (id, facts) in all.iter().filter(|(_, facts)| facts.up) {
            if wiped == Some(*id) {
                stranger(*id, facts)?;
                continue;
            }
            by_itself(*id, facts)?;
            // Consensus has not reported yet, or belongs to no cluster.
            if facts.voters.is_empty() {
                continue;
            }
            self.goes_on(*id, facts)?;
            self.agrees(*id, facts, &all, wiped)?;
            applied_what_is_agreed(*id, facts, &all, wiped)?;
            self.log(*id, &cluster.log(*id))?;
            self.rows(cluster, *id)?;
            self.installed.insert(facts.life, facts.installed);
        }
        self.leader_has_all(cluster, &all)
    }

    /// Nothing goes back: a vote never, the rest within a life.
    fn goes_on(&mut self, id: u64, facts: &Facts) -> Result<(), String> {
        let known = self.members.entry(id).or_default();
        if facts.life != known.life {
            *known = Known {
                life: facts.life,
                vote: known.vote,
                ..Known::default()
            };
        }
        let committed = facts.committed.map_or(0, |committed| committed.index + 1);
        let back = [
            ("vote", facts.vote < known.vote),
            ("applied", facts.seen < known.seen),
            ("committed", committed < known.committed),
        ];
        if let Some((what, _)) = back.iter().find(|(_, went_back)| *went_back) {
            return Err(format!("monotonic: {id}: {what}: it was {known:?}, now {facts:?}"));
        }
        (known.vote, known.seen, known.committed) = (facts.vote, facts.seen, committed);
        Ok(())
    }

    /// What is agreed on is the same for everybody and stays, and was on the disks of a quorum when it was first known.
    fn agrees(&mut self, id: u64, facts: &Facts, all: &[(u64, Facts)], wiped: Option<u64>) -> Result<(), String> {
        let Some(Committed { index, leader }) = facts.committed else {
            return Ok(());
        };
        if let Some(first) = self.agreed.get(&index) {
            return if *first == leader {
                Ok(())
            } else {
                Err(format!(
                    "committed: entry {index} is of {leader:?} for {id}, it was of {first:?}"
                ))
            };
        }
        self.agreed.insert(index, leader);
        on_a_quorum(index, facts, all, wiped).map_err(|what| format!("quorum: agreed on: {what}"))
    }

    /// Log matching: an entry of a leader is one entry, and so are all before it.
    fn log(&mut self, id: u64, lines: &[LogLine]) -> Result<(), String> {
        let mut before = None;
        for line in lines {
            let place = (line.index, line.leader);
            let (first_before, sum) = self.entries.entry(place).or_insert((before, line.sum));
            let differs = first_before.is_some() && before.is_some() && *first_before != before;
            if *sum != line.sum || differs {
                return Err(format!(
                    "log matching: {id} has another entry {place:?} than was seen before"
                ));
            }
            *first_before = first_before.or(before);
            before = Some(line.leader);
        }
        Ok(())
    }

    /// Rows are the same after the same entry.
    fn rows(&mut self, cluster: &Cluster, id: u64) -> Result<(), String> {
        let known = self.members.entry(id).or_default();
        for (index, digest) in cluster.digests(id, known.digests) {
            known.digests = index + 1;
            let (other, first) = self.digests.entry(index).or_insert_with(|| (id, digest.clone()));
            if *first != digest {
                return Err(format!(
                    "replicas: {other} and {id} hold different rows after entry {index}"
                ));
            }
        }
        Ok(())
    }

    /// Leader completeness: whoever leads by the newest vote that ever was has every entry that was agreed on before.
    fn leader_has_all(&mut self, cluster: &Cluster, all: &[(u64, Facts)]) -> Result<(), String> {
        let newest = all.iter().map(|(_, facts)| facts.vote).max().unwrap_or_default();
        self.newest_vote = self.newest_vote.max(newest);
        let leader = all
            .iter()
            .find(|(id, facts)| facts.leads && facts.vote == self.newest_vote && facts.vote.1 == *id);
        let (Some((id, facts)), Some((index, by))) = (leader, self.agreed.last_key_value()) else {
            return Ok(());
        };
        let log = cluster.log(*id);
        let has = *index < facts.purged.max(facts.checkpoint)
            || log.iter().any(|line| (line.index, line.leader) == (*index, *by));
        if has {
            Ok(())
        } else {
            Err(format!(
                "leader completeness: {id} leads as {:?} without entry {index} of {by:?}",
                facts.vote
            ))
        }
    }
}

/// What one member says of itself must fit together.
fn by_itself(id: u64, facts: &Facts) -> Result<(), String> {
    if let Some(fault) = facts.fault.as_ref().filter(|_| !facts.unplugged) {
        return Err(format!("fault: {id} stopped, its disk is well: {fault}"));
    }
    if facts.purged > facts.checkpoint || facts.checkpoint > facts.seen {
        return Err(format!(
            "order: {id} purged {} entries, its tables on disk have {}, it applied {}",
            facts.purged, facts.checkpoint, facts.seen
        ));
    }
    Ok(())
}

/// What a member has applied is agreed on. Its consensus may say so later, after it has waited for a slow disk to keep a vote;
/// then the disks are looked at.
fn applied_what_is_agreed(id: u64, facts: &Facts, all: &[(u64, Facts)], wiped: Option<u64>) -> Result<(), String> {
    let Some(applied) = facts.seen.checked_sub(1) else {
        return Ok(());
    };
    if facts.committed.is_some_and(|committed| committed.index >= applied) {
        return Ok(());
    }
    on_a_quorum(applied, facts, all, wiped).map_err(|what| format!("agreed on before it applied: {id}: {what}"))
}

/// An entry is on the disks of most voters. A wiped disk may have been one of them. In the middle of a change of voters it depends
/// on when the entry was agreed on whether one set or both had to have it.
fn on_a_quorum(index: u64, facts: &Facts, all: &[(u64, Facts)], wiped: Option<u64>) -> Result<(), String> {
    let has = |(id, facts): &&(u64, Facts)| facts.durable > index || wiped == Some(*id);
    let disks: BTreeSet<u64> = all.iter().filter(has).map(|(id, _)| *id).collect();
    let is_quorum = |voters: &BTreeSet<u64>| 2 * voters.intersection(&disks).count() > voters.len();
    if facts.voters.iter().any(is_quorum) {
        Ok(())
    } else {
        Err(format!("entry {index} is on the disks of {disks:?}: {all:?}"))
    }
}

/// A machine with an empty disk under an id that is taken must stay out.
fn stranger(id: u64, facts: &Facts) -> Result<(), String> {
    if facts.seen > 0 || facts.committed.is_some() || facts.leads || facts.vote.0 > 0 {
        return Err(format!(
            "ids: {id} came back with an empty disk and takes part: {facts:?}"
        ));
    }
    Ok(())
}
