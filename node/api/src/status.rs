//! What a node says about itself to the load balancer's probe and on its operations listener.

use serde::{Deserialize, Serialize};

/// A node's part in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Orders the log.
    Leader,
    /// Votes and replicates.
    Follower,
    /// Asks for votes: there is no leader that it knows of.
    Candidate,
    /// Replicates without a vote.
    Learner,
    /// Is not taking part.
    Down,
}

/// Body of `GET /internal/v1/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Id in the cluster, never used again once its data is lost.
    pub node_id: u64,
    /// Name in configuration and certificates.
    pub name: String,
    /// Hexadecimal; new each time the process starts.
    pub incarnation: String,
    /// Hexadecimal id of the cluster.
    pub cluster_id: String,
    /// Current term.
    pub term: u64,
    /// Current role.
    pub role: Role,
    /// Id of the leader that it follows, if it knows one.
    pub leader_id: Option<u64>,
    /// Index of the last entry known to be on a quorum.
    pub committed: u64,
    /// Index of the last entry applied here.
    pub applied: u64,
    /// On a leader, milliseconds since a quorum last answered.
    pub last_quorum_ms: Option<u64>,
    /// May be sent requests.
    pub ready: bool,
    /// Is about to stop: finishes what it has and takes nothing new.
    pub draining: bool,
    /// Requests being worked on.
    pub in_flight: u64,
    /// Version of the program.
    pub version: String,
}
