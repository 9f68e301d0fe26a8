//! Guards that count: requests at a node, and requests that wait for one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Cluster, Node};

/// A request in flight at a node.
pub struct Lease(Arc<Node>);

impl Lease {
    pub(super) fn new(node: Arc<Node>) -> Self {
        node.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(node)
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
