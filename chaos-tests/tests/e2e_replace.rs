//! Two nodes are replaced one after the other, with wiped disks, while logins go on; the old ids stay out for ever.
#![cfg(test)]

use chaos_tests::api::Api;
use chaos_tests::folders::{copy, exchange};
use chaos_tests::limits::{GAP_MAX, POLL};
use chaos_tests::load::{Report, Traffic};
use chaos_tests::pool::{Account, Pool};
use cluster_harness::cluster::{Cluster, Options};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const LOGINS_PER_SECOND: u32 = 8;
const ACCOUNTS: usize = 120;
/// How long traffic runs before, between and after.
const BETWEEN: Duration = Duration::from_secs(1);
/// How long a node may take to learn that it was removed.
const TOLD_MAX: Duration = Duration::from_secs(20);

#[tokio::test]
async fn two_nodes_are_replaced_under_load_and_their_ids_are_refused_for_ever() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let client = cluster.client().unwrap();
    let apis: Vec<Api> = cluster.urls().iter().map(|url| Api::new(client.clone(), url)).collect();
    let pool = Arc::new(Pool::enrol(&apis, "user", ACCOUNTS).await.unwrap());
    let leader = cluster.find_leader().await.unwrap();
    let follower = cluster
        .description()
        .nodes
        .into_iter()
        .map(|node| node.name)
        .find(|name| *name != leader)
        .unwrap();
    let kept = |name: &str| cluster.layout().root().join(format!("kept-{name}"));

    let traffic = Traffic::start(apis[1].clone(), Arc::clone(&pool), LOGINS_PER_SECOND);
    tokio::time::sleep(BETWEEN).await;
    let mut old_ids = Vec::new();
    for name in [&follower, &leader] {
        let began = Instant::now();
        // The old folder is kept, to let it come back to life later.
        cluster.members().kill(name).await.unwrap();
        copy(&cluster.layout().data(name), &kept(name)).unwrap();
        let replaced = cluster.replace_node(name).await.unwrap();
        println!(
            "{name}: node {} replaced by node {} in {} ms",
            replaced.old,
            replaced.new,
            began.elapsed().as_millis()
        );
        assert!(replaced.new > replaced.old);
        old_ids.push(replaced.old);
        cluster.wait_healthy().await.unwrap();
        tokio::time::sleep(BETWEEN).await;
    }
    let report = Report::of(&traffic.finish().await.unwrap());
    println!("while two of three nodes were replaced: {report}");
    assert_eq!(report.failures, Vec::<String>::new());
    assert!(
        report.longest_gap <= GAP_MAX,
        "a pause of {} ms",
        report.longest_gap.as_millis()
    );
    assert!(report.logins > 20, "the run was long enough: {report}");

    come_back_on_the_old_folder(&cluster, &follower, &kept(&follower)).await;
    stays_out(&cluster, &follower, old_ids[0]).await;
    // For ever: also when everybody was down meanwhile and knows only what is on disk.
    let names = cluster.description().nodes.into_iter().map(|node| node.name);
    let names: Vec<String> = names.collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    cluster.members().kill_together(&all).await.unwrap();
    for name in all {
        cluster.members().start(name).await.unwrap();
    }
    stays_out(&cluster, &follower, old_ids[0]).await;
    cluster.replace_node(&follower).await.unwrap();
    cluster.wait_healthy().await.unwrap();
    come_back_on_the_old_folder(&cluster, &leader, &kept(&leader)).await;
    stays_out(&cluster, &leader, old_ids[1]).await;
    let mut account = Account::enrol(&apis[0], "afterwards").await.unwrap();
    let code = account.wait_for_code().await;
    let login = apis[1].log_in(&account.person, &code).await.unwrap();
    assert_eq!(login.status, 200, "without it: {}", login.body);
}

/// The machine is started on the folder that it had before it was replaced.
async fn come_back_on_the_old_folder(cluster: &Cluster, name: &str, kept: &Path) {
    cluster.members().kill(name).await.unwrap();
    exchange(&cluster.layout().data(name), kept).unwrap();
    cluster.members().start(name).await.unwrap();
}

/// It learns that its id was removed, and says so.
async fn stays_out(cluster: &Cluster, name: &str, id: u64) {
    let mut nodes = cluster.description().nodes.into_iter();
    let ops = nodes.find(|node| node.name == name).unwrap().ops;
    let (client, until) = (reqwest::Client::new(), Instant::now() + TOLD_MAX);
    loop {
        let answer = client.get(format!("{ops}/readyz")).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        if text.contains(&format!("node id {id} was removed")) {
            assert_eq!(status, 503);
            println!("{name} on its old folder: {text}");
            return;
        }
        assert!(Instant::now() < until, "it was not told: {status} {text}");
        tokio::time::sleep(POLL).await;
    }
}
