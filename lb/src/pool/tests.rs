//! Properties of the choice of a node.

use proptest::prelude::*;

use super::*;

fn view() -> impl Strategy<Value = View> {
    // At most six nodes, so that small and empty sets are common.
    (0u64..64, 0u64..64, 0u64..64).prop_map(|(ready, suspect, ejected)| View {
        ready: NodeSet::from_bits(ready),
        suspect: NodeSet::from_bits(suspect & !ready),
        ejected: NodeSet::from_bits(ejected),
    })
}

fn node_of(pick: Pick) -> Option<usize> {
    if let Pick::Node(node) = pick { Some(node) } else { None }
}

proptest! {
    #[test]
    fn a_node_that_is_down_or_draining_or_tried_is_never_picked(
        view in view(), tried in 0u64..64, draw: u64, loads: [u32; 6],
    ) {
        let tried = NodeSet::from_bits(tried);
        if let Pick::Node(node) = pick(&view, tried, |index| loads[index], draw) {
            prop_assert!(view.ready.contains(node) || view.suspect.contains(node));
            prop_assert!(!tried.contains(node));
        }
    }

    #[test]
    fn a_usable_node_that_was_not_tried_is_always_found(view in view(), tried in 0u64..64, draw: u64) {
        let tried = NodeSet::from_bits(tried);
        let usable = NodeSet::from_bits(view.ready.bits() | view.suspect.bits());
        let expected_none = usable.minus(tried).is_empty();
        let picked = pick(&view, tried, |_| 0, draw);
        prop_assert_eq!(node_of(picked).is_none(), expected_none);
        prop_assert_eq!(picked == Pick::NoneUsable, usable.is_empty());
    }

    #[test]
    fn a_suspect_is_picked_only_when_no_ready_node_is_left(view in view(), tried in 0u64..64, draw: u64) {
        let tried = NodeSet::from_bits(tried);
        if let Pick::Node(node) = pick(&view, tried, |_| 0, draw)
            && view.suspect.contains(node)
        {
            prop_assert!(view.ready.minus(tried).is_empty());
        }
    }

    #[test]
    fn an_ejected_node_is_spared_while_at_least_half_remain(view in view(), draw: u64) {
        let kept = view.ready.minus(view.ejected);
        let is_half_kept = !kept.is_empty() && kept.len() * 2 >= view.ready.len();
        if let Pick::Node(node) = pick(&view, NodeSet::EMPTY, |_| 0, draw)
            && view.ready.contains(node)
            && is_half_kept
        {
            prop_assert!(kept.contains(node));
        }
    }

    #[test]
    fn the_less_loaded_of_two_nodes_wins(draw: u64, one: u32, other: u32) {
        prop_assume!(one != other);
        let view = View { ready: NodeSet::from_bits(0b11), ..View::default() };
        let loads = [one, other];
        let expected = usize::from(other < one);
        prop_assert_eq!(pick(&view, NodeSet::EMPTY, |index| loads[index], draw), Pick::Node(expected));
    }

    #[test]
    fn the_most_loaded_of_many_never_wins(draw: u64, worst in 0usize..6) {
        let view = View { ready: NodeSet::from_bits(0b11_1111), ..View::default() };
        let picked = pick(&view, NodeSet::EMPTY, |index| u32::from(index == worst), draw);
        prop_assert_ne!(picked, Pick::Node(worst));
    }
}

#[test]
fn equal_loads_spread_evenly() {
    let view = View {
        ready: NodeSet::from_bits(0b111),
        ..View::default()
    };
    let mut counts = [0u32; 3];
    // A Weyl sequence: evenly spread, and the same on every run.
    let mut draw = 0u64;
    for _ in 0..30_000 {
        draw = draw.wrapping_add(0x9e37_79b9_7f4a_7c15);
        if let Pick::Node(node) = pick(&view, NodeSet::EMPTY, |_| 0, draw) {
            counts[node] += 1;
        }
    }
    assert!(
        counts.iter().all(|count| (9_500..=10_500).contains(count)),
        "uneven: {counts:?}"
    );
}
