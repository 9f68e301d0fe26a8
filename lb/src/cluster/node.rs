//! One node as it is now. It keeps what was observed; `Cluster` decides what that means for the view.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use auth_api::status::NodeStatus;
use parking_lot::Mutex;
use pingora::upstreams::peer::HttpPeer;
use tokio::sync::Notify;

use crate::clock;
use crate::config::NodeConfig;
use crate::link::Kept;
use crate::pool::health::{Health, Reach, Standing};
use crate::pool::latency::{Slowness, load};

/// One node.
pub struct Node {
    /// Name and address.
    pub config: NodeConfig,
    /// Its place in every set of nodes.
    pub slot: usize,
    /// Wakes the probe before its time.
    pub kick: Notify,
    pub(super) health: Mutex<Health>,
    pub(super) status: ArcSwapOption<NodeStatus>,
    pub(super) in_flight: AtomicU32,
    pub(super) has_errors: AtomicBool,
    pub(super) answered_since_probe: AtomicBool,
    pub(super) ready_since_ms: AtomicU64,
    pub(super) slowness: AtomicU64,
    is_drained: AtomicBool,
    is_retired: AtomicBool,
    /// Connections that nobody uses now.
    pub(super) kept: Arc<Kept>,
    /// How requests get there.
    way: ArcSwap<HttpPeer>,
}

impl Node {
    pub(super) fn new(config: &NodeConfig, slot: usize, kept: Arc<Kept>, way: HttpPeer) -> Self {
        Self {
            config: config.clone(),
            slot,
            kick: Notify::new(),
            health: Mutex::new(Health::default()),
            status: ArcSwapOption::empty(),
            in_flight: AtomicU32::new(0),
            has_errors: AtomicBool::new(false),
            answered_since_probe: AtomicBool::new(false),
            ready_since_ms: AtomicU64::new(0),
            slowness: AtomicU64::new(Slowness::UNKNOWN.bits()),
            is_drained: AtomicBool::new(false),
            is_retired: AtomicBool::new(false),
            kept,
            way: ArcSwap::from_pointee(way),
        }
    }

    /// A peer for one attempt.
    pub fn peer(&self) -> Box<HttpPeer> {
        Box::new(HttpPeer::clone(&self.way.load()))
    }

    pub(super) fn go_by(&self, way: HttpPeer) {
        self.way.store(Arc::new(way));
    }

    /// Requests being worked on for us.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How slow it is, compared with the others.
    pub fn slowness(&self) -> Slowness {
        Slowness::from_bits(self.slowness.load(Ordering::Relaxed))
    }

    pub(super) fn load(&self, now_ms: u64) -> u64 {
        load(self.in_flight(), self.slowness(), now_ms)
    }

    /// What the node last said about itself.
    pub fn status(&self) -> Option<Arc<NodeStatus>> {
        self.status.load_full()
    }

    /// Whether an operator took it out.
    pub fn is_drained(&self) -> bool {
        self.is_drained.load(Ordering::Relaxed)
    }

    pub(super) fn set_drained(&self, is_drained: bool) {
        self.is_drained.store(is_drained, Ordering::Relaxed);
    }

    /// Whether it is no longer in the configuration.
    pub fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Acquire)
    }

    pub(super) fn retire(&self) {
        self.is_retired.store(true, Ordering::Release);
        self.kick.notify_one();
    }

    /// Whether it can be reached, and how it may be used.
    pub fn standing(&self) -> (Reach, Standing) {
        let (reach, standing) = {
            let health = self.health.lock();
            (health.reach(), health.standing(clock::now_ms()))
        };
        let may_be_used = !self.is_drained();
        let standing = Standing {
            ready: standing.ready && may_be_used,
            suspect: standing.suspect && may_be_used,
            ejected: standing.ejected,
        };
        (reach, standing)
    }
}
