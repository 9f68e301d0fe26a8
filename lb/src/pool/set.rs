//! A set of nodes in one machine word, by their index in the configuration. No allocation, no knowledge of what a node is.

use crate::limits::NODES_MAX;

/// A set of node indices below [`NODES_MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeSet(u64);

impl NodeSet {
    /// No node.
    pub const EMPTY: Self = Self(0);

    /// The set with these bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits of the set.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Adds a node; an index out of range is ignored.
    pub fn insert(&mut self, index: usize) {
        if index < NODES_MAX {
            self.0 |= 1 << index;
        }
    }

    /// Whether the node is in the set.
    pub const fn contains(self, index: usize) -> bool {
        index < NODES_MAX && self.0 & (1 << index) != 0
    }

    /// Nodes of this set that are not in `other`.
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Nodes of either set.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there is no node.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Number of nodes.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// The node at `position` in ascending order.
    pub fn nth(self, position: u32) -> Option<usize> {
        if position >= self.len() {
            return None;
        }
        let mut rest = self.0;
        for _ in 0..position {
            rest &= rest - 1;
        }
        usize::try_from(rest.trailing_zeros()).ok()
    }
}

impl FromIterator<usize> for NodeSet {
    fn from_iter<I: IntoIterator<Item = usize>>(indices: I) -> Self {
        let mut set = Self::EMPTY;
        for index in indices {
            set.insert(index);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nth_lists_exactly_the_members(bits: u64) {
            let set = NodeSet::from_bits(bits);
            let listed: Vec<usize> = (0..set.len()).filter_map(|position| set.nth(position)).collect();
            let members: Vec<usize> = (0..NODES_MAX).filter(|index| set.contains(*index)).collect();
            prop_assert_eq!(listed, members);
            prop_assert_eq!(set.nth(set.len()), None);
        }
    }

    #[test]
    fn an_index_out_of_range_is_no_member() {
        let mut set = NodeSet::EMPTY;
        set.insert(NODES_MAX);
        assert!(set.is_empty());
        assert!(!NodeSet::from_bits(u64::MAX).contains(NODES_MAX));
    }
}
