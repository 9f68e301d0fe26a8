//! SIGSTOP and SIGCONT: a process that keeps its connections and answers nothing, and then goes on as if nothing had been.

use super::{Need, Nemesis, Strike};
use crate::chaos::field::{Field, text};
use futures_util::FutureExt as _;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(super) const ALL: &[Nemesis] = &[
    Nemesis {
        name: "pause-leader",
        about: "the leader stands still",
        need: Need::Nothing,
        act: |field, hold| {
            async move {
                let leader = field.leader().await?;
                pause(field, &[leader], hold).await
            }
            .boxed()
        },
    },
    Nemesis {
        name: "pause-follower",
        about: "a follower stands still",
        need: Need::Nothing,
        act: |field, hold| {
            async move {
                let (_, others) = field.leader_and_others().await?;
                pause(field, others.get(..1).unwrap_or_default(), hold).await
            }
            .boxed()
        },
    },
    Nemesis {
        name: "pause-minority",
        about: "as many nodes as may fail stand still, the leader among them",
        need: Need::Nothing,
        act: |field, hold| async move { pause(field, &field.minority_with_leader().await?, hold).await }.boxed(),
    },
    Nemesis {
        name: "pause-all",
        about: "all nodes stand still, as on a host that is moved",
        need: Need::Nothing,
        act: |field, hold| async move { pause(field, field.network.nodes(), hold / 3).await }.boxed(),
    },
    Nemesis {
        name: "pause-flicker",
        about: "nodes stand still for moments, one after the other",
        need: Need::Nothing,
        act: |field, hold| async move { flicker(field, hold).await }.boxed(),
    },
];

async fn pause(field: &Field, victims: &[String], hold: Duration) -> Result<Strike, String> {
    for name in victims {
        field.cluster.members().pause(name).await.map_err(text)?;
    }
    sleep(hold).await;
    let stopped = victims.iter().all(|name| field.pid(name).is_some_and(is_stopped));
    for name in victims {
        field.cluster.members().resume(name).await.map_err(text)?;
    }
    Ok(Strike::on(victims, stopped, ""))
}

async fn flicker(field: &Field, hold: Duration) -> Result<Strike, String> {
    let until = Instant::now() + hold;
    let (mut victims, mut all_stopped) = (Vec::new(), true);
    while Instant::now() < until {
        let victim = field.pick(field.network.nodes())?;
        let strike = pause(field, std::slice::from_ref(&victim), field.millis(50..=700)).await?;
        all_stopped &= strike.took_effect;
        victims.push(victim);
        sleep(field.millis(20..=300)).await;
    }
    let note = format!("{} pauses", victims.len());
    victims.sort_unstable();
    victims.dedup();
    Ok(Strike::on(&victims, all_stopped, note))
}

/// As the kernel says: state `T`.
pub(super) fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name of the program stands in brackets and may hold anything.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}
