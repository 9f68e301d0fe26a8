//! Nodes that lose their disk and are replaced by new ones, as the runbook says; also one that dies again while it receives the
//! snapshot that it begins with.

use super::{Need, Nemesis, Strike};
use crate::chaos::field::{Field, text};
use futures_util::FutureExt as _;
use std::time::Duration;
use tokio::time::sleep;

pub(super) const ALL: &[Nemesis] = &[
    Nemesis {
        name: "replace-follower",
        about: "a follower loses its disk and is replaced",
        need: Need::Nothing,
        act: |field, _| {
            async move {
                let (_, others) = field.leader_and_others().await?;
                let victim = field.pick(&others)?;
                replace(field, &victim).await
            }
            .boxed()
        },
    },
    Nemesis {
        name: "replace-leader",
        about: "the leader loses its disk and is replaced",
        need: Need::Nothing,
        act: |field, _| {
            async move {
                let leader = field.leader().await?;
                replace(field, &leader).await
            }
            .boxed()
        },
    },
    Nemesis {
        name: "kill-during-install",
        about: "a new node is killed while it receives its snapshot, again and again",
        need: Need::Nothing,
        act: |field, hold| async move { kill_while_it_joins(field, hold).await }.boxed(),
    },
];

async fn replace(field: &Field, victim: &str) -> Result<Strike, String> {
    let replaced = field.cluster.replace_node(victim).await.map_err(text)?;
    let note = format!("node {} by node {}", replaced.old, replaced.new);
    Ok(Strike::on(&[victim.to_owned()], replaced.new != replaced.old, note))
}

async fn kill_while_it_joins(field: &Field, hold: Duration) -> Result<Strike, String> {
    let (_, others) = field.leader_and_others().await?;
    let victim = field.pick(&others)?;
    let members = field.cluster.members();
    let place = cluster_harness::replace::vacate(members, &victim).await.map_err(text)?;
    let until = tokio::time::Instant::now() + hold;
    let mut kills = 0;
    while tokio::time::Instant::now() < until {
        members.launch(&victim).await.map_err(text)?;
        sleep(field.millis(50..=900)).await;
        field.kill(&victim).await?;
        kills += 1;
    }
    let replaced = cluster_harness::replace::occupy(members, &place).await.map_err(text)?;
    let note = format!("{kills} kills, node {} by node {}", replaced.old, replaced.new);
    Ok(Strike::on(&[victim], kills > 0 && replaced.new != replaced.old, note))
}
