//! Guards that count: requests at a node, and requests that wait for one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Cluster, Node};

/// A request in flight at a node.
pub struct Lease(Arc<Node>);

impl Lease {
    /// Counts one more request at the node, unless it has `most` already: counting and looking are one step, so that two
    /// requests cannot both take the last place.
    pub(super) fn take(node: Arc<Node>, most: u32) -> Option<Self> {
        let before = node.in_flight.fetch_add(1, Ordering::Relaxed);
        let lease = Self(node);
        (before < most).then_some(lease)
    }

    /// The node.
    pub fn node(&self) -> &Arc<Node> {
        &self.0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that waits for a usable node. It was counted already.
pub struct Hold(Arc<Cluster>);

impl Hold {
    pub(super) fn new(cluster: Arc<Cluster>) -> Self {
        Self(cluster)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}
