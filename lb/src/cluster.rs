//! The nodes as they are now: health, load and the view that requests are routed by.
//!
//! Reading the view takes no lock. It sends nothing itself: probes and the proxy report here what they saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use auth_api::status::NodeStatus;
use parking_lot::Mutex;
use pingora::upstreams::peer::HttpPeer;
use tokio::sync::{Notify, watch};

use crate::clock;
use crate::config::{Config, NodeConfig};
use crate::limits::HELD_REQUESTS_MAX;
use crate::peer::{Trust, group_of, template};
use crate::pool::health::{Health, ProbeFailure, Reach, Report, Standing};
use crate::pool::{NodeSet, Pick, View, pick};

/// One node.
pub struct Node {
    /// Name and address.
    pub config: NodeConfig,
    /// Wakes the probe before its time.
    pub kick: Notify,
    peer: HttpPeer,
    group: AtomicU64,
    in_flight: AtomicU32,
    has_errors: AtomicBool,
    answered_since_probe: AtomicBool,
    health: Mutex<Health>,
    status: ArcSwapOption<NodeStatus>,
}

impl Node {
    fn new(config: &NodeConfig, peer: HttpPeer) -> Self {
        Self {
            config: config.clone(),
            kick: Notify::new(),
            peer,
            group: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            has_errors: AtomicBool::new(false),
            answered_since_probe: AtomicBool::new(false),
            health: Mutex::new(Health::default()),
            status: ArcSwapOption::empty(),
        }
    }

    /// A peer for one attempt.
    pub fn peer(&self) -> Box<HttpPeer> {
        let mut peer = Box::new(self.peer.clone());
        peer.group_key = self.group.load(Ordering::Relaxed);
        peer
    }

    /// Requests being worked on for us.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// What the node last said about itself.
    pub fn status(&self) -> Option<Arc<NodeStatus>> {
        self.status.load_full()
    }

    /// Whether it can be reached, and how it may be used.
    pub fn standing(&self) -> (Reach, Standing) {
        let health = self.health.lock();
        (health.reach(), health.standing(clock::now_ms()))
    }
}

/// All nodes.
pub struct Cluster {
    nodes: Vec<Node>,
    ready: AtomicU64,
    suspect: AtomicU64,
    ejected: AtomicU64,
    probed: AtomicU64,
    held: AtomicU32,
    publishing: Mutex<()>,
    changes: watch::Sender<u64>,
}

impl Cluster {
    /// The configured nodes, none of them known yet.
    pub fn new(config: &Config) -> Self {
        let trust = Trust::new(&config.backend);
        let node = |node| Node::new(node, template(node, &trust, &config.timeouts));
        Self {
            nodes: config.nodes.iter().map(node).collect(),
            ready: AtomicU64::new(0),
            suspect: AtomicU64::new(0),
            ejected: AtomicU64::new(0),
            probed: AtomicU64::new(0),
            held: AtomicU32::new(0),
            publishing: Mutex::new(()),
            changes: watch::Sender::new(0),
        }
    }

    /// All nodes, in the order of the configuration.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The view at this moment.
    pub fn view(&self) -> View {
        View {
            ready: NodeSet::from_bits(self.ready.load(Ordering::Acquire)),
            suspect: NodeSet::from_bits(self.suspect.load(Ordering::Acquire)),
            ejected: NodeSet::from_bits(self.ejected.load(Ordering::Acquire)),
        }
    }

    /// Whether every node was probed at least once.
    pub fn is_probed(&self) -> bool {
        NodeSet::from_bits(self.probed.load(Ordering::Acquire)).len() >= u32::try_from(self.nodes.len()).unwrap_or(0)
    }

    /// A receiver that is told when the view changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Picks a node for a request that was sent to `tried` already; `draw` is 64 fresh random bits.
    pub fn pick(&self, tried: NodeSet, draw: u64) -> Pick {
        pick(
            &self.view(),
            tried,
            |index| self.nodes.get(index).map_or(u32::MAX, Node::in_flight),
            draw,
        )
    }

    /// Counts a request at a node until the lease is dropped.
    pub fn lease(self: &Arc<Self>, index: usize) -> Lease {
        if let Some(node) = self.nodes.get(index) {
            node.in_flight.fetch_add(1, Ordering::Relaxed);
        }
        Lease {
            cluster: Arc::clone(self),
            index,
        }
    }

    /// Counts a request that waits for a usable node until the hold is dropped; none when too many wait already.
    pub fn hold(self: &Arc<Self>) -> Option<Hold> {
        let held = self.held.fetch_add(1, Ordering::Relaxed);
        let hold = Hold(Arc::clone(self));
        (held < HELD_REQUESTS_MAX).then_some(hold)
    }

    /// Requests that wait for a usable node.
    pub fn held(&self) -> u32 {
        self.held.load(Ordering::Relaxed)
    }

    /// A node answered its probe.
    pub fn probe_answered(&self, index: usize, status: NodeStatus) {
        let Some(node) = self.nodes.get(index) else { return };
        node.group.store(group_of(&status.incarnation), Ordering::Relaxed);
        node.answered_since_probe.store(false, Ordering::Relaxed);
        let report = Report {
            ready: status.ready,
            draining: status.draining,
            incarnation: status.incarnation.clone(),
        };
        node.status.store(Some(Arc::new(status)));
        self.observe(index, |health| health.probe_answered(report));
        self.mark_probed(index);
    }

    /// A node did not answer its probe.
    pub fn probe_failed(&self, index: usize, failure: ProbeFailure) {
        let Some(node) = self.nodes.get(index) else { return };
        let answered_since = node.answered_since_probe.swap(false, Ordering::Relaxed);
        self.observe(index, |health| health.probe_failed(failure, answered_since));
        self.mark_probed(index);
    }

    /// A client's request could not be connected: nobody listens at the node's address.
    pub fn refused(&self, index: usize) {
        self.observe(index, Health::refused);
        self.kick(index);
    }

    /// A client's request failed at a node. True when that sets the node aside.
    pub fn request_failed(&self, index: usize) -> bool {
        let Some(node) = self.nodes.get(index) else {
            return false;
        };
        node.has_errors.store(true, Ordering::Relaxed);
        let mut is_ejected = false;
        self.observe(index, |health| is_ejected = health.request_failed(clock::now_ms()));
        if is_ejected {
            tracing::warn!(
                node = node.config.name,
                "node is set aside: too many requests to it failed"
            );
        }
        self.kick(index);
        is_ejected
    }

    /// A client's request was answered by a node.
    pub fn request_answered(&self, index: usize) {
        let Some(node) = self.nodes.get(index) else { return };
        node.answered_since_probe.store(true, Ordering::Relaxed);
        if node.has_errors.load(Ordering::Relaxed) {
            node.has_errors.store(false, Ordering::Relaxed);
            self.observe(index, Health::request_answered);
        }
    }

    fn kick(&self, index: usize) {
        if let Some(node) = self.nodes.get(index) {
            node.kick.notify_one();
        }
    }

    fn mark_probed(&self, index: usize) {
        let mut bit = NodeSet::EMPTY;
        bit.insert(index);
        if self.probed.fetch_or(bit.bits(), Ordering::AcqRel) & bit.bits() == 0 {
            self.changes.send_modify(|version| *version += 1);
        }
    }

    fn observe(&self, index: usize, event: impl FnOnce(&mut Health)) {
        let Some(node) = self.nodes.get(index) else { return };
        let (before, after) = {
            let mut health = node.health.lock();
            let before = health.reach();
            event(&mut health);
            (before, health.reach())
        };
        if before != after {
            tracing::info!(node = node.config.name, from = ?before, to = ?after, "node reach changed");
        }
        self.publish();
    }

    /// Computes the view anew from every node's health, and tells whoever waits when it changed.
    fn publish(&self) {
        let _one_at_a_time = self.publishing.lock();
        let now_ms = clock::now_ms();
        let standings: Vec<Standing> = self
            .nodes
            .iter()
            .map(|node| node.health.lock().standing(now_ms))
            .collect();
        let set_of = |test: fn(&Standing) -> bool| -> NodeSet {
            standings
                .iter()
                .enumerate()
                .filter(|(_, standing)| test(standing))
                .map(|(index, _)| index)
                .collect()
        };
        let before = self.view();
        let after = View {
            ready: set_of(|standing| standing.ready),
            suspect: set_of(|standing| standing.suspect),
            ejected: set_of(|standing| standing.ejected),
        };
        if before == after {
            return;
        }
        self.ready.store(after.ready.bits(), Ordering::Release);
        self.suspect.store(after.suspect.bits(), Ordering::Release);
        self.ejected.store(after.ejected.bits(), Ordering::Release);
        self.changes.send_modify(|version| *version += 1);
        if before.ready != after.ready {
            tracing::info!(ready = after.ready.len(), of = self.nodes.len(), "ready nodes changed");
        }
        if after.ready.is_empty() {
            self.nodes.iter().for_each(|node| node.kick.notify_one());
        }
    }
}

/// A request in flight at a node.
pub struct Lease {
    cluster: Arc<Cluster>,
    index: usize,
}

impl Lease {
    /// The node.
    pub fn node(&self) -> Option<&Node> {
        self.cluster.nodes.get(self.index)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(node) = self.node() {
            node.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A request that waits for a usable node.
pub struct Hold(Arc<Cluster>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use auth_api::status::Role;

    use super::*;
    use crate::config::tests::good_config;

    fn cluster() -> Arc<Cluster> {
        crate::tls::install_provider();
        Arc::new(Cluster::new(&good_config()))
    }

    fn ready(name: &str) -> NodeStatus {
        NodeStatus {
            node_id: 1,
            name: name.into(),
            incarnation: "a".into(),
            cluster_id: "c".into(),
            term: 1,
            role: Role::Follower,
            leader_id: Some(1),
            committed: 1,
            applied: 1,
            last_quorum_ms: None,
            ready: true,
            draining: false,
            in_flight: 0,
            version: "0".into(),
        }
    }

    #[test]
    fn whoever_waits_is_told_when_a_node_becomes_usable() {
        let cluster = cluster();
        assert_eq!(cluster.pick(NodeSet::EMPTY, 0), Pick::NoneUsable);
        let changes = cluster.changes();
        cluster.probe_answered(1, ready("node-2"));
        assert!(changes.has_changed().expect("the cluster lives"));
        assert_eq!(cluster.pick(NodeSet::EMPTY, 0), Pick::Node(1));
        assert!(!cluster.is_probed());
        cluster.probe_failed(0, ProbeFailure::Refused);
        assert!(cluster.is_probed());
        cluster.refused(1);
        assert_eq!(cluster.pick(NodeSet::EMPTY, 0), Pick::NoneUsable);
    }

    #[test]
    fn a_lease_counts_until_it_is_dropped() {
        let cluster = cluster();
        cluster.probe_answered(0, ready("node-1"));
        cluster.probe_answered(1, ready("node-2"));
        let lease = cluster.lease(0);
        assert_eq!(cluster.nodes()[0].in_flight(), 1);
        for draw in [0, u64::MAX, 0xffff_ffff] {
            assert_eq!(cluster.pick(NodeSet::EMPTY, draw), Pick::Node(1));
        }
        drop(lease);
        assert_eq!(cluster.nodes()[0].in_flight(), 0);
    }

    #[test]
    fn only_so_many_requests_may_wait() {
        let cluster = cluster();
        let held: Vec<Hold> = std::iter::from_fn(|| cluster.hold()).collect();
        assert_eq!(held.len(), usize::try_from(HELD_REQUESTS_MAX).expect("small"));
        drop(held);
        assert_eq!(cluster.held(), 0);
        assert!(cluster.hold().is_some());
    }
}
