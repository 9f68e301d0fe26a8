//! What this member knows about itself and the cluster, as plain values.
//!
//! Must not decide anything: it only reports what consensus says.

use std::time::{Duration, Instant};

use openraft::{Instant as _, ServerState};
use parking_lot::Mutex;

use crate::types::Metrics;

/// The part a member plays now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes proposals.
    Leader,
    /// Follows a leader, or waits for one.
    Follower,
    /// Asks for votes.
    Candidate,
    /// Receives entries without a vote; also a member that is in no cluster yet.
    Learner,
    /// Consensus does not run any more.
    Stopped,
}

impl Role {
    /// The name in status documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Candidate => "candidate",
            Self::Learner => "learner",
            Self::Stopped => "stopped",
        }
    }
}

/// A member's view of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// This member's id.
    pub node_id: u64,
    /// This member's name.
    pub name: String,
    /// Made once per data folder: tells a folder from a new one under the same id.
    pub incarnation: [u8; 16],
    /// Made at each start.
    pub life: [u8; 16],
    /// The cluster.
    pub cluster_id: [u8; 16],
    /// Raft term.
    pub term: u64,
    /// The part it plays.
    pub role: Role,
    /// The leader as far as known.
    pub leader: Option<u64>,
    /// Index of the last entry in its log.
    pub last_log: u64,
    /// Index up to which it knows entries to be committed.
    pub committed: u64,
    /// Index up to which its tables are current.
    pub applied: u64,
    /// A leader's milliseconds since a quorum last answered.
    pub last_quorum_ms: Option<u64>,
    /// Ids that have a vote.
    pub voters: Vec<u64>,
    /// Ids of members without a vote.
    pub learners: Vec<u64>,
}

/// When a leader was last heard.
///
/// Consensus remembers a leader until there is another one; whoever asks wants to know whether it is there.
#[derive(Debug)]
pub(crate) struct Contact {
    heard_at: Mutex<Option<Instant>>,
    patience: Duration,
}

impl Contact {
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            heard_at: Mutex::new(None),
            patience,
        }
    }

    /// A leader spoke, and was accepted.
    pub(crate) fn hear(&self) {
        *self.heard_at.lock() = Some(Instant::now());
    }

    fn is_recent(&self) -> bool {
        self.heard_at.lock().is_some_and(|at| at.elapsed() < self.patience)
    }

    /// The leader, if this member has reason to believe that it leads now.
    fn leader(&self, metrics: &Metrics, me: u64) -> Option<u64> {
        let leader = metrics.current_leader?;
        let leads = if leader == me {
            let alone = metrics.membership_config.voter_ids().count() == 1;
            alone || metrics.last_quorum_acked.is_some_and(|at| at.elapsed() < self.patience)
        } else {
            self.is_recent()
        };
        leads.then_some(leader)
    }
}

/// The parts of a status that never change.
#[derive(Clone, Debug)]
pub(crate) struct Whoami {
    pub(crate) node_id: u64,
    pub(crate) name: String,
    pub(crate) incarnation: [u8; 16],
    pub(crate) life: [u8; 16],
    pub(crate) cluster_id: [u8; 16],
}

impl Whoami {
    pub(crate) fn status(&self, metrics: &Metrics, applied: u64, contact: &Contact) -> Status {
        let committed = metrics.cluster_committed.as_ref().max(metrics.local_committed.as_ref());
        Status {
            node_id: self.node_id,
            name: self.name.clone(),
            incarnation: self.incarnation,
            life: self.life,
            cluster_id: self.cluster_id,
            term: metrics.current_term,
            role: role(metrics),
            leader: contact.leader(metrics, self.node_id),
            last_log: metrics.last_log_index.unwrap_or(0),
            committed: committed.map_or(0, |id| id.index).max(applied),
            applied,
            last_quorum_ms: metrics
                .last_quorum_acked
                .map(|at| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX)),
            voters: metrics.membership_config.voter_ids().collect(),
            learners: metrics.membership_config.membership().learner_ids().collect(),
        }
    }
}

fn role(metrics: &Metrics) -> Role {
    if metrics.running_state.is_err() {
        return Role::Stopped;
    }
    match metrics.state {
        ServerState::Leader => Role::Leader,
        ServerState::Follower => Role::Follower,
        ServerState::Candidate => Role::Candidate,
        ServerState::Learner => Role::Learner,
        ServerState::Shutdown => Role::Stopped,
    }
}
