//! Writes per second, printed; and the one relation that must hold whatever the machine: many clients share an fsync.

use std::time::{Duration, Instant};

use crate::support::{Cluster, command, soon};

async fn writes_per_second(cluster: &Cluster, clients: u128) -> f64 {
    let leader = cluster.leader().await;
    let until = Instant::now() + Duration::from_millis(1500);
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let store = cluster.store(leader).clone();
            tokio::spawn(async move {
                let mut done = 0_u32;
                while Instant::now() < until {
                    let request = rand::random();
                    store
                        .propose(command(request, &format!("k{client}")), soon())
                        .await
                        .unwrap();
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut total = 0;
    for task in tasks {
        total += task.await.unwrap();
    }
    f64::from(total) / 1.5
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_share_an_fsync() {
    let mut cluster = Cluster::new(3);
    cluster.limits.checkpoint_entries = 20_000;
    for id in 1..=3 {
        cluster.start(id).await;
    }
    let one = writes_per_second(&cluster, 1).await;
    let many = writes_per_second(&cluster, 64).await;
    let crowd = writes_per_second(&cluster, 512).await;
    let metrics = cluster.store(cluster.leader().await).metrics();
    let fsync_us = metrics.fsync_us.sum / metrics.fsync_us.count.max(1);
    println!("writes/s with 1, 64, 512 clients: {one:.0}, {many:.0}, {crowd:.0}; mean fsync {fsync_us} us");
    assert!(many > 2.0 * one, "64 clients {many:.0}/s, one client {one:.0}/s");
    cluster.stop_all().await;
}
