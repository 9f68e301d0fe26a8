//! A node for a request: picked by what is known at this moment, and the request counted there in the same step.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Cluster;
use super::lease::Lease;
use super::node::Node;
use crate::clock;
use crate::limits::NODES_MAX;
use crate::pool::{Limits, NodeSet, Pick, pick, ramp};

impl Cluster {
    /// Picks a node for a request that was sent to `tried` already; `draw` is 64 fresh random bits.
    pub fn pick(&self, tried: NodeSet, draw: u64) -> Pick {
        let roster = self.roster.load();
        let (view, now_ms) = (self.view(), clock::now_ms());
        let full_at = self.node_in_flight_max.load(Ordering::Relaxed);
        let full = roster.iter().filter(|node| node.in_flight() >= full_at);
        let ramping = NodeSet::from_bits(self.ramping.load(Ordering::Acquire));
        let sits_out = |node: &&Arc<Node>| {
            let age_ms = now_ms.saturating_sub(node.ready_since_ms.load(Ordering::Relaxed));
            ramping.contains(node.slot) && !ramp::takes_part(age_ms, ramp::draw_for(node.slot, draw))
        };
        let limits = Limits {
            tried,
            full: full.map(|node| node.slot).collect(),
            shy: if ramping.is_empty() {
                NodeSet::EMPTY
            } else {
                roster.iter().filter(sits_out).map(|node| node.slot).collect()
            },
        };
        let load = |slot| roster.node(slot).map_or(u64::MAX, |node| node.load(now_ms));
        pick(&view, limits, load, draw)
    }

    /// Picks a node and counts the request there until the lease is dropped.
    ///
    /// # Errors
    /// Why there is none; never `Pick::Node`.
    pub fn take(&self, tried: NodeSet, draw: u64) -> Result<Lease, Pick> {
        // Another request may take the last place, or the node may be removed, in between: look again, as often as there
        // are nodes.
        for _ in 0..NODES_MAX {
            match self.pick(tried, draw) {
                Pick::Node(slot) => {
                    let most = self.node_in_flight_max.load(Ordering::Relaxed);
                    let node = self.roster.load().node(slot).cloned();
                    if let Some(lease) = node.and_then(|node| Lease::take(node, most)) {
                        return Ok(lease);
                    }
                }
                none @ (Pick::AllTried | Pick::AllFull | Pick::NoneUsable) => return Err(none),
            }
        }
        Err(Pick::AllFull)
    }
}
