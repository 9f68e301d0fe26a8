//! Logs stay readable while a member is away: it is said once, not as fast as the processor can.
#![cfg(test)]

use chaos_tests::limits::LOG_LINES_WITHOUT_A_MEMBER_MAX;
use cluster_harness::cluster::{Cluster, Options};
use std::time::Duration;

/// How long the others do without the member.
const AWAY: Duration = Duration::from_secs(6);

#[tokio::test]
async fn a_dead_member_does_not_flood_the_logs_of_the_others() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let leader = cluster.find_leader().await.unwrap();
    let lines = |name: &str| {
        std::fs::read_to_string(cluster.layout().log(name))
            .unwrap()
            .lines()
            .count()
    };
    let others: Vec<&str> = ["node-1", "node-2", "node-3"]
        .into_iter()
        .filter(|name| *name != leader)
        .collect();
    let before: Vec<usize> = others.iter().map(|name| lines(name)).collect();
    cluster.members().kill(&leader).await.unwrap();
    // What is measured is what happens while nothing happens.
    tokio::time::sleep(AWAY).await;
    let next_leader = cluster.find_leader().await.unwrap();
    assert_ne!(next_leader, leader);
    for (name, before) in others.iter().zip(before) {
        let more = lines(name) - before;
        println!("{name}: {more} lines in {} s without {leader}", AWAY.as_secs());
        assert!(more <= LOG_LINES_WITHOUT_A_MEMBER_MAX, "{name} wrote {more} lines");
    }
}
