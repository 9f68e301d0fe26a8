//! A snapshot arrives under load, and what came meanwhile follows it: however long it takes to send, however late its answers
//! are, and however many commands come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use raft_store::{Limits, NotExecuted, ProposeError, Store};

use crate::slow_path::SlowPath;
use crate::support::{Cluster, command, large_command, soon, until, wait_status};

/// Some 400 KiB of tables.
const ROWS: u128 = 6000;
/// The minute that a checkpoint waits, made short.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(300);
const CLIENTS: u128 = 6;

/// What everybody writes all the time.
#[derive(Clone, Copy, Debug)]
struct Load {
    bytes: usize,
    pause: Duration,
}

/// Commands that were applied, and how often one was refused for want of room.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    commands: u64,
    refused: u64,
}

async fn keep_writing(store: Store, client: u128, load: Load, stop: Arc<AtomicBool>) -> Written {
    let mut written = Written::default();
    while !stop.load(SeqCst) {
        let request = (1 + client) << 64 | u128::from(written.commands);
        // Soon enough that a refusal is seen, and not only waited out.
        let deadline = Instant::now() + Duration::from_millis(200);
        match store
            .propose(large_command(request, "moving", load.bytes), deadline)
            .await
        {
            Ok(_) => written.commands += 1,
            Err(ProposeError::NotExecuted {
                reason: NotExecuted::QueueFull,
            }) => written.refused += 1,
            // A busy machine: the same command again.
            Err(ProposeError::NotExecuted { .. } | ProposeError::Unknown { .. }) => {}
        }
        tokio::time::sleep(load.pause).await;
    }
    written
}

/// What it took to bring a member back.
#[derive(Debug)]
struct Report {
    took: Duration,
    written: Written,
    snapshots: u64,
}

/// Everybody writes, and a member that was away comes back over `path`. The load ends when it has caught up.
async fn bring_back(path: SlowPath, limits: Limits, load: Load) -> Report {
    let mut cluster = Cluster::new(3);
    cluster.limits = limits;
    let third = path.before(&mut cluster, 3).await;
    for id in [1, 2] {
        cluster.start(id).await;
    }
    cluster.run(third.clone()).await;
    wait_status(cluster.store(3), "in the cluster", |status| status.voters.len() == 3).await;
    cluster.stop(3).await;
    cluster.store(1).read_barrier(soon()).await.unwrap();
    let writes = (0..ROWS).map(|request| {
        let store = cluster.store(1).clone();
        async move {
            let command = command(request, &format!("row-{request}"));
            store.propose(command, soon()).await.unwrap()
        }
    });
    futures_util::future::join_all(writes).await;
    // As long as it counts as living, what it lacks is kept.
    let gone = async || {
        let entries = cluster
            .running
            .values()
            .map(|store| u128::from(store.metrics().log_entries));
        entries.max().is_some_and(|most| most < ROWS / 4)
    };
    until("what it lacks is purged", gone).await;

    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..CLIENTS)
        .map(|client| tokio::spawn(keep_writing(cluster.store(1).clone(), client, load, stop.clone())))
        .collect();
    let began = Instant::now();
    cluster.run(third).await;
    let arrived = |status: &raft_store::Status| u128::from(status.applied) > ROWS;
    wait_status(cluster.store(3), "has the snapshot", arrived).await;
    let took = began.elapsed();
    let committed = cluster.store(1).status().committed;
    let caught_up = |status: &raft_store::Status| status.applied >= committed;
    wait_status(cluster.store(3), "has caught up under load", caught_up).await;
    stop.store(true, SeqCst);
    let mut written = Written::default();
    for writer in writers {
        let one = writer.await.unwrap();
        written.commands += one.commands;
        written.refused += one.refused;
    }
    let snapshots = cluster.store(3).metrics().snapshots_installed;
    cluster.stop_all().await;
    let report = Report {
        took,
        written,
        snapshots,
    };
    println!("{report:?}");
    report
}

fn limits() -> Limits {
    Limits {
        checkpoint_entries: 100,
        log_kept_entries: 10,
        checkpoint_wait: CHECKPOINT_WAIT,
        ..crate::support::small_limits()
    }
}

const TRICKLE: Load = Load {
    bytes: 0,
    pause: Duration::from_millis(5),
};

#[tokio::test(flavor = "multi_thread")]
async fn a_member_behind_a_slow_path_gets_a_snapshot_under_load() {
    let path = SlowPath {
        bytes_per_second: 160 * 1024,
        answers_late: Duration::ZERO,
    };
    let report = bring_back(path, limits(), TRICKLE).await;
    assert!(
        report.took > CHECKPOINT_WAIT * 4,
        "the path was not slow enough to show anything: {report:?}"
    );
    assert!(
        report.written.commands > 100,
        "no checkpoint was due meanwhile: {report:?}"
    );
    assert_eq!(report.snapshots, 1, "{report:?}");
}

/// Until the last answer is there, the leader does not know from where on the member needs entries.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_a_snapshot_is_kept_until_the_member_has_it() {
    let path = SlowPath {
        bytes_per_second: 1024 * 1024,
        answers_late: Duration::from_millis(150),
    };
    let report = bring_back(path, limits(), TRICKLE).await;
    assert_eq!(report.snapshots, 1, "the entries behind it had gone: {report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_held_back_when_a_snapshot_could_not_arrive_otherwise() {
    let path = SlowPath {
        bytes_per_second: 320 * 1024,
        answers_late: Duration::ZERO,
    };
    let flood = Load {
        bytes: 16 * 1024,
        pause: Duration::ZERO,
    };
    let room = 1024 * 1024;
    let limits = Limits {
        checkpoint_wait_bytes: room,
        ..limits()
    };
    let report = bring_back(path, limits, flood).await;
    assert_eq!(report.snapshots, 1, "{report:?}");
    assert!(report.written.refused > 0, "nothing was held back: {report:?}");
    assert!(
        report.written.commands * flood.bytes as u64 > room,
        "it would have arrived anyway: {report:?}"
    );
}
