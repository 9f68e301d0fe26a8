//! What operators say to a node about its cluster, over the socket in the node's data folder.
//!
//! Must not be served anywhere else: whoever may open the socket may change the cluster.

use serde::{Deserialize, Serialize};

/// File of the socket, in the data folder of the node.
pub const SOCKET_FILE: &str = "admin.sock";
/// `GET`: the cluster, as its leader sees it.
pub const CLUSTER: &str = "/cluster";
/// `POST`: form the cluster.
pub const INIT: &str = "/cluster/init";
/// `POST`: make a token that lets one node in.
pub const TOKENS: &str = "/cluster/tokens";
/// `POST`: give a learner a vote.
pub const VOTERS: &str = "/cluster/voters";
/// `POST`: remove a member.
pub const REMOVALS: &str = "/cluster/removals";
/// `POST`: make another member lead.
pub const LEADER: &str = "/cluster/leader";
/// `POST`: raise the cluster's version.
pub const VERSION: &str = "/cluster/version";
/// Longest wait for one of them, in seconds.
pub const WAIT_SECONDS_MAX: u64 = 600;

/// Answer to `GET /cluster`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterView {
    /// Hexadecimal.
    pub cluster_id: String,
    /// The version that all members speak.
    pub cluster_version: u32,
    /// Id of the leader.
    pub leader_id: u64,
    /// Last entry of the leader's log.
    pub last_log: u64,
    /// A change of the voters is under way.
    pub changing: bool,
    /// Every node that belongs to it, or is about to.
    pub members: Vec<MemberView>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Where members reach it.
    pub address: String,
    /// Hexadecimal identity of its data folder.
    pub incarnation: String,
    /// `voter`, `learner`, `joining` or `leaving`.
    pub part: String,
    /// Whose place it is about to take.
    pub replaces: Option<u64>,
    /// Up to where its log is known to be the leader's.
    pub matched: Option<u64>,
    /// Oldest and newest cluster version that it speaks, if it said so to the leader.
    pub versions: Option<(u32, u32)>,
    /// How far its clock is ahead of the leader's.
    pub clock_ahead_ms: Option<i64>,
}

/// Body of `POST /cluster/init`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Init {
    /// How many members form it.
    pub expect: usize,
    /// Hexadecimal; compared with the configured one.
    pub cluster_id: Option<String>,
    /// How long to wait.
    pub wait_seconds: u64,
}

/// Body of `POST /cluster/tokens`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenWish {
    /// Life of the token.
    pub valid_seconds: u64,
    /// The member whose place the new node takes.
    pub replaces: Option<u64>,
    /// How long to wait.
    pub wait_seconds: u64,
}

/// Answer to it. Not to be printed but for the operator who asked.
#[derive(Clone, Serialize, Deserialize)]
pub struct NewToken {
    /// The secret.
    pub token: String,
}

/// Body of `POST /cluster/voters`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoterWish {
    /// The learner.
    pub id: u64,
    /// The member whose place it takes.
    pub replaces: Option<u64>,
    /// How long to wait.
    pub wait_seconds: u64,
}

/// Body of `POST /cluster/removals`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removal {
    /// The member.
    pub id: u64,
    /// How long to wait.
    pub wait_seconds: u64,
}

/// Body of `POST /cluster/leader`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaderWish {
    /// The new leader, or whoever is best.
    pub to: Option<u64>,
    /// How long to wait.
    pub wait_seconds: u64,
}

/// Body of `POST /cluster/version`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionWish {
    /// The version.
    pub to: u32,
    /// How long to wait.
    pub wait_seconds: u64,
}

/// Answer to whatever changes something: what was done, or with a status of an error, why not. 409: it must not be done.
/// 503: it is not done yet, and the same again goes on. 400: the request is not understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// For people.
    pub message: String,
}
