//! Nodes become usable and unusable, are counted, added, removed, drained and set aside.

use auth_api::status::Role;

use super::*;
use crate::config::tests::good_config;
use crate::limits::{EJECTION_ERRORS_MIN, RAMP_PERMILLE_MIN};
use crate::pool::Pick;

fn cluster() -> Arc<Cluster> {
    cluster_of(&good_config())
}

fn cluster_of(config: &Config) -> Arc<Cluster> {
    tls::install_provider();
    Arc::new(Cluster::new(config).expect("a usable identity"))
}

fn ready(name: &str) -> NodeStatus {
    NodeStatus {
        node_id: 1,
        name: name.into(),
        incarnation: "a".into(),
        cluster_id: "c".into(),
        term: 1,
        role: Role::Follower,
        leader_id: Some(1),
        committed: 1,
        applied: 1,
        last_quorum_ms: None,
        ready: true,
        draining: false,
        in_flight: 0,
        version: "0".into(),
    }
}

fn answer(cluster: &Cluster, index: usize) {
    let node = &cluster.nodes()[index];
    cluster.probe_answered(node, ready(&node.config.name));
}

const DRAWS: [u64; 3] = [0, u64::MAX, 0xffff_ffff];

#[test]
fn whoever_waits_is_told_when_a_node_becomes_usable() {
    let cluster = cluster();
    assert_eq!(cluster.pick(NodeSet::EMPTY, 0), Pick::NoneUsable);
    let changes = cluster.changes();
    answer(&cluster, 1);
    assert!(changes.has_changed().expect("the cluster lives"));
    assert_eq!(cluster.pick(NodeSet::EMPTY, 0), Pick::Node(1));
    assert!(!cluster.is_probed());
    cluster.probe_failed(&cluster.nodes()[0], ProbeFailure::Refused);
    assert!(cluster.is_probed());
    cluster.refused(&cluster.nodes()[1]);
    assert_eq!(cluster.pick(NodeSet::EMPTY, 0), Pick::NoneUsable);
}

fn lease(cluster: &Cluster, slot: usize) -> Option<Lease> {
    Lease::take(cluster.node(slot)?, u32::MAX)
}

#[test]
fn a_lease_counts_until_it_is_dropped() {
    let cluster = cluster();
    answer(&cluster, 0);
    answer(&cluster, 1);
    let lease = lease(&cluster, 0).expect("a place");
    assert_eq!(cluster.nodes()[0].in_flight(), 1);
    for draw in DRAWS {
        assert_eq!(cluster.pick(NodeSet::EMPTY, draw), Pick::Node(1));
    }
    drop(lease);
    assert_eq!(cluster.nodes()[0].in_flight(), 0);
}

#[test]
fn only_so_many_requests_may_wait() {
    let cluster = cluster();
    let held: Vec<Hold> = std::iter::from_fn(|| cluster.hold()).collect();
    assert_eq!(held.len(), usize::try_from(HELD_REQUESTS_MAX).expect("small"));
    drop(held);
    assert_eq!(cluster.held(), 0);
    assert!(cluster.hold().is_some());
}

#[test]
fn a_node_that_has_all_that_it_may_have_gets_no_more() {
    let mut config = good_config();
    config.limits.node_in_flight = 2;
    let cluster = cluster_of(&config);
    answer(&cluster, 0);
    answer(&cluster, 1);
    let _first: Vec<Lease> = (0..2).filter_map(|_| lease(&cluster, 0)).collect();
    let one = lease(&cluster, 1);
    for draw in DRAWS {
        assert_eq!(cluster.pick(NodeSet::EMPTY, draw), Pick::Node(1));
    }
    let _other = lease(&cluster, 1);
    assert_eq!(cluster.pick(NodeSet::EMPTY, 0), Pick::AllFull);
    drop(one);
    assert_eq!(cluster.pick(NodeSet::EMPTY, 0), Pick::Node(1));
}

#[test]
fn requests_at_the_same_moment_cannot_take_the_same_last_place() {
    let mut config = good_config();
    config.limits.node_in_flight = 3;
    let cluster = cluster_of(&config);
    answer(&cluster, 0);
    answer(&cluster, 1);
    for round in 0..200u64 {
        let start = std::sync::Barrier::new(8);
        let take = |thread: u64| {
            start.wait();
            cluster.take(NodeSet::EMPTY, (round << 32) | thread).ok()
        };
        let taken: Vec<Lease> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|thread| scope.spawn(move || take(thread))).collect();
            threads
                .into_iter()
                .filter_map(|thread| thread.join().expect("no panic"))
                .collect()
        });
        let at = |slot| taken.iter().filter(|lease| lease.node().slot == slot).count();
        assert_eq!((at(0), at(1)), (3, 3), "round {round}");
    }
}

#[test]
fn one_of_two_nodes_is_set_aside_and_the_other_one_is_not() {
    let cluster = cluster();
    answer(&cluster, 0);
    answer(&cluster, 1);
    let fail = |index: usize| {
        let node = &cluster.nodes()[index];
        (0..EJECTION_ERRORS_MIN * 2).any(|_| cluster.request_failed(node))
    };
    assert!(fail(0));
    assert!(!fail(1));
    for draw in DRAWS {
        assert_eq!(cluster.pick(NodeSet::EMPTY, draw), Pick::Node(1));
    }
}

#[test]
fn a_drained_node_gets_nothing_and_the_last_one_is_kept() {
    let cluster = cluster();
    answer(&cluster, 0);
    answer(&cluster, 1);
    assert_eq!(cluster.set_drained("node-3", true, false), Err(DrainRefusal::Unknown));
    cluster.set_drained("node-1", true, false).expect("node-2 is ready");
    answer(&cluster, 0);
    for draw in DRAWS {
        assert_eq!(cluster.pick(NodeSet::EMPTY, draw), Pick::Node(1));
    }
    assert_eq!(cluster.set_drained("node-2", true, false), Err(DrainRefusal::LastReady));
    cluster.set_drained("node-2", true, true).expect("it is forced");
    assert_eq!(cluster.pick(NodeSet::EMPTY, 0), Pick::NoneUsable);
    cluster.set_drained("node-1", false, false).expect("nothing is lost");
    assert_eq!(cluster.pick(NodeSet::EMPTY, 0), Pick::Node(0));
}

#[test]
fn a_node_that_comes_back_starts_with_a_small_share() {
    let cluster = cluster();
    answer(&cluster, 0);
    answer(&cluster, 1);
    let count_of_first = || {
        let picks = (0..1_000u64).map(|n| cluster.pick(NodeSet::EMPTY, n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        picks.filter(|pick| *pick == Pick::Node(0)).count()
    };
    let at_start = count_of_first();
    assert!((400..=600).contains(&at_start), "at the start: {at_start}");
    cluster.refused(&cluster.nodes()[0]);
    answer(&cluster, 0);
    let back = count_of_first();
    let expected = usize::try_from(RAMP_PERMILLE_MIN).expect("small") / 2;
    assert!((1..=expected * 3).contains(&back), "just back: {back}");
}

#[test]
fn a_slow_node_gets_less_until_it_is_forgiven() {
    let cluster = cluster();
    answer(&cluster, 0);
    answer(&cluster, 1);
    let nodes = cluster.nodes();
    for _ in 0..50 {
        cluster.request_answered(&nodes[0], RouteClass::Api, Duration::from_millis(40));
        cluster.request_answered(&nodes[1], RouteClass::Api, Duration::from_millis(1));
        cluster.request_answered(&nodes[1], RouteClass::Api, Duration::from_millis(1));
        cluster.request_answered(&nodes[1], RouteClass::Api, Duration::from_millis(1));
    }
    let _busy = lease(&cluster, 1);
    for draw in DRAWS {
        assert_eq!(cluster.pick(NodeSet::EMPTY, draw), Pick::Node(1));
    }
}

#[test]
fn another_configuration_keeps_what_is_known_of_nodes_that_stay() {
    let mut config = good_config();
    let cluster = cluster_of(&config);
    answer(&cluster, 0);
    answer(&cluster, 1);
    let before = cluster.nodes();
    config.nodes.remove(0);
    config.nodes.push(crate::config::NodeConfig {
        name: "node-3".into(),
        address: ([127, 0, 0, 1], 7103).into(),
    });
    let added = cluster.reconfigure(&config, false).expect("a usable identity");
    assert_eq!(added.len(), 1);
    let after = cluster.nodes();
    assert!(Arc::ptr_eq(&before[1], &after[0]) && Arc::ptr_eq(&added[0], &after[1]));
    assert!(before[0].is_retired() && !before[1].is_retired());
    assert_ne!(
        added[0].slot, before[0].slot,
        "requests that tried the old node would skip the new one"
    );
    assert_eq!(cluster.pick(NodeSet::EMPTY, 0), Pick::Node(before[1].slot));
    assert!(!cluster.is_probed());
    // The probe of a node that is gone may still report once.
    cluster.probe_answered(&before[0], ready("node-1"));
    assert_eq!(cluster.view().ready.len(), 1);
    answer(&cluster, 1);
    assert_eq!(cluster.view().ready.len(), 2);
}

#[test]
fn of_two_leaders_the_one_with_the_higher_term_counts() {
    let cluster = cluster();
    let claim = |index: usize, term| {
        let node = &cluster.nodes()[index];
        let status = NodeStatus {
            role: Role::Leader,
            term,
            ..ready(&node.config.name)
        };
        cluster.probe_answered(node, status);
    };
    let leader = || cluster.leader().map(|node| node.config.name.clone());
    assert_eq!(leader(), None);
    claim(0, 5);
    claim(1, 4);
    assert_eq!(leader().as_deref(), Some("node-1"));
    cluster.refused(&cluster.nodes()[0]);
    assert_eq!(leader().as_deref(), Some("node-2"));
}

#[tokio::test]
async fn a_node_that_did_not_execute_a_request_is_probed_at_once() {
    let cluster = cluster();
    answer(&cluster, 0);
    let node = &cluster.nodes()[0];
    cluster.not_executed(node);
    tokio::time::timeout(Duration::from_secs(5), node.kick.notified())
        .await
        .expect("its probe is woken");
    // What it said is no failure.
    assert!(cluster.view().ready.contains(node.slot));
}
