//! Whether this node may be sent requests, and if not why, in words. Asked by load balancers and operators.

use crate::clock;
use crate::limits::{CLOCK_BEHIND_SECONDS_MAX, LAG_ENTRIES_MAX, QUORUM_SILENCE_MAX};
use crate::replication::Replication;
use auth_api::status::{NodeStatus, Role};
use auth_core::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The node's health. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    inner: Arc<Inner>,
}

struct Inner {
    replication: Replication,
    signing_ready: Box<dyn Fn() -> bool + Send + Sync>,
    draining: AtomicBool,
    in_flight: AtomicU64,
}

/// Counts a request while it is worked on.
pub struct InFlight(Arc<Inner>);

/// What readiness depends on, at one moment.
#[derive(Clone, Debug)]
struct Facts {
    status: NodeStatus,
    quorum_silence: Option<Duration>,
    removal: Option<String>,
    clock_ahead_ms: Option<i64>,
    log_clock: Option<Timestamp>,
    now: Timestamp,
    signing_ready: bool,
}

impl Health {
    /// A node that takes requests as soon as nothing is in the way. `signing_ready` tells whether tokens can be signed.
    pub fn new(replication: Replication, signing_ready: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            inner: Arc::new(Inner {
                replication,
                signing_ready: Box::new(signing_ready),
                draining: AtomicBool::new(false),
                in_flight: AtomicU64::new(0),
            }),
        }
    }

    /// From now on nothing new is taken.
    pub fn start_draining(&self) {
        self.inner.draining.store(true, Ordering::SeqCst);
    }

    /// Whether nothing new is taken.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.inner.draining.load(Ordering::SeqCst)
    }

    /// Counts a request until the guard is dropped.
    #[must_use]
    pub fn enter(&self) -> InFlight {
        self.inner.in_flight.fetch_add(1, Ordering::SeqCst);
        InFlight(Arc::clone(&self.inner))
    }

    /// Requests being worked on.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.inner.in_flight.load(Ordering::SeqCst)
    }

    /// What the node says about itself.
    #[must_use]
    pub fn status(&self) -> NodeStatus {
        let facts = self.facts();
        let ready = reasons(&facts).is_empty();
        NodeStatus { ready, ..facts.status }
    }

    /// Why the node is not ready; empty when it is.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        reasons(&self.facts())
    }

    fn facts(&self) -> Facts {
        let inner = &self.inner;
        let status = NodeStatus {
            draining: self.is_draining(),
            in_flight: self.in_flight(),
            ..inner.replication.status()
        };
        Facts {
            status,
            quorum_silence: inner.replication.quorum_silence(),
            removal: inner.replication.store().removal(),
            clock_ahead_ms: inner.replication.store().clock_ahead_ms(),
            log_clock: inner.replication.log_clock().ok(),
            now: clock::now(),
            signing_ready: (inner.signing_ready)(),
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

fn reasons(facts: &Facts) -> Vec<String> {
    let status = &facts.status;
    let mut reasons = Vec::new();
    if status.draining {
        reasons.push("draining: this node is about to stop".into());
    }
    if let Some(removal) = &facts.removal {
        reasons.push(format!("removed: {removal}"));
    }
    if status.role == Role::Down {
        reasons.push("consensus has stopped on this node".into());
    } else if let Some(silence) = too_silent(facts.quorum_silence) {
        match status.leader_id {
            None => reasons.push(format!("no leader: no leader of the cluster is known, and {silence}")),
            Some(leader) => {
                reasons.push(format!("no quorum: node {leader} was the leader, but {silence}"));
            }
        }
    }
    let lag = status.committed.saturating_sub(status.applied);
    if lag > LAG_ENTRIES_MAX {
        reasons.push(format!(
            "lagging: {lag} entries are committed and not applied here, allowed are {LAG_ENTRIES_MAX}"
        ));
    }
    if let Some(reason) = clock_off(facts.clock_ahead_ms) {
        reasons.push(reason);
    }
    match facts.log_clock {
        None => reasons.push("tables: the replicated tables cannot be read".into()),
        Some(log) => {
            let behind = facts.now.seconds_until(log);
            if behind > CLOCK_BEHIND_SECONDS_MAX {
                reasons.push(format!(
                    "clock: this machine's clock is {behind} s behind the log's, allowed are {CLOCK_BEHIND_SECONDS_MAX}; \
                     synchronise it"
                ));
            }
        }
    }
    if !facts.signing_ready {
        reasons.push("signing key: the cluster has no signing key yet".into());
    }
    reasons
}

/// A clock that differs from those of a quorum must not stamp entries: the store proposes none of this node then.
fn clock_off(ahead_ms: Option<i64>) -> Option<String> {
    let Some(ahead_ms) = ahead_ms else {
        return Some("clock: this machine's clock was not compared with those of a quorum yet".into());
    };
    let allowed = raft_store::CLOCK_OFFSET_MAX;
    if u128::from(ahead_ms.unsigned_abs()) <= allowed.as_millis() {
        return None;
    }
    let direction = if ahead_ms > 0 { "ahead of" } else { "behind" };
    Some(format!(
        "clock: this machine's clock is {} s {direction} those of a quorum, allowed are {}; synchronise it",
        ahead_ms.unsigned_abs() / 1000,
        allowed.as_secs()
    ))
}

/// A leader that is missing for as long as an election takes is no reason: requests wait for the next one.
fn too_silent(quorum_silence: Option<Duration>) -> Option<String> {
    match quorum_silence {
        None => Some("no quorum has answered this node yet".into()),
        Some(silence) if silence > QUORUM_SILENCE_MAX => Some(format!(
            "no quorum has answered this node for {} ms",
            silence.as_millis()
        )),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Facts {
        Facts {
            status: NodeStatus {
                node_id: 1,
                name: "node-1".into(),
                incarnation: String::new(),
                cluster_id: String::new(),
                term: 1,
                role: Role::Follower,
                leader_id: Some(2),
                committed: 2000,
                applied: 1000,
                last_quorum_ms: None,
                ready: false,
                draining: false,
                in_flight: 0,
                version: String::new(),
            },
            quorum_silence: Some(QUORUM_SILENCE_MAX),
            removal: None,
            clock_ahead_ms: Some(5_000),
            log_clock: Some(Timestamp::from_seconds(1000)),
            now: Timestamp::from_seconds(995),
            signing_ready: true,
        }
    }

    fn only_reason(spoil: impl FnOnce(&mut Facts)) -> String {
        let mut facts = good();
        spoil(&mut facts);
        let reasons = reasons(&facts);
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        reasons.into_iter().next().unwrap()
    }

    #[test]
    fn a_node_at_the_edge_of_every_bound_is_ready() {
        assert_eq!(reasons(&good()), Vec::<String>::new());
    }

    #[test]
    fn each_reason_is_told_in_words() {
        assert!(only_reason(|facts| facts.status.applied = 999).starts_with("lagging: 1001"));
        assert!(only_reason(|facts| facts.status.draining = true).starts_with("draining"));
        assert!(only_reason(|facts| facts.status.role = Role::Down).starts_with("consensus"));
        let removal = |facts: &mut Facts| facts.removal = Some("node id 3 was removed".into());
        assert!(only_reason(removal).starts_with("removed: node id 3"));
        assert!(only_reason(|facts| facts.log_clock = None).starts_with("tables"));
        assert!(only_reason(|facts| facts.signing_ready = false).starts_with("signing key"));
        let cut_off = |facts: &mut Facts| facts.quorum_silence = Some(QUORUM_SILENCE_MAX + Duration::from_millis(1));
        assert!(only_reason(cut_off).starts_with("no quorum: node 2 was the leader"));
        let leaderless = |facts: &mut Facts| {
            facts.status.leader_id = None;
            facts.quorum_silence = None;
        };
        assert!(only_reason(leaderless).starts_with("no leader"));
    }

    #[test]
    fn an_election_is_waited_out() {
        let mut facts = good();
        facts.status.leader_id = None;
        facts.quorum_silence = Some(Duration::from_millis(1200));
        assert!(reasons(&facts).is_empty(), "requests wait here for the next leader");
    }

    #[test]
    fn otp_5_a_clock_off_a_quorum_makes_a_node_unready() {
        let ahead = only_reason(|facts| facts.clock_ahead_ms = Some(120_000));
        assert!(
            ahead.starts_with("clock: this machine's clock is 120 s ahead of"),
            "{ahead}"
        );
        let behind = only_reason(|facts| facts.clock_ahead_ms = Some(-6_000));
        assert!(behind.contains("6 s behind"), "{behind}");
        assert!(only_reason(|facts| facts.clock_ahead_ms = None).starts_with("clock: "));
    }

    #[test]
    fn otp_5_a_clock_behind_the_log_makes_a_node_unready() {
        let reason = only_reason(|facts| facts.now = Timestamp::from_seconds(880));
        assert!(
            reason.starts_with("clock: this machine's clock is 120 s behind"),
            "{reason}"
        );
    }
}
