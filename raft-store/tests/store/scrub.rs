//! Damage on disk while the store runs: the scrubber finds it, nothing is acknowledged any more, the folder is not opened
//! again, and the rest of the cluster serves on.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use raft_store::{Fault, OpenError, ProposeError, Store};

use crate::support::{Cluster, command, count_up, large_command, soon};

const PAGE_BYTES: u64 = 4096;

/// Waits for passes that began and ended after this call.
async fn passes(store: &Store, count: u64) {
    let until = store.metrics().scrub_passes + count + 1;
    let deadline = soon();
    while store.metrics().scrub_passes < until {
        assert!(Instant::now() < deadline, "{:?}", store.metrics());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// One bit in the middle of every page of all files of the log.
fn flip_bits(log: &Path) -> std::io::Result<()> {
    let mut pages = 0;
    for entry in std::fs::read_dir(log)? {
        let file = File::options().read(true).write(true).open(entry?.path())?;
        for page in 0..file.metadata()?.len() / PAGE_BYTES {
            let (at, mut byte) = (page * PAGE_BYTES + PAGE_BYTES / 2, [0]);
            file.read_exact_at(&mut byte, at)?;
            file.write_all_at(&[byte[0] ^ 0x10], at)?;
            pages += 1;
        }
    }
    assert!(pages > 1000, "{pages}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_under_a_running_member_stops_it_and_nobody_else() {
    let mut cluster = Cluster::new(3);
    cluster.limits.scrub_pause = Duration::from_millis(1);
    for id in 1..=3 {
        cluster.start(id).await;
    }
    let store = cluster.store(1).clone();
    for request in 0..400 {
        store
            .propose(large_command(request, "k", 20_000), soon())
            .await
            .unwrap();
    }
    passes(&store, 2).await;
    let seen = store.metrics();
    assert!(
        seen.scrub_frames > 0 && seen.scrub_rows > 0 && seen.scrub_bytes > 0,
        "{seen:?}"
    );
    assert_eq!(seen.scrub_errors, 0);

    let victim = cluster.follower_of(cluster.leader().await);
    let damaged = cluster.running.remove(&victim).unwrap();
    flip_bits(&cluster.data_dir(victim).join("log")).unwrap();
    let fault = tokio::time::timeout(Duration::from_secs(20), damaged.failed()).await;
    let fault = fault.expect("the scrubber must find it");
    assert!(matches!(fault, Fault::Damaged(_)), "{fault}");
    let folder = cluster.data_dir(victim).display().to_string();
    assert!(fault.to_string().contains(&folder), "{fault}");
    assert_eq!(damaged.metrics().scrub_errors, 1);

    // The others serve on.
    let survivor = cluster.any().clone();
    assert_eq!(count_up(&survivor, 1_000_000, "other").await, 1);
    damaged.shutdown(Duration::ZERO).await.unwrap_err();
    drop(damaged);
    let refused = cluster.try_open(cluster.config(victim)).await.err().unwrap();
    assert!(matches!(refused, OpenError::Quarantine { .. }), "{refused}");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_found_damage_acknowledges_nothing() {
    let mut cluster = Cluster::new(1);
    cluster.limits.scrub_pause = Duration::from_millis(1);
    cluster.start(1).await;
    let store = cluster.store(1).clone();
    for request in 0..400 {
        store
            .propose(large_command(request, "k", 20_000), soon())
            .await
            .unwrap();
    }
    passes(&store, 2).await;
    flip_bits(&cluster.data_dir(1).join("log")).unwrap();
    tokio::time::timeout(Duration::from_secs(20), store.failed())
        .await
        .expect("found");
    let deadline = Instant::now() + Duration::from_millis(500);
    let proposed = store.propose(command(2_000_000, "k"), deadline).await;
    assert!(
        matches!(
            proposed,
            Err(ProposeError::Unknown { .. } | ProposeError::NotExecuted { .. })
        ),
        "{proposed:?}"
    );
    store.shutdown(Duration::ZERO).await.unwrap_err();
}
