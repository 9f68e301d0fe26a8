//! The leader works off what the log asks for: nodes that joined become learners, learners that have caught up take the
//! place that they joined for, a change that a dead leader left half done is finished.
//!
//! It looks at the log and at the membership only, never at what it did before: whoever leads next goes on from there.
//! Must not do two things at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::ChangeMembers;
use tokio::sync::watch;

use super::lead::{Lead, peer_node};
use super::look::{Change, Look};
use super::rows::{self, NodeRow, Standing};
use crate::limits::{LEARNER_LAG_ENTRIES_MAX, RECONCILE_PAUSE};

/// Log a lasting obstacle again after this many tries.
const REPORT_EVERY: u32 = 50;

/// Runs until the store closes.
pub(crate) async fn run(lead: Lead, mut closing: watch::Receiver<bool>) {
    let mut failures = 0_u32;
    loop {
        let pause = match step(&lead).await {
            Ok(true) => {
                failures = 0;
                Duration::ZERO
            }
            Ok(false) => {
                failures = 0;
                RECONCILE_PAUSE
            }
            Err(error) => {
                if failures.is_multiple_of(REPORT_EVERY) {
                    tracing::warn!(error, "the membership cannot be changed yet");
                }
                failures = failures.wrapping_add(1);
                RECONCILE_PAUSE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
    }
}

/// Does the next thing there is to do, if any; whether something was done.
async fn step(lead: &Lead) -> Result<bool, String> {
    if !lead.look().leads {
        return Ok(false);
    }
    let _one_at_a_time = lead.changing.lock().await;
    let look = lead.look();
    let rows = rows::nodes(&lead.state.view()).map_err(|error| error.to_string())?;
    match next(lead.me(), &look, &rows) {
        Next::Nothing => Ok(false),
        Next::HandOver => {
            lead.hand_over(&look, None).await;
            Ok(false)
        }
        Next::Change { what, change } => {
            tracing::info!(what, "changing the membership");
            lead.change(&look, change).await.map(|()| true)
        }
    }
}

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Nothing,
    /// The leader itself is to be replaced: somebody else has to do it.
    HandOver,
    Change {
        what: String,
        change: Change,
    },
}

pub(crate) fn next(me: u64, look: &Look, rows: &BTreeMap<u64, NodeRow>) -> Next {
    if !look.leads {
        return Next::Nothing;
    }
    if look.membership.get_joint_config().len() > 1 {
        return Next::Change {
            what: "finishing a change of the voters".into(),
            change: ChangeMembers::AddVoterIds(BTreeSet::new()),
        };
    }
    for (id, row) in rows {
        let known = look.membership.get_node(id).is_some();
        match row.standing {
            Standing::Joining if !known => {
                return Next::Change {
                    what: format!("node {id} ({}) becomes a learner", row.name),
                    change: ChangeMembers::AddNodes(BTreeMap::from([(*id, peer_node(row))])),
                };
            }
            Standing::Joining if row.promote && !look.votes(*id) && has_caught_up(look, *id) => {
                return promotion(me, look, *id, row);
            }
            Standing::Joining if row.replaces.is_some() && !row.promote => {
                if let Some(change) = replaced_learner(look, row) {
                    return change;
                }
            }
            Standing::Removed if known && !look.votes(*id) => {
                return Next::Change {
                    what: format!("node {id} ({}) is given up", row.name),
                    change: ChangeMembers::RemoveNodes(BTreeSet::from([*id])),
                };
            }
            Standing::Joining | Standing::Member | Standing::Removed => {}
        }
    }
    Next::Nothing
}

fn has_caught_up(look: &Look, id: u64) -> bool {
    let matched = look.matched.get(&id).copied().flatten();
    look.alive.contains(&id)
        && matched.is_some_and(|matched| matched.saturating_add(LEARNER_LAG_ENTRIES_MAX) >= look.last_log)
}

/// The vote of one goes to the other in one joint change.
fn promotion(me: u64, look: &Look, id: u64, row: &NodeRow) -> Next {
    let add = ChangeMembers::AddVoters(BTreeMap::from([(id, peer_node(row))]));
    match row.replaces.filter(|old| look.membership.get_node(old).is_some()) {
        Some(old) if old == me => Next::HandOver,
        Some(old) if look.votes(old) => Next::Change {
            what: format!("node {id} ({}) votes in the place of node {old}", row.name),
            change: ChangeMembers::Batch(vec![add, ChangeMembers::RemoveVoters(BTreeSet::from([old]))]),
        },
        Some(old) => Next::Change {
            what: format!("node {id} ({}) votes, node {old} is given up", row.name),
            change: ChangeMembers::Batch(vec![add, ChangeMembers::RemoveNodes(BTreeSet::from([old]))]),
        },
        None => Next::Change {
            what: format!("node {id} ({}) votes", row.name),
            change: add,
        },
    }
}

/// A learner that another learner takes the place of.
fn replaced_learner(look: &Look, row: &NodeRow) -> Option<Next> {
    let old = row.replaces?;
    let learner = look.membership.get_node(&old).is_some() && !look.votes(old);
    learner.then(|| Next::Change {
        what: format!("node {old} is given up for another"),
        change: ChangeMembers::RemoveNodes(BTreeSet::from([old])),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Membership;

    fn row(standing: Standing, replaces: Option<u64>, promote: bool) -> NodeRow {
        NodeRow {
            name: "n".into(),
            address: "a:1".into(),
            incarnation: [1; 16],
            standing,
            replaces,
            promote,
        }
    }

    fn look(configs: &[&[u64]], nodes: &[u64], matched: u64) -> Look {
        let configs = configs.iter().map(|config| config.iter().copied().collect()).collect();
        let node = |id: &u64| (*id, peer_node(&row(Standing::Member, None, false)));
        let nodes: BTreeMap<_, _> = nodes.iter().map(node).collect();
        Look {
            leads: true,
            at: None,
            last_log: LEARNER_LAG_ENTRIES_MAX + 10,
            matched: nodes.keys().map(|id| (*id, Some(matched))).collect(),
            alive: nodes.keys().copied().collect(),
            membership: Membership::new(configs, nodes).unwrap(),
        }
    }

    fn what(next: Next) -> String {
        match next {
            Next::Change { change, .. } => change.to_string(),
            Next::Nothing => "nothing".into(),
            Next::HandOver => "hand over".into(),
        }
    }

    #[test]
    fn a_replacement_goes_step_by_step_from_any_step() {
        let rows = BTreeMap::from([(9, row(Standing::Joining, Some(3), true))]);
        let step = |look: &Look| what(next(1, look, &rows));
        assert!(
            step(&look(&[&[1, 2, 3]], &[1, 2, 3], 0)).starts_with("AddNodes"),
            "first a learner"
        );
        assert_eq!(
            step(&look(&[&[1, 2, 3]], &[1, 2, 3, 9], 9)),
            "nothing",
            "it has to catch up"
        );
        let swap = step(&look(&[&[1, 2, 3]], &[1, 2, 3, 9], 10));
        assert!(
            swap.contains("AddVoters") && swap.contains("RemoveVoters"),
            "one change: {swap}"
        );
        let half = step(&look(&[&[1, 2, 3], &[1, 2, 9]], &[1, 2, 3, 9], 10));
        assert!(half.starts_with("AddVoterIds"), "a half change is finished: {half}");
        assert_eq!(step(&look(&[&[1, 2, 9]], &[1, 2, 9], 10)), "nothing");
    }

    #[test]
    fn a_leader_that_is_replaced_hands_over_first_and_a_follower_does_nothing() {
        let rows = BTreeMap::from([(9, row(Standing::Joining, Some(1), true))]);
        let mut look = look(&[&[1, 2, 3]], &[1, 2, 3, 9], 10);
        assert_eq!(next(1, &look, &rows), Next::HandOver);
        look.leads = false;
        assert_eq!(next(1, &look, &rows), Next::Nothing);
    }

    #[test]
    fn a_learner_waits_for_the_operator_and_a_dead_one_for_life() {
        let look_alive = look(&[&[1, 2, 3]], &[1, 2, 3, 9], 10);
        let waiting = BTreeMap::from([(9, row(Standing::Joining, None, false))]);
        assert_eq!(next(1, &look_alive, &waiting), Next::Nothing);
        let asked = BTreeMap::from([(9, row(Standing::Joining, None, true))]);
        assert!(what(next(1, &look_alive, &asked)).starts_with("AddVoters"));
        let mut dead = look_alive;
        dead.alive.remove(&9);
        assert_eq!(next(1, &dead, &asked), Next::Nothing);
    }

    #[test]
    fn what_was_given_up_is_taken_out() {
        let rows = BTreeMap::from([(9, row(Standing::Removed, None, false))]);
        assert!(what(next(1, &look(&[&[1]], &[1, 9], 10), &rows)).starts_with("RemoveNodes"));
        assert_eq!(next(1, &look(&[&[1]], &[1], 10), &rows), Next::Nothing);
    }
}
