//! Which node gets a request: two random choices among the usable ones, the less loaded wins.
//!
//! Pure: health, load, time and randomness are arguments. It knows no addresses and no connections.

pub mod budget;
pub mod health;
pub mod latency;
pub mod ramp;
pub mod set;

pub use set::NodeSet;

/// What is known of the nodes at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Answer their probes, are ready and are not draining.
    pub ready: NodeSet,
    /// Were ready when last heard, but leave probes unanswered: too busy or cut off. A last resort.
    pub suspect: NodeSet,
    /// Set aside for a while because requests to them failed.
    pub ejected: NodeSet,
}

/// What narrows the choice for one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Nodes that the request was sent to already.
    pub tried: NodeSet,
    /// Nodes that have as many requests as they may have.
    pub full: NodeSet,
    /// Nodes that became ready a moment ago and sit this request out.
    pub shy: NodeSet,
}

/// The outcome of a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// This node, by its index.
    Node(usize),
    /// There are usable nodes, and this request was sent to every one of them.
    AllTried,
    /// The usable nodes that the request was not sent to have all that they may have.
    AllFull,
    /// There is no usable node.
    NoneUsable,
}

/// Picks a node for a request. `load` tells how much a node has to do; `draw` is 64 fresh random bits.
pub fn pick(view: &View, limits: Limits, load: impl Fn(usize) -> u64, draw: u64) -> Pick {
    let preferred = view.preferred();
    let tiers = [preferred.minus(limits.shy), preferred, view.ready, view.suspect];
    for tier in tiers {
        let open = tier.minus(limits.tried).minus(limits.full);
        if let Some(node) = less_loaded_of_two(open, &load, draw) {
            return Pick::Node(node);
        }
    }
    let usable = view.ready.or(view.suspect);
    if usable.is_empty() {
        Pick::NoneUsable
    } else if usable.minus(limits.tried).is_empty() {
        Pick::AllTried
    } else {
        Pick::AllFull
    }
}

/// Whether a node may be set aside: at least half of all nodes, and at least one, must go on doing the work.
pub fn may_eject(view: &View, node: usize, of: u32) -> bool {
    #[cfg(feature = "mutations")]
    if mutations::on(mutations::Mutation::EjectLast) {
        return true;
    }
    let mut aside = view.ejected;
    aside.insert(node);
    let rest = view.ready.minus(aside).len();
    rest >= of.div_ceil(2).max(1)
}

impl View {
    /// Ready nodes without the ejected ones; ejections are ignored when they would take out more than half, since then
    /// the fault is more likely on this side.
    fn preferred(&self) -> NodeSet {
        let kept = self.ready.minus(self.ejected);
        if kept.len() * 2 < self.ready.len() {
            self.ready
        } else {
            kept
        }
    }
}

/// The low half of `draw` picks the first candidate, the high half a different second one.
fn less_loaded_of_two(nodes: NodeSet, load: impl Fn(usize) -> u64, draw: u64) -> Option<usize> {
    let count = nodes.len();
    let first_position = scale(draw & 0xffff_ffff, count);
    let first = nodes.nth(first_position)?;
    if count < 2 {
        return Some(first);
    }
    let mut second_position = scale(draw >> 32, count - 1);
    if second_position >= first_position {
        second_position += 1;
    }
    let second = nodes.nth(second_position)?;
    Some(if load(second) < load(first) { second } else { first })
}

/// Maps 32 random bits to `0..count` without a division.
fn scale(bits: u64, count: u32) -> u32 {
    u32::try_from((bits * u64::from(count)) >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests;
