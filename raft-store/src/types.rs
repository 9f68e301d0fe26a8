//! The types that consensus is instantiated with.
//!
//! They are ours, not openraft's, wherever bytes of them reach a disk or a wire: a new version of openraft then cannot
//! change a format. Only this crate names them.

use std::fmt;

use bytes::Bytes;
use openraft::entry::{RaftEntry, RaftPayload};
use openraft::type_config::alias::{LogIdOf, SnapshotMetaOf, StoredMembershipOf};
use openraft::vote::RaftVote;

/// What tasks, timers and randomness of consensus come from.
#[cfg(not(feature = "cluster-sim"))]
pub(crate) type Runtime = openraft::impls::TokioRuntime;
/// In a simulation all randomness follows from one seed.
#[cfg(feature = "cluster-sim")]
pub(crate) type Runtime = openraft::rt::deterministic_rng::DeterministicRng<openraft::impls::TokioRuntime>;

openraft::declare_raft_types!(
    /// Consensus over opaque commands.
    pub(crate) Types:
        D = Proposal,
        R = Reply,
        NodeId = u64,
        Node = PeerNode,
        Term = u64,
        LeaderId = LeaderId,
        Vote = Vote,
        Payload = Payload,
        Entry = Entry,
        AsyncRuntime = Runtime,
);

pub(crate) type LeaderId = openraft::impls::leader_id_adv::LeaderId<u64, u64>;
pub(crate) type LogId = LogIdOf<Types>;
pub(crate) type Membership = openraft::Membership<u64, PeerNode>;
pub(crate) type StoredMembership = StoredMembershipOf<Types>;
pub(crate) type SnapshotMeta = SnapshotMetaOf<Types>;
pub(crate) type Metrics = openraft::RaftMetrics<Types>;

/// A command of the state machine. Printing it shows its size only: commands may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Command(pub(crate) Bytes);

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What is given to consensus: a command of the state machine, or one of the store itself, encoded.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Proposal {
    User(Command),
    System(Bytes),
}

impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(command) => write!(f, "command of {command}"),
            Self::System(command) => write!(f, "command to the store of {} bytes", command.len()),
        }
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What the state machine answered. Printing it shows its size only.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Reply(pub(crate) Bytes);

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// A member as recorded in the replicated membership.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PeerNode {
    /// First label of its certificate's name.
    pub(crate) name: String,
    /// `host:port` of its peer listener when it joined.
    pub(crate) address: String,
    /// Identity of its data folder; zero if it was not recorded.
    pub(crate) incarnation: [u8; 16],
}

/// Who leads, or asks to, in which term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    pub(crate) leader: LeaderId,
    pub(crate) committed: bool,
}

impl fmt::Display for Vote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.leader, if self.committed { "Q" } else { "-" })
    }
}

impl RaftVote for Vote {
    type LeaderId = LeaderId;

    fn from_leader_id(leader: LeaderId, committed: bool) -> Self {
        Self { leader, committed }
    }

    fn leader_id(&self) -> &LeaderId {
        &self.leader
    }

    fn is_committed(&self) -> bool {
        self.committed
    }
}

/// What an entry carries.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Payload {
    Blank,
    Command(Command),
    Membership(Membership),
    /// Of the store itself: tokens, ids of new members, the cluster's version. See `cluster::command`.
    System(Bytes),
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("blank"),
            Self::Command(command) => write!(f, "command of {command}"),
            Self::Membership(membership) => write!(f, "membership {membership}"),
            Self::System(command) => write!(f, "command to the store of {} bytes", command.len()),
        }
    }
}

impl RaftPayload for Payload {
    type D = Proposal;
    type NodeId = u64;
    type Node = PeerNode;

    fn blank() -> Self {
        Self::Blank
    }

    fn with_normal(self, data: Proposal) -> Self {
        match data {
            Proposal::User(command) => Self::Command(command),
            Proposal::System(command) => Self::System(command),
        }
    }

    fn with_membership(self, membership: Membership) -> Self {
        Self::Membership(membership)
    }

    fn get_membership(&self) -> Option<Membership> {
        match self {
            Self::Membership(membership) => Some(membership.clone()),
            Self::Blank | Self::Command(_) | Self::System(_) => None,
        }
    }
}

/// One entry of the log. Cloning shares the command's bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) log_id: LogId,
    pub(crate) payload: Payload,
}

impl Entry {
    /// Size in memory and, closely, on disk and wire.
    pub(crate) fn size(&self) -> usize {
        32 + match &self.payload {
            Payload::Blank => 0,
            Payload::Command(command) => command.0.len(),
            Payload::System(command) => command.len(),
            Payload::Membership(membership) => 96 * membership.nodes().count(),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.log_id, self.payload)
    }
}

impl RaftEntry for Entry {
    type CommittedLeaderId = LeaderId;
    type Payload = Payload;

    fn new(log_id: LogId, payload: Payload) -> Self {
        Self { log_id, payload }
    }

    fn log_id_parts(&self) -> (&LeaderId, u64) {
        (&self.log_id.leader_id, self.log_id.index)
    }

    fn set_log_id(&mut self, new: LogId) {
        self.log_id = new;
    }

    fn get_membership(&self) -> Option<Membership> {
        self.payload.get_membership()
    }
}
