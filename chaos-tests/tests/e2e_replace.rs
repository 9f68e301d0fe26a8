//! Two nodes are replaced one after the other, with wiped disks, while logins go on; the old ids stay out for ever.
#![cfg(test)]

use chaos_tests::api::Api;
use chaos_tests::limits::{GAP_MAX, POLL};
use chaos_tests::load::{Report, Traffic};
use chaos_tests::pool::Pool;
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
    let kept = cluster.layout().root().join("kept");

    let traffic = Traffic::start(apis[1].clone(), Arc::clone(&pool), LOGINS_PER_SECOND);
    tokio::time::sleep(BETWEEN).await;
    // The follower's old folder is kept, to let it come back to life later.
    cluster.members().kill(&follower).await.unwrap();
    copy(&cluster.layout().data(&follower), &kept);
    for name in [&follower, &leader] {
        let began = Instant::now();
        let replaced = cluster.replace_node(name).await.unwrap();
        println!(
            "{name}: node {} replaced by node {} in {} ms",
            replaced.old,
            replaced.new,
            began.elapsed().as_millis()
        );
        assert!(replaced.new > replaced.old);
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

    come_back_on_the_old_folder(&cluster, &follower, &kept).await;
}

/// The machine is started on the folder that it had before it was replaced: it stays out, and says why.
async fn come_back_on_the_old_folder(cluster: &Cluster, name: &str, kept: &Path) {
    cluster.members().kill(name).await.unwrap();
    let data = cluster.layout().data(name);
    std::fs::remove_dir_all(&data).unwrap();
    copy(kept, &data);
    cluster.members().start(name).await.unwrap();
    let ops = cluster
        .description()
        .nodes
        .into_iter()
        .find(|node| node.name == name)
        .unwrap()
        .ops;
    let client = reqwest::Client::new();
    let until = Instant::now() + TOLD_MAX;
    loop {
        let answer = client.get(format!("{ops}/readyz")).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        if text.contains("was removed") {
            assert_eq!(status, 503);
            println!("{name} on its old folder: {text}");
            return;
        }
        assert!(Instant::now() < until, "it was not told: {status} {text}");
        tokio::time::sleep(POLL).await;
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, target) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
