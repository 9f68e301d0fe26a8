//! A snapshot that takes far longer to send than a checkpoint waits for its readers arrives all the same.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use raft_store::{Limits, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Cluster, command, count_up, free_addresses, soon, wait_status};

/// What one connection to the slow member gets through.
const BYTES_PER_SECOND: u64 = 160 * 1024;
/// Rows of 16 + 16 bytes and their request ids: some 400 KiB of tables.
const ROWS: u128 = 6000;
/// The minute that a checkpoint waits, made short.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(300);

/// Carries connections to `target`, each no faster than allowed in that direction.
async fn slow_path(listener: TcpListener, target: SocketAddr) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            return;
        };
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(target).await else {
                return;
            };
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            let back = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
                if to_server.write_all(&buffer[..count]).await.is_err() {
                    break;
                }
                let pause = Duration::from_micros(1_000_000 * count as u64 / BYTES_PER_SECOND);
                // The pace of the path, not a wait for anything.
                tokio::time::sleep(pause).await;
            }
            back.abort();
        });
    }
}

/// Everybody sees the member with this id behind a slow path; it listens where it says.
async fn behind_a_slow_path(cluster: &mut Cluster, id: u64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = listener.local_addr().unwrap();
    let back = free_addresses(1)[0];
    for member in &mut cluster.members {
        if member.id == id {
            member.peer_address = front;
        }
    }
    tokio::spawn(slow_path(listener, back));
    back
}

/// Keeps the log moving, so that checkpoints are due all the time.
async fn keep_writing(store: Store, stop: Arc<AtomicBool>) -> u128 {
    let mut request = 1 << 32;
    while !stop.load(SeqCst) {
        count_up(&store, request, "moving").await;
        request += 1;
    }
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_behind_a_slow_path_gets_a_snapshot_under_load() {
    let mut cluster = Cluster::new(3);
    cluster.limits = Limits {
        checkpoint_entries: 100,
        log_kept_entries: 10,
        checkpoint_wait: CHECKPOINT_WAIT,
        ..cluster.limits
    };
    let listen = behind_a_slow_path(&mut cluster, 3).await;
    let mut third = cluster.config(3);
    third.listen = listen;
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
            store
                .propose(command(request, &format!("row-{request}")), soon())
                .await
                .unwrap()
        }
    });
    futures_util::future::join_all(writes).await;

    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn(keep_writing(cluster.store(1).clone(), stop.clone()));
    let began = Instant::now();
    cluster.run(third).await;
    wait_status(cluster.store(3), "has the snapshot", |status| {
        u128::from(status.applied) > ROWS
    })
    .await;
    let took = began.elapsed();
    stop.store(true, SeqCst);
    let written = writing.await.unwrap() - (1 << 32);
    println!("a snapshot came in {took:?}, while a checkpoint waits {CHECKPOINT_WAIT:?}; {written} writes meanwhile");
    assert!(
        took > CHECKPOINT_WAIT * 4,
        "{took:?}: the path was not slow enough to show anything"
    );
    assert!(written > 100, "{written}: no checkpoint was due meanwhile");
    let committed = cluster.store(1).status().committed;
    wait_status(cluster.store(3), "has caught up", |status| status.applied >= committed).await;
    cluster.stop_all().await;
}
