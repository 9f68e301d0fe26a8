//! Which node sits in which slot. A node keeps its slot and its history for as long as its name and address stay in the
//! configuration; a slot is given to another node only when no other is free.

use std::sync::Arc;

use super::Probing;
use super::node::Node;
use crate::config::{Config, NodeConfig};
use crate::limits::NODES_MAX;
use crate::link::{Kept, Link};
use crate::peer::template;

/// Nodes by slot, and their order in the configuration.
#[derive(Default)]
pub(super) struct Roster {
    slots: Vec<Option<Arc<Node>>>,
    order: Vec<usize>,
}

impl Roster {
    /// All nodes in the order of the configuration.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.order.iter().filter_map(|slot| self.node(*slot))
    }

    /// The node in a slot.
    pub(super) fn node(&self, slot: usize) -> Option<&Arc<Node>> {
        self.slots.get(slot).and_then(Option::as_ref)
    }

    /// The roster for another configuration. Nodes that stay are the same objects, on their new way.
    pub(super) fn successor(&self, config: &Config, probing: &Probing) -> Self {
        let way = |node: &NodeConfig, kept: &Arc<Kept>| {
            kept.trust(probing.trust_generation);
            let link = Link {
                address: node.address,
                certificate_name: node.certificate_name(),
                tls: probing.tls.clone(),
                trust_generation: probing.trust_generation,
                limit: config.timeouts.connect,
                kept: Arc::clone(kept),
            };
            template(link, &config.timeouts)
        };
        let mut slots: Vec<Option<Arc<Node>>> = vec![None; NODES_MAX];
        let kept = |wanted: &NodeConfig| {
            let is_same = |node: &&Arc<Node>| node.config.name == wanted.name && node.config.address == wanted.address;
            self.iter().find(is_same).cloned()
        };
        for wanted in &config.nodes {
            if let Some(node) = kept(wanted) {
                node.go_by(way(wanted, &node.kept));
                let slot = node.slot;
                slots[slot] = Some(node);
            }
        }
        let mut order = Vec::with_capacity(config.nodes.len());
        for wanted in &config.nodes {
            if let Some(node) = kept(wanted) {
                order.push(node.slot);
                continue;
            }
            let is_free = |slot: &usize| slots[*slot].is_none();
            let is_unused = |slot: &usize| slots[*slot].is_none() && self.node(*slot).is_none();
            let slot = (0..NODES_MAX).find(is_unused).or_else(|| (0..NODES_MAX).find(is_free));
            if let Some(slot) = slot {
                let kept = Arc::new(Kept::default());
                let way = way(wanted, &kept);
                slots[slot] = Some(Arc::new(Node::new(wanted, slot, kept, way)));
                order.push(slot);
            }
        }
        Self { slots, order }
    }
}
