//! Logins go on while every node in turn is killed and comes back, then the leader, then a load balancer.
#![cfg(test)]

use chaos_tests::api::Api;
use chaos_tests::limits::GAP_MAX;
use chaos_tests::load::{Report, Sample, Traffic};
use chaos_tests::pool::Pool;
use cluster_harness::cluster::{Cluster, Options};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// At the load balancer that survives.
const LOGINS_PER_SECOND: u32 = 8;
/// At the one that is killed.
const SIDE_LOGINS_PER_SECOND: u32 = 2;
const ACCOUNTS: usize = 300;
/// How long traffic runs between two faults.
const BETWEEN: Duration = Duration::from_secs(3);

#[tokio::test]
async fn p_5_no_login_fails_at_the_surviving_load_balancer() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let client = cluster.client().unwrap();
    let apis: Vec<Api> = cluster.urls().iter().map(|url| Api::new(client.clone(), url)).collect();
    let started = Instant::now();
    let pool = Arc::new(Pool::enrol(&apis, "user", ACCOUNTS).await.unwrap());
    println!("{ACCOUNTS} accounts enrolled in {} s", started.elapsed().as_secs());

    let surviving = Traffic::start(apis[1].clone(), Arc::clone(&pool), LOGINS_PER_SECOND);
    let dying = Traffic::start(apis[0].clone(), Arc::clone(&pool), SIDE_LOGINS_PER_SECOND);
    tokio::time::sleep(BETWEEN).await;
    for node in ["node-1", "node-2", "node-3"] {
        kill_and_bring_back(&cluster, node).await;
    }
    let leader = cluster.find_leader().await.unwrap();
    kill_and_bring_back(&cluster, &leader).await;
    let lb_died = Instant::now();
    cluster.members().kill("lb-1").await.unwrap();
    println!("killed lb-1");
    tokio::time::sleep(BETWEEN).await;

    let surviving = surviving.finish().await.unwrap();
    let dying: Vec<Sample> = dying
        .finish()
        .await
        .unwrap()
        .into_iter()
        .filter(|s| s.done < lb_died)
        .collect();
    let report = Report::of(&surviving);
    println!("at the surviving load balancer: {report}");
    println!("at the other one until it died: {}", Report::of(&dying));
    assert_eq!(report.failures, Vec::<String>::new());
    assert_eq!(Report::of(&dying).failures, Vec::<String>::new());
    assert!(
        report.longest_gap <= GAP_MAX,
        "a pause of {} ms",
        report.longest_gap.as_millis()
    );
    assert!(report.logins > 100, "the run was long enough: {report}");
}

async fn kill_and_bring_back(cluster: &Cluster, node: &str) {
    let leader = cluster.find_leader().await.unwrap();
    let role = if leader == node { "the leader" } else { "a follower" };
    cluster.members().kill(node).await.unwrap();
    println!("killed {node}, {role}");
    tokio::time::sleep(BETWEEN).await;
    cluster.members().restart(node).await.unwrap();
    cluster.wait_healthy().await.unwrap();
    tokio::time::sleep(BETWEEN).await;
}
