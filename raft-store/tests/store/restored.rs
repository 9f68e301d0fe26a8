//! A whole data folder restored from an old image: sound to its own node, refused by whoever saw it later.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use raft_store::{Fault, OpenError, Store};

use crate::support::{Cluster, PATIENCE, count_up, soon, wait_status};

/// Longer than it takes members to find each other.
const MOMENT: Duration = Duration::from_millis(1500);

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("--archive").arg(from).arg(to).status();
    assert!(copied.unwrap().success(), "{} to {}", from.display(), to.display());
}

fn restore(cluster: &Cluster, id: u64, image: &Path) {
    std::fs::remove_dir_all(cluster.data_dir(id)).unwrap();
    copy(image, &cluster.data_dir(id));
}

/// Waits until nothing writes into the folder any more.
async fn quiet(store: &Store) {
    let mut writes = None;
    while writes != Some(store.metrics().guard_writes) {
        writes = Some(store.metrics().guard_writes);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn count(cluster: &Cluster, through: u64, requests: std::ops::Range<u128>) {
    for request in requests {
        count_up(cluster.store(through), request, "k").await;
    }
}

/// It is told by another member, stops, and does not open again.
async fn is_stopped(cluster: &mut Cluster, id: u64) {
    let store = cluster.running.remove(&id).unwrap();
    let fault = tokio::time::timeout(PATIENCE, store.failed())
        .await
        .expect("it is told");
    let words = fault.to_string();
    assert!(matches!(fault, Fault::Restored { .. }), "{fault:?}");
    for part in [
        "older image",
        "join as a new node",
        &cluster.data_dir(id).display().to_string(),
    ] {
        assert!(words.contains(part), "{part:?} is not in {words}");
    }
    assert!(store.shutdown(Duration::ZERO).await.is_err(), "the fault is told again");
    let again = cluster.try_open(cluster.config(id)).await.err().unwrap();
    assert!(matches!(again, OpenError::Quarantine { .. }), "{again}");
    assert!(again.to_string().contains("older image"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_the_same_run_is_refused_without_a_start_in_between() {
    let mut cluster = Cluster::formed(3).await;
    count(&cluster, 1, 0..40).await;
    let leader = cluster.leader().await;
    let id = cluster.follower_of(leader);
    // As a hypervisor takes it: while it runs, and all at once.
    let image = cluster.folder.path().join("image");
    quiet(cluster.store(id)).await;
    copy(&cluster.data_dir(id), &image);
    count(&cluster, id, 40..80).await;
    cluster.stop(id).await;
    restore(&cluster, id, &image);
    cluster.start(id).await;
    is_stopped(&mut cluster, id).await;
    count(&cluster, leader, 80..90).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_was_started_alone_many_times_is_still_refused() {
    let mut cluster = Cluster::formed(3).await;
    count(&cluster, 1, 0..10).await;
    let id = 3;
    cluster.stop(id).await;
    let image = cluster.folder.path().join("image");
    copy(&cluster.data_dir(id), &image);
    cluster.start(id).await;
    count(&cluster, id, 10..20).await;
    cluster.stop(id).await;
    for other in [1, 2] {
        cluster.stop(other).await;
    }
    restore(&cluster, id, &image);
    // More starts than it had since the image: a bare counter would have overtaken.
    for _ in 0..8 {
        cluster.start(id).await;
        cluster.stop(id).await;
    }
    // Those that saw it were restarted as well: they remember on disk.
    for other in [1, 2, id] {
        cluster.start(other).await;
    }
    is_stopped(&mut cluster, id).await;
    count(&cluster, 1, 20..25).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_member_that_saw_it_is_enough() {
    let mut cluster = Cluster::formed(3).await;
    count(&cluster, 1, 0..10).await;
    for id in [2, 3] {
        cluster.stop(id).await;
    }
    let image = cluster.folder.path().join("image");
    copy(&cluster.data_dir(3), &image);
    // Node 2 is down while node 3 lives once more.
    cluster.start(3).await;
    count(&cluster, 3, 10..20).await;
    cluster.stop(3).await;
    cluster.start(2).await;
    restore(&cluster, 3, &image);
    cluster.start(3).await;
    is_stopped(&mut cluster, 3).await;
    for store in cluster.running.values() {
        assert!(
            tokio::time::timeout(Duration::from_millis(10), store.failed())
                .await
                .is_err()
        );
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_restored_together_are_both_refused_by_the_third() {
    let mut cluster = Cluster::formed(3).await;
    count(&cluster, 1, 0..10).await;
    let images: Vec<_> = [2, 3]
        .map(|id| (id, cluster.folder.path().join(format!("image-{id}"))))
        .into();
    for (id, image) in &images {
        cluster.stop(*id).await;
        copy(&cluster.data_dir(*id), image);
        cluster.start(*id).await;
    }
    count(&cluster, 2, 10..30).await;
    cluster.store(3).read_barrier(soon()).await.unwrap();
    for (id, image) in &images {
        cluster.stop(*id).await;
        restore(&cluster, *id, image);
    }
    for id in [2, 3] {
        cluster.start(id).await;
    }
    for id in [2, 3] {
        is_stopped(&mut cluster, id).await;
    }
    // Nothing is served without a majority, and what was acknowledged is still at the third.
    assert!(cluster.store(1).read_barrier(Instant::now() + MOMENT).await.is_err());
    assert_eq!(crate::support::count_of(cluster.store(1), "k"), 30);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_only_crash_or_stop_are_never_refused() {
    let mut cluster = Cluster::formed(3).await;
    let mut request = 0;
    for round in 0..6_u64 {
        let id = round % 3 + 1;
        cluster.stop(id).await;
        let other = cluster.follower_of(id);
        wait_status(cluster.store(other), "a leader", |status| status.leader.is_some()).await;
        count(&cluster, other, request..request + 5).await;
        request += 5;
        cluster.start(id).await;
        cluster.store(id).read_barrier(soon()).await.unwrap();
        count(&cluster, id, request..request + 5).await;
        request += 5;
    }
    for store in cluster.running.values() {
        assert!(
            tokio::time::timeout(Duration::from_millis(10), store.failed())
                .await
                .is_err()
        );
    }
    assert!(cluster.any().metrics().starts >= 2);
    cluster.stop_all().await;
}
