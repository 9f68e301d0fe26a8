//! The node's side of the replicated log: typed entries in, typed replies out, and consistent reads.
//!
//! Nothing else of this crate speaks to the store. No decisions: those are in `auth-core`.

pub mod machine;
mod pulse;
#[cfg(test)]
pub mod testing;
mod view;

pub use view::View;

use crate::clock;
use crate::limits::{PULSE_PAUSE, PULSE_WAIT_MAX};
use crate::shutdown::Stop;
use crate::telemetry::metrics::Metrics;
use auth_api::status::{NodeStatus, Role};
use auth_core::entry::Entry;
use auth_core::error::Fault;
use auth_core::reply::Reply;
use auth_core::time::Timestamp;
use bytes::Bytes;
use machine::Machine;
use pulse::Pulse;
use raft_store::{Config, NotExecuted, OpenError, ProposeError, ReadError, Store};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Handle of the replicated log. Cloning is cheap.
#[derive(Clone)]
pub struct Replication {
    store: Store,
    applied: watch::Receiver<u64>,
    metrics: Metrics,
    pulse: Pulse,
}

/// No answer from the log within the deadline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the replicated log gave no answer: {reason}")]
pub struct Unavailable {
    /// This call put nothing into any log. It says nothing about earlier calls of the same request.
    pub not_executed: bool,
    /// Too much waits already: the caller should wait longer before it tries again.
    pub overloaded: bool,
    /// What was seen last, for the log.
    pub reason: String,
}

impl Replication {
    /// Opens the data folder and starts taking part in the cluster.
    ///
    /// # Errors
    /// What the store refuses, in words for an operator.
    pub async fn open(config: Config, metrics: Metrics) -> Result<Self, OpenError> {
        let (machine, applied) = Machine::new();
        let store = Store::open(config, Arc::new(machine)).await?;
        Ok(Self {
            store,
            applied,
            metrics,
            pulse: Pulse::default(),
        })
    }

    /// Puts an entry on a quorum and waits for its reply; the effect is then visible in [`Self::view`]. Proposing the
    /// same entry again is safe: its request id makes it happen once.
    ///
    /// # Errors
    /// [`Unavailable`] when there is no reply before the deadline, or the cluster's version is too old for the command.
    pub async fn propose(&self, entry: &Entry, deadline: Instant) -> Result<Reply, Unavailable> {
        self.propose_since(entry, entry.command.since(), deadline).await
    }

    /// Nothing that some node could not apply enters the log: an entry of an unknown command stops a node.
    async fn propose_since(&self, entry: &Entry, since: u32, deadline: Instant) -> Result<Reply, Unavailable> {
        let verb = entry.command.verb();
        let began = clock::monotonic();
        let version = self.store.cluster_version();
        if since > version {
            self.metrics.proposals.with_label_values(&[verb, "too_new"]).inc();
            return Err(Unavailable {
                not_executed: true,
                overloaded: false,
                reason: format!(
                    "{verb} needs cluster version {since}, and the cluster has {version}: when every node runs this \
                     program, raise it with `tfauth cluster upgrade --to {since}`"
                ),
            });
        }
        let result = match self.store.propose(Bytes::from(entry.encode()), deadline).await {
            Ok(applied) => Reply::decode(&applied.reply).map_err(|fault| Unavailable {
                not_executed: false,
                overloaded: false,
                reason: fault.to_string(),
            }),
            Err(error) => Err(Unavailable::from(error)),
        };
        let outcome = match &result {
            Ok(reply) => reply.outcome(),
            Err(Unavailable { overloaded: true, .. }) => "overloaded",
            Err(Unavailable { not_executed: true, .. }) => "not_executed",
            Err(Unavailable { .. }) => "unknown",
        };
        if result.is_ok() {
            self.pulse.heard();
        }
        self.metrics.proposals.with_label_values(&[verb, outcome]).inc();
        let took = clock::monotonic().saturating_duration_since(began);
        self.metrics
            .proposal_seconds
            .with_label_values(&[verb])
            .observe(took.as_secs_f64());
        result
    }

    /// After it returns, [`Self::view`] shows every change that was acknowledged anywhere before the call began.
    ///
    /// # Errors
    /// [`Unavailable`] when no leader confirms it before the deadline.
    pub async fn barrier(&self, deadline: Instant) -> Result<(), Unavailable> {
        let began = clock::monotonic();
        let result = self.store.read_barrier(deadline).await;
        let took = clock::monotonic().saturating_duration_since(began);
        self.metrics.barrier_seconds.observe(took.as_secs_f64());
        match result {
            Ok(_) => {
                self.pulse.heard();
                Ok(())
            }
            Err(ReadError::Unavailable { reason }) => {
                self.metrics.barriers_failed.inc();
                Err(Unavailable {
                    not_executed: true,
                    overloaded: false,
                    reason,
                })
            }
        }
    }

    /// One consistent state of the tables, as applied here.
    #[must_use]
    pub fn view(&self) -> View {
        View::new(self.store.view())
    }

    /// What this member knows of itself and the cluster. `ready`, `draining` and `in_flight` are the HTTP side's matter
    /// and come out empty here: see [`crate::http::status`].
    #[must_use]
    pub fn status(&self) -> NodeStatus {
        let status = self.store.status();
        NodeStatus {
            node_id: status.node_id,
            name: status.name,
            incarnation: hex(status.incarnation),
            cluster_id: hex(status.cluster_id),
            term: status.term,
            role: match status.role {
                raft_store::Role::Leader => Role::Leader,
                raft_store::Role::Follower => Role::Follower,
                raft_store::Role::Candidate => Role::Candidate,
                raft_store::Role::Learner => Role::Learner,
                raft_store::Role::Stopped => Role::Down,
            },
            leader_id: status.leader,
            committed: status.committed,
            applied: status.applied,
            last_quorum_ms: status.last_quorum_ms,
            ready: false,
            draining: false,
            in_flight: 0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Whether this member orders the log now, as far as it knows. Good for choosing who works, never for correctness.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.store.status().role == raft_store::Role::Leader
    }

    /// How long ago a quorum last answered this node; none before the first time. True while [`Self::keep_pulse`] runs.
    #[must_use]
    pub fn quorum_silence(&self) -> Option<Duration> {
        self.pulse.silence()
    }

    /// Asks the quorum for a sign of life whenever nothing else has brought one, until `stop`.
    pub async fn keep_pulse(self, mut stop: Stop) {
        loop {
            if self.pulse.silence().is_none_or(|silence| silence >= PULSE_PAUSE)
                && self
                    .store
                    .read_barrier(clock::monotonic() + PULSE_WAIT_MAX)
                    .await
                    .is_ok()
            {
                self.pulse.heard();
            }
            tokio::select! {
                () = stop.wait() => return,
                () = tokio::time::sleep(PULSE_PAUSE) => {}
            }
        }
    }

    /// Changes whenever entries were applied here; the value is the index of the last one.
    #[must_use]
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.applied.clone()
    }

    /// The greatest time that any applied entry was stamped with.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub fn log_clock(&self) -> Result<Timestamp, Fault> {
        auth_core::query::log_clock(&self.view())
    }

    /// The store's counters.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns when the store cannot go on; the node must then stop at once.
    pub async fn failed(&self) -> raft_store::Fault {
        self.store.failed().await
    }

    /// Hands leadership over and closes the store.
    ///
    /// # Errors
    /// When the store could not be closed cleanly; nothing acknowledged is lost by that.
    pub async fn shutdown(&self, within: Duration) -> Result<(), raft_store::Fault> {
        self.store.shutdown(within).await
    }
}

impl From<ProposeError> for Unavailable {
    fn from(error: ProposeError) -> Self {
        let (not_executed, overloaded) = match &error {
            ProposeError::NotExecuted { reason } => match reason {
                NotExecuted::QueueFull => (true, true),
                NotExecuted::NoLeader | NotExecuted::ShuttingDown | NotExecuted::Clock | NotExecuted::TooLarge => {
                    (true, false)
                }
            },
            ProposeError::Unknown { .. } => (false, false),
        };
        Self {
            not_executed,
            overloaded,
            reason: error.to_string(),
        }
    }
}

fn hex(id: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reached_no_log_is_called_not_executed() {
        for reason in [
            NotExecuted::NoLeader,
            NotExecuted::QueueFull,
            NotExecuted::ShuttingDown,
            NotExecuted::Clock,
            NotExecuted::TooLarge,
        ] {
            let seen = Unavailable::from(ProposeError::NotExecuted { reason });
            assert!(seen.not_executed, "{reason}");
            assert_eq!(seen.overloaded, reason == NotExecuted::QueueFull);
        }
        let unknown = Unavailable::from(ProposeError::Unknown {
            reason: "the leader went away".into(),
        });
        assert!(!unknown.not_executed);
        assert!(unknown.reason.contains("the leader went away"));
    }
}
