//! The leader's side of operations on the membership: checks what a crash could not make wrong later, and puts the rest
//! into the log.
//!
//! Every operation answers soon, and may be asked for again. Must not change the voters but under the one lock, and only
//! from the membership that it has looked at.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use openraft::ChangeMembers;
use openraft::async_runtime::watch::WatchReceiver;

use super::command::{System, SystemReply};
use super::info::{ClusterInfo, MemberInfo, Part};
use super::look::{Change, Look};
use super::operation::{Operation, Outcome};
use super::rows::{self, NodeRow, Standing};
use crate::Raft;
use crate::agreement::time::Judgement;
use crate::codec::wire::Message;
use crate::limits::OPERATION_STEP_MAX;
use crate::peer::Directory;
use crate::propose::{LocalOutcome, LocalQueue};
use crate::state::StateStore;
use crate::types::{PeerNode, Proposal};

/// What the leader needs to work on the membership.
#[derive(Clone)]
pub(crate) struct Lead {
    pub(crate) raft: Raft,
    pub(crate) state: StateStore,
    pub(crate) directory: Arc<Directory>,
    pub(crate) local: LocalQueue,
    pub(crate) judgement: Arc<Judgement>,
    /// Held while the voters are changed: one change at a time.
    pub(crate) changing: Arc<tokio::sync::Mutex<()>>,
}

impl Lead {
    pub(crate) fn me(&self) -> u64 {
        self.directory.me.node_id
    }

    pub(crate) fn look(&self) -> Look {
        Look::of(&self.raft, self.me())
    }

    /// See [`Look::change`].
    pub(crate) async fn change(&self, look: &Look, change: Change) -> Result<(), String> {
        look.change(&self.raft, change).await
    }

    /// Puts a command of the store into the log.
    pub(crate) async fn write(&self, command: &System) -> Outcome {
        let submitted = self.local.submit(Proposal::System(command.to_bytes()));
        match tokio::time::timeout(OPERATION_STEP_MAX, submitted).await {
            Ok(LocalOutcome::Applied { reply, .. }) => match SystemReply::from_bytes(reply) {
                Ok(SystemReply::Done) => Outcome::Done { text: String::new() },
                Ok(SystemReply::Joined { id }) => Outcome::Joined { id },
                Ok(SystemReply::Refused { reason }) => Outcome::Refused { text: reason },
                Err(error) => Outcome::Pending {
                    text: error.to_string(),
                },
            },
            Ok(LocalOutcome::NotLeader) => Outcome::NotLeader,
            Ok(LocalOutcome::Busy) => Outcome::Pending {
                text: "too many proposals are waiting".into(),
            },
            Ok(LocalOutcome::Unknown { reason }) => Outcome::Pending { text: reason },
            Err(_) => Outcome::Pending {
                text: "no quorum has agreed yet".into(),
            },
        }
    }

    /// Carries an operation out as far as it goes in a moment.
    pub(crate) async fn perform(&self, operation: Operation) -> Outcome {
        if !self.look().leads {
            return Outcome::NotLeader;
        }
        match operation {
            Operation::Describe => self.describe(),
            Operation::Join {
                name,
                address,
                incarnation,
                proof,
            } => {
                let now_ms = self.judgement.now_ms();
                let command = System::Join {
                    now_ms,
                    name,
                    address,
                    incarnation,
                    proof,
                };
                self.write(&command).await
            }
            Operation::AddToken {
                hash,
                valid_ms,
                replaces,
            } => {
                let now_ms = self.judgement.now_ms();
                let command = System::AddToken {
                    hash,
                    now_ms,
                    expires_ms: now_ms.saturating_add(valid_ms),
                    replaces,
                };
                self.write(&command).await
            }
            Operation::Promote { id, replaces } => self.promote(id, replaces).await,
            Operation::Remove { id } => self.remove(id).await,
            Operation::Transfer { to } => self.transfer(to).await,
            Operation::Upgrade { to } => self.upgrade(to).await,
        }
    }

    fn describe(&self) -> Outcome {
        let look = self.look();
        let known = match rows::nodes(&self.state.view()) {
            Ok(known) => known,
            Err(error) => {
                return Outcome::Pending {
                    text: error.to_string(),
                };
            }
        };
        let last = look.membership.get_joint_config().last().cloned().unwrap_or_default();
        let member = |id: u64, node: &PeerNode, part: Part| MemberInfo {
            id,
            name: node.name.clone(),
            address: self
                .directory
                .member(id)
                .map_or_else(|| node.address.clone(), |m| m.address),
            incarnation: node.incarnation,
            part,
            replaces: known
                .get(&id)
                .filter(|row| row.standing == Standing::Joining)
                .and_then(|row| row.replaces),
            matched: look.matched.get(&id).copied().flatten(),
            versions: self.directory.announced(id, node.incarnation),
            clock_ahead_ms: self.judgement.of(id),
        };
        let mut members: Vec<MemberInfo> = look
            .membership
            .nodes()
            .map(|(id, node)| {
                let part = match (last.contains(id), look.votes(*id)) {
                    (true, _) => Part::Voter,
                    (false, true) => Part::Leaving,
                    (false, false) => Part::Learner,
                };
                member(*id, node, part)
            })
            .collect();
        let waiting = known
            .iter()
            .filter(|(id, row)| row.standing == Standing::Joining && look.membership.get_node(id).is_none());
        members.extend(waiting.map(|(id, row)| member(*id, &peer_node(row), Part::Joining)));
        Outcome::Described(ClusterInfo {
            cluster_id: self.directory.me.cluster_id,
            cluster_version: self.directory.cluster_version(),
            leader: self.me(),
            last_log: look.last_log,
            changing: look.membership.get_joint_config().len() > 1,
            members,
        })
    }

    /// Asks for a vote for a learner; the leader's loop gives it as soon as it has caught up.
    async fn promote(&self, id: u64, replaces: Option<u64>) -> Outcome {
        let look = self.look();
        let done = look.votes(id)
            && look.membership.get_joint_config().len() == 1
            && replaces.is_none_or(|old| look.membership.get_node(&old).is_none());
        if done {
            return Outcome::Done {
                text: format!("node {id} votes"),
            };
        }
        match self.write(&System::Promote { id, replaces }).await {
            Outcome::Done { .. } => Outcome::Pending {
                text: format!("node {id} does not vote yet: it is still catching up, or does not answer"),
            },
            other @ (Outcome::Joined { .. }
            | Outcome::Described(_)
            | Outcome::Pending { .. }
            | Outcome::Refused { .. }
            | Outcome::NotLeader) => other,
        }
    }

    async fn remove(&self, id: u64) -> Outcome {
        let look = self.look();
        if look.membership.get_node(&id).is_none() {
            return match rows::node(&self.state.view(), id) {
                Ok(Some(row)) if row.standing == Standing::Removed => Outcome::Done {
                    text: format!("node {id} is removed"),
                },
                Ok(Some(_)) => self.write(&System::Retire { id }).await,
                Ok(None) => Outcome::Refused {
                    text: format!("node {id} is not a member"),
                },
                Err(error) => Outcome::Pending {
                    text: error.to_string(),
                },
            };
        }
        if let Some(text) = self.refuse_removal(&look, id) {
            return Outcome::Refused { text };
        }
        if id == self.me() {
            return self.hand_over(&look, None).await;
        }
        let Ok(_one_at_a_time) = self.changing.try_lock() else {
            return Outcome::Pending {
                text: "another change of the membership is under way".into(),
            };
        };
        let change = if look.votes(id) {
            ChangeMembers::RemoveVoters(BTreeSet::from([id]))
        } else {
            ChangeMembers::RemoveNodes(BTreeSet::from([id]))
        };
        match self.change(&look, change).await {
            Ok(()) => Outcome::Done {
                text: format!("node {id} is removed"),
            },
            Err(text) => Outcome::Pending { text },
        }
    }

    /// A removal that would leave the cluster without a quorum cannot be taken back.
    fn refuse_removal(&self, look: &Look, id: u64) -> Option<String> {
        if !look.votes(id) {
            return None;
        }
        let left: Vec<u64> = look.membership.voter_ids().filter(|voter| *voter != id).collect();
        if left.is_empty() {
            return Some(format!("node {id} is the only one that votes"));
        }
        let alive = left.iter().filter(|voter| look.alive.contains(voter)).count();
        (alive <= left.len() / 2).then(|| {
            format!(
                "without node {id} there would be no quorum: of the {} voters left only {alive} answer; \
                 replace what is dead first",
                left.len()
            )
        })
    }

    async fn transfer(&self, to: Option<u64>) -> Outcome {
        let look = self.look();
        if to == Some(self.me()) {
            return Outcome::Done {
                text: format!("node {} leads", self.me()),
            };
        }
        if let Some(to) = to
            && !look.votes(to)
        {
            return Outcome::Refused {
                text: format!("node {to} has no vote, it cannot lead"),
            };
        }
        self.hand_over(&look, to).await
    }

    /// Gives leadership away; the answer is that it has to be looked who leads now.
    pub(crate) async fn hand_over(&self, look: &Look, to: Option<u64>) -> Outcome {
        let Some(to) = to.or(look.successor(self.me())) else {
            return Outcome::Refused {
                text: "there is no other member that could lead".into(),
            };
        };
        if self.raft.trigger().transfer_leader(to).await.is_err() {
            return Outcome::NotLeader;
        }
        let until = Instant::now() + OPERATION_STEP_MAX;
        let mut metrics = self.raft.metrics();
        loop {
            let leader = metrics.borrow_watched().current_leader;
            if leader.is_some_and(|leader| leader != self.me()) {
                return Outcome::NotLeader;
            }
            if !matches!(
                tokio::time::timeout_at(until.into(), metrics.changed()).await,
                Ok(Ok(()))
            ) {
                return Outcome::Pending {
                    text: format!("node {to} has not taken over leadership yet"),
                };
            }
        }
    }

    /// Raises the cluster's version once every voter and learner has said that it speaks it.
    async fn upgrade(&self, to: u32) -> Outcome {
        let now = self.directory.cluster_version();
        if to <= now {
            let text = format!("the cluster has version {now}");
            return if to == now {
                Outcome::Done { text }
            } else {
                Outcome::Refused {
                    text: format!("{text}, and a version is never lowered"),
                }
            };
        }
        let look = self.look();
        let short: Vec<String> = look
            .membership
            .nodes()
            .filter_map(|(id, node)| match self.directory.announced(*id, node.incarnation) {
                Some(versions) if versions.min <= to && to <= versions.max => None,
                Some(versions) => Some(format!(
                    "node {id} ({}) speaks {} to {}",
                    node.name, versions.min, versions.max
                )),
                None => Some(format!(
                    "node {id} ({}) has not said what it speaks to this leader",
                    node.name
                )),
            })
            .collect();
        if short.is_empty() {
            self.write(&System::RaiseVersion { to }).await
        } else {
            Outcome::Refused {
                text: format!("not every member speaks cluster version {to}: {}", short.join("; ")),
            }
        }
    }
}

pub(crate) fn peer_node(row: &NodeRow) -> PeerNode {
    PeerNode {
        name: row.name.clone(),
        address: row.address.clone(),
        incarnation: row.incarnation,
    }
}
