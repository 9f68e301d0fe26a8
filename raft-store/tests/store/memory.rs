//! Entries that are not purged take no more memory than allowed, however large they are and whoever is away.

use std::time::{Duration, Instant};

use raft_store::{Limits, NotExecuted, ProposeError, Store};

use crate::support::{Cluster, count_of, count_up, large_command, soon, wait_status};

const FILLER_BYTES: usize = 60 * 1024;
const MEMORY_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Commands of five times the memory.
const COMMANDS: u128 = 720;
const CLIENTS: u128 = 8;

/// Writes; a refusal for want of room is what a client hears, and tries again.
async fn write(store: Store, client: u128) -> u32 {
    let mut refused = 0;
    for number in 0..COMMANDS / CLIENTS {
        let request = number * CLIENTS + client;
        loop {
            let command = large_command(request, "k", FILLER_BYTES);
            match store.propose(command, soon()).await {
                Ok(_) => break,
                Err(ProposeError::NotExecuted {
                    reason: NotExecuted::QueueFull,
                }) => refused += 1,
                Err(other) => panic!("{other}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    refused
}

async fn cluster() -> Cluster {
    let mut cluster = Cluster::new(3);
    // By numbers of entries alone nothing would be saved or purged in this test.
    cluster.limits = Limits {
        checkpoint_entries: 100_000,
        log_kept_entries: 100_000,
        log_memory_bytes: MEMORY_BYTES_MAX,
        ..cluster.limits
    };
    for id in 1..=3 {
        cluster.start(id).await;
    }
    for store in cluster.running.values() {
        store.read_barrier(soon()).await.unwrap();
    }
    cluster
}

/// The most that the leader held while everybody wrote, and the most that anybody did.
async fn peaks_while_writing(cluster: &Cluster) -> (u64, u64) {
    let writer = cluster.leader().await;
    let bytes = |store: &Store| store.metrics().log_memory_bytes;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| tokio::spawn(write(cluster.store(writer).clone(), client)))
        .collect();
    let (mut leader, mut peak) = (0, 0);
    let began = Instant::now();
    while !clients.iter().all(tokio::task::JoinHandle::is_finished) {
        leader = bytes(cluster.store(writer)).max(leader);
        peak = cluster.running.values().map(bytes).max().unwrap_or(0).max(peak);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut refused = 0;
    for client in clients {
        refused += client.await.unwrap();
    }
    println!(
        "leader {leader}, anybody {peak} bytes at most; {refused} refused for a moment, {:?}",
        began.elapsed()
    );
    (leader, peak)
}

/// What was on its way when the limit was reached: one command of each client, and a batch not yet counted.
const MARGIN: u64 = 2 * CLIENTS as u64 * (FILLER_BYTES as u64 + 1024);

/// The leader stops taking commands; a follower takes what the leader took, and purges a little later.
fn check((leader, anybody): (u64, u64)) {
    assert!(leader > MEMORY_BYTES_MAX / 4, "{leader}: the test wrote too little");
    assert!(
        leader <= MEMORY_BYTES_MAX + MARGIN,
        "{leader} bytes of entries in the leader's memory"
    );
    assert!(
        anybody <= 2 * MEMORY_BYTES_MAX,
        "{anybody} bytes of entries in a member's memory"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn large_entries_are_purged_in_time() {
    let cluster = cluster().await;
    check(peaks_while_writing(&cluster).await);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_away_keeps_nobody_from_purging_and_comes_back() {
    let mut cluster = cluster().await;
    let away = cluster.follower_of(cluster.leader().await);
    cluster.stop(away).await;
    check(peaks_while_writing(&cluster).await);
    cluster.start(away).await;
    let leader = cluster.leader().await;
    let committed = cluster.store(leader).status().committed;
    wait_status(cluster.store(away), "has caught up", |status| {
        status.applied >= committed
    })
    .await;
    assert!(
        cluster.store(away).metrics().snapshots_installed > 0,
        "the entries were gone"
    );
    cluster.stop_all().await;
}

/// Whoever is asked, the answer is the same, and says that nothing was done.
async fn refused_everywhere(cluster: &Cluster) {
    for (id, store) in &cluster.running {
        let request = (2 << 64) | u128::from(*id);
        let deadline = Instant::now() + Duration::from_millis(300);
        let refused = store.propose(large_command(request, "late", 10), deadline).await;
        let full = ProposeError::NotExecuted {
            reason: NotExecuted::QueueFull,
        };
        assert_eq!(refused.unwrap_err(), full, "at node {id}");
        store.read_barrier(soon()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_memory_is_full_refuses_as_overloaded_and_recovers() {
    let cluster = cluster().await;
    let leader = cluster.leader().await;
    let store = cluster.store(leader);
    // While somebody reads the tables as they are, none are saved, and nothing is purged.
    let reader = store.view();
    let mut written = 0;
    loop {
        let deadline = Instant::now() + Duration::from_millis(300);
        match store.propose(large_command(written, "k", FILLER_BYTES), deadline).await {
            Ok(_) => written += 1,
            Err(error) => {
                let full = ProposeError::NotExecuted {
                    reason: NotExecuted::QueueFull,
                };
                assert_eq!(error, full);
                break;
            }
        }
        assert!(written < COMMANDS, "nothing was refused");
    }
    assert!(store.metrics().log_memory_bytes >= MEMORY_BYTES_MAX);
    refused_everywhere(&cluster).await;
    assert_eq!(cluster.leader().await, leader, "a full leader is a leader");
    drop(reader);
    assert_eq!(
        count_up(store, 3 << 64, "late").await,
        1,
        "nothing of what was refused was done"
    );
    assert!(store.metrics().log_memory_bytes < MEMORY_BYTES_MAX);
    assert_eq!(u128::from(count_of(store, "k")), written);
    cluster.stop_all().await;
}
