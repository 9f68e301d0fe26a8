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

fn limits(tried: u64, full: u64, shy: u64) -> Limits {
    Limits {
        tried: NodeSet::from_bits(tried),
        full: NodeSet::from_bits(full),
        shy: NodeSet::from_bits(shy),
    }
}

fn node_of(pick: Pick) -> Option<usize> {
    if let Pick::Node(node) = pick { Some(node) } else { None }
}

proptest! {
    #[test]
    fn a_node_that_is_down_or_draining_or_tried_or_full_is_never_picked(
        view in view(), tried in 0u64..64, full in 0u64..64, shy in 0u64..64, draw: u64, loads: [u64; 6],
    ) {
        let limits = limits(tried, full, shy);
        if let Pick::Node(node) = pick(&view, limits, |index| loads[index], draw) {
            prop_assert!(view.ready.contains(node) || view.suspect.contains(node));
            prop_assert!(!limits.tried.contains(node) && !limits.full.contains(node));
        }
    }

    #[test]
    fn a_usable_node_is_always_found_and_otherwise_the_reason(
        view in view(), tried in 0u64..64, full in 0u64..64, shy in 0u64..64, draw: u64,
    ) {
        let limits = limits(tried, full, shy);
        let usable = view.ready.or(view.suspect);
        let open = usable.minus(limits.tried).minus(limits.full);
        let picked = pick(&view, limits, |_| 0, draw);
        prop_assert_eq!(node_of(picked).is_some(), !open.is_empty());
        prop_assert_eq!(picked == Pick::NoneUsable, usable.is_empty());
        let is_all_tried = !usable.is_empty() && usable.minus(limits.tried).is_empty();
        prop_assert_eq!(picked == Pick::AllTried, is_all_tried);
    }

    #[test]
    fn a_suspect_is_picked_only_when_no_ready_node_is_left(
        view in view(), tried in 0u64..64, full in 0u64..64, draw: u64,
    ) {
        let limits = limits(tried, full, 0);
        if let Pick::Node(node) = pick(&view, limits, |_| 0, draw)
            && view.suspect.contains(node)
        {
            prop_assert!(view.ready.minus(limits.tried).minus(limits.full).is_empty());
        }
    }

    #[test]
    fn an_ejected_node_is_spared_while_at_least_half_remain(view in view(), draw: u64) {
        let kept = view.ready.minus(view.ejected);
        let is_half_kept = !kept.is_empty() && kept.len() * 2 >= view.ready.len();
        if let Pick::Node(node) = pick(&view, Limits::default(), |_| 0, draw)
            && view.ready.contains(node)
            && is_half_kept
        {
            prop_assert!(kept.contains(node));
        }
    }

    #[test]
    fn a_shy_node_is_spared_while_another_preferred_one_is_there(view in view(), shy in 0u64..64, draw: u64) {
        let limits = limits(0, 0, shy);
        if let Pick::Node(node) = pick(&view, limits, |_| 0, draw)
            && limits.shy.contains(node)
        {
            prop_assert!(view.preferred().minus(limits.shy).is_empty());
        }
    }

    /// Any order of errors and recoveries: whoever is set aside leaves half of all nodes, and one, to work.
    #[test]
    fn ejections_leave_at_least_half_and_never_take_the_last(
        of in 1u32..7, ready in 0u64..64, wishes in prop::collection::vec((0usize..6, any::<bool>()), 0..60),
    ) {
        let all = (1u64 << of) - 1;
        let mut view = View { ready: NodeSet::from_bits(ready & all), ..View::default() };
        for (node, is_recovery) in wishes {
            if is_recovery {
                view.ejected = view.ejected.minus(NodeSet::from_iter([node]));
            } else if may_eject(&view, node, of) {
                view.ejected.insert(node);
                let left = view.ready.minus(view.ejected).len();
                prop_assert!(left >= 1 && left * 2 >= of, "{left} of {of} are left");
            }
        }
    }

    #[test]
    fn the_less_loaded_of_two_nodes_wins(draw: u64, one: u64, other: u64) {
        prop_assume!(one != other);
        let view = View { ready: NodeSet::from_bits(0b11), ..View::default() };
        let loads = [one, other];
        let expected = usize::from(other < one);
        prop_assert_eq!(pick(&view, Limits::default(), |index| loads[index], draw), Pick::Node(expected));
    }

    #[test]
    fn the_most_loaded_of_many_never_wins(draw: u64, worst in 0usize..6) {
        let view = View { ready: NodeSet::from_bits(0b11_1111), ..View::default() };
        let picked = pick(&view, Limits::default(), |index| u64::from(index == worst), draw);
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
        if let Pick::Node(node) = pick(&view, Limits::default(), |_| 0, draw) {
            counts[node] += 1;
        }
    }
    assert!(
        counts.iter().all(|count| (9_500..=10_500).contains(count)),
        "uneven: {counts:?}"
    );
}

#[test]
fn one_of_three_may_be_set_aside_and_the_only_one_never() {
    let view = |ready, ejected| View {
        ready: NodeSet::from_bits(ready),
        ejected: NodeSet::from_bits(ejected),
        ..View::default()
    };
    assert!(may_eject(&view(0b111, 0), 0, 3));
    assert!(!may_eject(&view(0b111, 0b001), 1, 3));
    assert!(!may_eject(&view(0b011, 0), 0, 3));
    assert!(may_eject(&view(0b011, 0), 0, 2));
    assert!(!may_eject(&view(0b001, 0), 0, 2));
    assert!(!may_eject(&view(0b001, 0), 0, 1));
}
