//! The nodes as they are now: health, load and the view that requests are routed by.
//!
//! Reading the view takes no lock. It sends nothing itself: probes and the proxy report here what they saw.

mod choice;
mod lease;
mod node;
mod roster;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use auth_api::status::{NodeStatus, Role};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

pub use lease::{Hold, Lease};
pub use node::Node;
use roster::Roster;

use crate::clock;
use crate::config::{Config, Probe};
use crate::limits::{HELD_REQUESTS_MAX, RAMP_MS};
use crate::pool::health::{Health, ProbeFailure, Report, Standing};
use crate::pool::latency::mean_after;
use crate::pool::{NodeSet, View, may_eject};
use crate::proxy::route::RouteClass;
use crate::tls;

/// How nodes are probed. Replaced as a whole when the configuration changes.
pub struct Probing {
    /// When.
    pub timing: Probe,
    /// With which certificate, believing whom.
    pub tls: TlsConnector,
    /// Counts changes of certificates and authorities.
    pub trust_generation: u64,
}

/// Why a node cannot be taken out or put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrainRefusal {
    /// No such node.
    #[error("there is no node of this name; see tfauth-lb status")]
    Unknown,
    /// It is the only one that works.
    #[error("no other node is ready: users would get errors. Use --force if that is meant")]
    LastReady,
}

/// All nodes.
pub struct Cluster {
    roster: ArcSwap<Roster>,
    probing: ArcSwap<Probing>,
    node_in_flight_max: AtomicU32,
    ready: AtomicU64,
    suspect: AtomicU64,
    ejected: AtomicU64,
    ramping: AtomicU64,
    probed: AtomicU64,
    was_probed: AtomicBool,
    held: AtomicU32,
    mean_us: [AtomicU64; RouteClass::ALL.len()],
    publishing: Mutex<()>,
    changes: watch::Sender<u64>,
}

impl Cluster {
    /// The configured nodes, none of them known yet.
    ///
    /// # Errors
    /// What rustls does not like about our certificate for the nodes.
    pub fn new(config: &Config) -> Result<Self, rustls::Error> {
        let probing = Probing::new(config, 0)?;
        Ok(Self {
            roster: ArcSwap::from_pointee(Roster::default().successor(config, &probing)),
            probing: ArcSwap::from_pointee(probing),
            node_in_flight_max: AtomicU32::new(config.limits.node_in_flight),
            ready: AtomicU64::new(0),
            suspect: AtomicU64::new(0),
            ejected: AtomicU64::new(0),
            ramping: AtomicU64::new(0),
            probed: AtomicU64::new(0),
            was_probed: AtomicBool::new(false),
            held: AtomicU32::new(0),
            mean_us: std::array::from_fn(|_| AtomicU64::new(0)),
            publishing: Mutex::new(()),
            changes: watch::Sender::new(0),
        })
    }

    /// Goes by another configuration. Nodes that stay keep what is known of them; hands back those that are new and must
    /// be probed. `is_trust_new` tells that certificates or authorities changed.
    ///
    /// # Errors
    /// What rustls does not like about our certificate for the nodes; nothing was changed then.
    pub fn reconfigure(&self, config: &Config, is_trust_new: bool) -> Result<Vec<Arc<Node>>, rustls::Error> {
        let generation = self.probing.load().trust_generation + u64::from(is_trust_new);
        let probing = Probing::new(config, generation)?;
        let added = {
            let _one_at_a_time = self.publishing.lock();
            self.node_in_flight_max
                .store(config.limits.node_in_flight, Ordering::Relaxed);
            let before = self.roster.load_full();
            let after = before.successor(config, &probing);
            self.probing.store(Arc::new(probing));
            let is_in = |roster: &Roster, node: &Arc<Node>| roster.iter().any(|other| Arc::ptr_eq(other, node));
            let added: Vec<_> = after.iter().filter(|node| !is_in(&before, node)).cloned().collect();
            let removed: Vec<_> = before.iter().filter(|node| !is_in(&after, node)).cloned().collect();
            self.roster.store(Arc::new(after));
            let mut fresh = NodeSet::EMPTY;
            for node in removed.iter().chain(&added) {
                fresh.insert(node.slot);
            }
            self.probed.fetch_and(!fresh.bits(), Ordering::AcqRel);
            removed.iter().for_each(|node| node.retire());
            added
        };
        if is_trust_new {
            // Who is no longer trusted is found out now, and not only when a request goes there.
            self.nodes().iter().for_each(|node| node.kick.notify_one());
        }
        self.publish();
        Ok(added)
    }

    /// All nodes, in the order of the configuration.
    pub fn nodes(&self) -> Vec<Arc<Node>> {
        self.roster.load().iter().cloned().collect()
    }

    /// The node in a slot.
    pub fn node(&self, slot: usize) -> Option<Arc<Node>> {
        self.roster.load().node(slot).cloned()
    }

    /// How nodes are probed.
    pub fn probing(&self) -> Arc<Probing> {
        self.probing.load_full()
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
        let probed = NodeSet::from_bits(self.probed.load(Ordering::Acquire));
        self.roster.load().iter().all(|node| probed.contains(node.slot))
    }

    /// The leader: of those that say they are, the one with the highest term.
    pub fn leader(&self) -> Option<Arc<Node>> {
        let term_of = |node: &Arc<Node>| {
            let status = node.status()?;
            (status.role == Role::Leader && node.health.lock().reach().is_reachable()).then_some(status.term)
        };
        let nodes = self.nodes();
        nodes
            .into_iter()
            .filter_map(|node| term_of(&node).map(|term| (term, node)))
            .max_by_key(|(term, _)| *term)
            .map(|(_, node)| node)
    }

    /// A receiver that is told when the view changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Counts a request that waits for a usable node until the hold is dropped; none when too many wait already.
    pub fn hold(self: &Arc<Self>) -> Option<Hold> {
        let held = self.held.fetch_add(1, Ordering::Relaxed);
        let hold = Hold::new(Arc::clone(self));
        (held < HELD_REQUESTS_MAX).then_some(hold)
    }

    /// Requests that wait for a usable node.
    pub fn held(&self) -> u32 {
        self.held.load(Ordering::Relaxed)
    }

    /// Takes a node out for an operator, or puts it back. What it is working on goes on.
    ///
    /// # Errors
    /// There is no such node, or no other one is ready and nothing forces it.
    pub fn set_drained(&self, name: &str, is_drained: bool, is_forced: bool) -> Result<(), DrainRefusal> {
        let nodes = self.nodes();
        let node = nodes
            .iter()
            .find(|node| node.config.name == name)
            .ok_or(DrainRefusal::Unknown)?;
        {
            let _one_at_a_time = self.publishing.lock();
            let others = self.view().ready.minus([node.slot].into_iter().collect());
            if is_drained && others.is_empty() && !is_forced {
                return Err(DrainRefusal::LastReady);
            }
            node.set_drained(is_drained);
        }
        tracing::info!(node = name, is_drained, "an operator decided about a node");
        self.publish();
        Ok(())
    }

    /// A node answered its probe.
    pub fn probe_answered(&self, node: &Node, status: NodeStatus) {
        node.answered_since_probe.store(false, Ordering::Relaxed);
        let report = Report {
            ready: status.ready,
            draining: status.draining,
            incarnation: status.incarnation.clone(),
        };
        node.kept.meet(&status.incarnation);
        node.kept.tidy();
        node.status.store(Some(Arc::new(status)));
        self.observe(node, |health| health.probe_answered(report));
        self.mark_probed(node);
    }

    /// A node did not answer its probe.
    pub fn probe_failed(&self, node: &Node, failure: ProbeFailure) {
        let answered_since = node.answered_since_probe.swap(false, Ordering::Relaxed);
        node.kept.tidy();
        self.observe(node, |health| health.probe_failed(failure, answered_since));
        self.mark_probed(node);
    }

    /// A client's request could not be connected: nobody listens at the node's address.
    pub fn refused(&self, node: &Node) {
        self.observe(node, Health::refused);
        node.kick.notify_one();
    }

    /// A node did not execute a client's request and said so: it may be about to stop, which its next probe tells.
    pub fn not_executed(&self, node: &Node) {
        node.kick.notify_one();
    }

    /// A client's request failed at a node. True when that sets the node aside.
    pub fn request_failed(&self, node: &Node) -> bool {
        node.has_errors.store(true, Ordering::Relaxed);
        let is_ejected = {
            let _one_at_a_time = self.publishing.lock();
            let of = u32::try_from(self.roster.load().iter().count()).unwrap_or(u32::MAX);
            let may_eject = may_eject(&self.view(), node.slot, of);
            let is_ejected = node.health.lock().request_failed(clock::now_ms(), may_eject);
            self.publish_locked();
            is_ejected
        };
        if is_ejected {
            tracing::warn!(
                node = node.config.name,
                "node is set aside: too many requests to it failed"
            );
        }
        node.kick.notify_one();
        is_ejected
    }

    /// A client's request was answered by a node, after `took`.
    pub fn request_answered(&self, node: &Node, route: RouteClass, took: Duration) {
        node.answered_since_probe.store(true, Ordering::Relaxed);
        if let Some(mean) = self.mean_us.get(route.index()) {
            let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            let mean_us = mean_after(mean.load(Ordering::Relaxed), took_us);
            mean.store(mean_us, Ordering::Relaxed);
            let slowness = node.slowness().after(took_us, mean_us, clock::now_ms());
            node.slowness.store(slowness.bits(), Ordering::Relaxed);
        }
        if node.has_errors.load(Ordering::Relaxed) {
            node.has_errors.store(false, Ordering::Relaxed);
            self.observe(node, Health::request_answered);
        }
    }

    fn mark_probed(&self, node: &Node) {
        let bit: NodeSet = [node.slot].into_iter().collect();
        if !node.is_retired() && self.probed.fetch_or(bit.bits(), Ordering::AcqRel) & bit.bits() == 0 {
            if self.is_probed() {
                self.was_probed.store(true, Ordering::Release);
            }
            self.changes.send_modify(|version| *version += 1);
        }
    }

    fn observe(&self, node: &Node, event: impl FnOnce(&mut Health)) {
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

    fn publish(&self) {
        let _one_at_a_time = self.publishing.lock();
        self.publish_locked();
    }

    /// Computes the view anew from every node's health, and tells whoever waits when it changed.
    fn publish_locked(&self) {
        let roster = self.roster.load();
        let standings: Vec<(usize, Standing)> = roster.iter().map(|node| (node.slot, node.standing().1)).collect();
        let set_of = |test: fn(&Standing) -> bool| -> NodeSet {
            standings
                .iter()
                .filter(|(_, standing)| test(standing))
                .map(|(slot, _)| *slot)
                .collect()
        };
        let before = self.view();
        let after = View {
            ready: set_of(|standing| standing.ready),
            suspect: set_of(|standing| standing.suspect),
            ejected: set_of(|standing| standing.ejected),
        };
        self.ramp(&roster, after.ready.minus(before.ready));
        if before == after {
            return;
        }
        self.ready.store(after.ready.bits(), Ordering::Release);
        self.suspect.store(after.suspect.bits(), Ordering::Release);
        self.ejected.store(after.ejected.bits(), Ordering::Release);
        self.changes.send_modify(|version| *version += 1);
        if before.ready != after.ready {
            tracing::info!(ready = after.ready.len(), of = standings.len(), "ready nodes changed");
        }
        if after.ready.is_empty() {
            roster.iter().for_each(|node| node.kick.notify_one());
        }
    }

    /// Nodes that became ready start with a small share. Not those that were so when this process started: they were at
    /// work all the time.
    fn ramp(&self, roster: &Roster, became_ready: NodeSet) {
        let now_ms = clock::now_ms();
        let mut ramping = NodeSet::from_bits(self.ramping.load(Ordering::Acquire));
        for node in roster.iter() {
            if became_ready.contains(node.slot) && self.was_probed.load(Ordering::Acquire) {
                node.ready_since_ms.store(now_ms, Ordering::Relaxed);
                ramping.insert(node.slot);
            } else if now_ms.saturating_sub(node.ready_since_ms.load(Ordering::Relaxed)) >= RAMP_MS {
                ramping = ramping.minus([node.slot].into_iter().collect());
            }
        }
        self.ramping.store(ramping.bits(), Ordering::Release);
    }
}

impl Probing {
    fn new(config: &Config, trust_generation: u64) -> Result<Self, rustls::Error> {
        Ok(Self {
            timing: config.probe,
            tls: tls::connector(&config.backend)?,
            trust_generation,
        })
    }
}

#[cfg(test)]
mod tests;
