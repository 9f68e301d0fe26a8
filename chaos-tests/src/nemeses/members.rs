//! Nodes that lose their disk and are replaced by new ones, as the runbook says; one that dies again while it receives the
//! snapshot that it begins with, or gets it over a narrow path; and clusters that become smaller and larger again.

use super::{Need, Nemesis, Strike, struck_since};
use crate::chaos::field::{Field, text};
use crate::proxy::Way;
use cluster_harness::replace::{arrive, occupy, vacate};
use cluster_harness::resize;
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
    Nemesis {
        name: "narrow-install",
        about: "a new node gets its snapshot over a path of 64 to 256 KiB in a second",
        need: Need::Nothing,
        act: |field, _| async move { install_slowly(field).await }.boxed(),
    },
    Nemesis {
        name: "shrink-and-grow",
        about: "nodes are removed down to three, the leader among them, and join again with empty disks",
        need: Need::Nothing,
        act: |field, hold| async move { shrink_and_grow(field, hold).await }.boxed(),
    },
];

/// The smallest cluster that survives a death.
const NODES_LEFT: usize = 3;

async fn replace(field: &Field, victim: &str) -> Result<Strike, String> {
    let replaced = field.cluster.replace_node(victim).await.map_err(text)?;
    let note = format!("node {} by node {}", replaced.old, replaced.new);
    Ok(Strike::on(&[victim.to_owned()], replaced.new != replaced.old, note))
}

async fn kill_while_it_joins(field: &Field, hold: Duration) -> Result<Strike, String> {
    let (_, others) = field.leader_and_others().await?;
    let victim = field.pick(&others)?;
    let members = field.cluster.members();
    let place = vacate(members, &victim).await.map_err(text)?;
    let until = tokio::time::Instant::now() + hold;
    let mut kills = 0;
    while tokio::time::Instant::now() < until {
        members.launch(&victim).await.map_err(text)?;
        sleep(field.millis(50..=900)).await;
        field.kill(&victim).await?;
        kills += 1;
    }
    let replaced = occupy(members, &place).await.map_err(text)?;
    let note = format!("{kills} kills, node {} by node {}", replaced.old, replaced.new);
    Ok(Strike::on(&[victim], kills > 0 && replaced.new != replaced.old, note))
}

async fn install_slowly(field: &Field) -> Result<Strike, String> {
    let (_, others) = field.leader_and_others().await?;
    let victim = field.pick(&others)?;
    let way = Way {
        bytes_per_second: Some(field.within(64..=256) * 1024),
        ..Way::default()
    };
    let before = field.network.figures().pieces_struck;
    field.network.change_around(&victim, way, false);
    let members = field.cluster.members();
    let place = vacate(members, &victim).await.map_err(text)?;
    let occupied = occupy(members, &place).await;
    let struck = struck_since(field, before);
    field.network.heal();
    let replaced = match occupied {
        Ok(replaced) => replaced,
        Err(late) => {
            // How long it takes over such a path is promised nowhere; that it takes its place once the path is wide again is.
            field.start(&victim).await?;
            let replaced = arrive(members, &place).await.map_err(text)?;
            let note = format!(
                "{way:?}, {struck} pieces: {late}; it came as node {} afterwards",
                replaced.new
            );
            return Ok(Strike::late(&[victim], note));
        }
    };
    let note = format!(
        "{way:?}, {struck} pieces, node {} by node {}",
        replaced.old, replaced.new
    );
    Ok(Strike::on(&[victim], struck > 0 && replaced.new != replaced.old, note))
}

async fn shrink_and_grow(field: &Field, hold: Duration) -> Result<Strike, String> {
    let (leader, others) = field.leader_and_others().await?;
    let too_many = field.network.nodes().len().saturating_sub(NODES_LEFT);
    let victims: Vec<String> = std::iter::once(leader).chain(others).take(too_many).collect();
    if victims.is_empty() {
        return Err(format!("a cluster of {NODES_LEFT} has nobody to spare"));
    }
    let members = field.cluster.members();
    let mut notes = Vec::new();
    for victim in &victims {
        notes.push(format!(
            "node {} removed",
            resize::remove(members, victim).await.map_err(text)?
        ));
    }
    let voters = field.view().await?.members.len();
    sleep(hold).await;
    for victim in &victims {
        notes.push(format!(
            "node {} joined",
            resize::add(members, victim).await.map_err(text)?
        ));
    }
    Ok(Strike::on(&victims, voters == NODES_LEFT, notes.join(", ")))
}
