//! Disks that are slow, full, read-only, that fail to sync or lose power: each node's data lie on a filesystem of our own, see
//! [`crate::faultfs`]. A node on a failing disk stops acknowledging or stops; it is started again when the disk is well.

use super::{Need, Nemesis, Strike};
use crate::chaos::field::{Field, text};
use crate::faultfs::FaultDisk;
use futures_util::FutureExt as _;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(super) const ALL: &[Nemesis] = &[
    nemesis(
        "slow-disk",
        "every request to the disk of a node takes 10 to 60 ms more",
        |field, hold| {
            async move {
                let delay = field.millis(10..=60);
                any(field, hold, "is slow", |disk| disk.slow(delay)).await
            }
            .boxed()
        },
    ),
    nemesis(
        "slow-sync-leader",
        "every fsync of the leader takes 0.2 to 2 s more",
        |field, hold| {
            async move {
                let delay = field.millis(200..=2_000);
                let leader = field.leader().await?;
                strike(field, hold, &leader, "syncs slowly", |disk| disk.slow_sync(delay)).await
            }
            .boxed()
        },
    ),
    nemesis(
        "full-disk",
        "the disk of a node is full, then has room again",
        |field, hold| {
            async move {
                any(field, hold, "is full", |disk| {
                    let used = disk.stat("used-bytes")?;
                    disk.capacity(Some(used + 4_096))
                })
                .await
            }
            .boxed()
        },
    ),
    nemesis(
        "failing-sync",
        "fsync of a node fails, and what it covered is gone",
        |field, hold| async move { any(field, hold, "fails to sync", |disk| disk.fail_sync(true)).await }.boxed(),
    ),
    nemesis("failing-sync-leader", "fsync of the leader fails", |field, hold| {
        async move {
            let leader = field.leader().await?;
            strike(field, hold, &leader, "fails to sync", |disk| disk.fail_sync(true)).await
        }
        .boxed()
    }),
    nemesis(
        "read-only-disk",
        "the disk of a node becomes read-only, then writable again",
        |field, hold| async move { any(field, hold, "is read-only", |disk| disk.read_only(true)).await }.boxed(),
    ),
    nemesis(
        "power-loss",
        "a node loses power: what it did not sync is forgotten, some of it torn",
        |field, hold| {
            async move {
                let victim = field.pick(field.network.nodes())?;
                lose_power(field, &[victim], hold).await
            }
            .boxed()
        },
    ),
    nemesis(
        "power-loss-minority",
        "as many nodes as may fail lose power at the same moment, the leader among them",
        |field, hold| async move { lose_power(field, &field.minority_with_leader().await?, hold).await }.boxed(),
    ),
    nemesis(
        "power-loss-everywhere",
        "all nodes lose power at the same moment",
        |field, hold| async move { lose_power(field, field.network.nodes(), hold / 3).await }.boxed(),
    ),
];

const fn nemesis(name: &'static str, about: &'static str, act: super::Act) -> Nemesis {
    Nemesis {
        name,
        about,
        need: Need::Disk,
        act,
    }
}

async fn any(
    field: &Field,
    hold: Duration,
    how: &str,
    spoil: impl FnOnce(&mut FaultDisk) -> Result<(), String>,
) -> Result<Strike, String> {
    let victim = field.pick(field.network.nodes())?;
    strike(field, hold, &victim, how, spoil).await
}

async fn strike(
    field: &Field,
    hold: Duration,
    victim: &str,
    how: &str,
    spoil: impl FnOnce(&mut FaultDisk) -> Result<(), String>,
) -> Result<Strike, String> {
    let before = with(field, victim, |disk| disk.stat("syncs")).await?;
    with(field, victim, spoil).await?;
    sleep(hold).await;
    let after = with(field, victim, |disk| disk.stat("syncs")).await?;
    let is_down = is_down(field, victim).await;
    with(field, victim, well).await?;
    if is_down {
        field.kill(victim).await?;
        come_back(field, victim).await?;
    }
    let note = format!(
        "{how}: {} syncs, {}",
        after - before,
        if is_down { "it stopped serving" } else { "it serves" }
    );
    // Somebody met the fault: it synced, or it noticed and stopped.
    Ok(Strike::on(&[victim.to_owned()], after > before || is_down, note))
}

fn well(disk: &mut FaultDisk) -> Result<(), String> {
    disk.slow(Duration::ZERO)?;
    disk.fail_sync(false)?;
    disk.read_only(false)?;
    disk.capacity(None)
}

async fn lose_power(field: &Field, victims: &[String], hold: Duration) -> Result<Strike, String> {
    for name in victims {
        with(field, name, FaultDisk::power_off).await?;
    }
    let mut notes = Vec::new();
    for name in victims {
        field.kill(name).await?;
        let seed = field.within(0..=u64::from(u32::MAX));
        notes.push(with(field, name, |disk| disk.power_on(seed)).await?);
    }
    sleep(hold).await;
    for name in victims {
        come_back(field, name).await?;
    }
    Ok(Strike::on(victims, true, notes.join("; ")))
}

/// Starts a node whose disk is well again; it may take some tries when it judges its folder.
async fn come_back(field: &Field, name: &str) -> Result<(), String> {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match field.start(name).await {
            Ok(()) => return Ok(()),
            Err(why) if Instant::now() > until => return Err(why),
            Err(_) => sleep(crate::limits::POLL * 4).await,
        }
    }
}

async fn is_down(field: &Field, name: &str) -> bool {
    let _not_written = field.cluster.members().reap().await.map_err(text);
    let status = field.status().await;
    status.sick().contains(&name)
}

async fn with<T>(
    field: &Field,
    name: &str,
    act: impl FnOnce(&mut FaultDisk) -> Result<T, String>,
) -> Result<T, String> {
    let mut disks = field.disks.lock().await;
    act(disks.get_mut(name).ok_or("this cluster has no disk of ours")?)
}
