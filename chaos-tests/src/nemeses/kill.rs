//! kill -9: one node, as many as may fail, all at once, and again and again while it opens its data folder.

use super::{Need, Nemesis, Strike};
use crate::chaos::field::{Field, text};
use futures_util::FutureExt as _;
use std::time::Duration;
use tokio::time::sleep;

pub(super) const ALL: &[Nemesis] = &[
    nemesis("kill-leader", "kill -9 of the leader", |field, hold| {
        async move {
            let leader = field.leader().await?;
            kill(field, &[leader], hold).await
        }
        .boxed()
    }),
    nemesis("kill-follower", "kill -9 of a follower", |field, hold| {
        async move {
            let (_, others) = field.leader_and_others().await?;
            kill(field, others.get(..1).unwrap_or_default(), hold).await
        }
        .boxed()
    }),
    nemesis(
        "kill-minority",
        "kill -9 of as many nodes as may fail, the leader among them",
        |field, hold| async move { kill(field, &field.minority_with_leader().await?, hold).await }.boxed(),
    ),
    nemesis("kill-all", "kill -9 of all nodes at the same moment", |field, hold| {
        async move { kill(field, field.network.nodes(), hold / 4).await }.boxed()
    }),
    nemesis(
        "kill-during-open",
        "kill -9 of a node while it opens its data, again and again",
        |field, hold| {
            async move {
                let (_, others) = field.leader_and_others().await?;
                let victim = field.pick(&others)?;
                kill_while_it_opens(field, &victim, hold).await
            }
            .boxed()
        },
    ),
];

const fn nemesis(name: &'static str, about: &'static str, act: super::Act) -> Nemesis {
    Nemesis {
        name,
        about,
        need: Need::Nothing,
        act,
    }
}

async fn kill(field: &Field, victims: &[String], hold: Duration) -> Result<Strike, String> {
    let names: Vec<&str> = victims.iter().map(String::as_str).collect();
    let before: Vec<Option<u32>> = names.iter().map(|name| field.pid(name)).collect();
    field.cluster.members().kill_together(&names).await.map_err(text)?;
    let all_gone = names.iter().all(|name| field.pid(name).is_none());
    sleep(hold).await;
    for name in victims {
        field.cluster.members().launch(name).await.map_err(text)?;
    }
    for name in victims {
        field.start(name).await?;
    }
    let alive_before = before.iter().all(Option::is_some);
    Ok(Strike::on(victims, all_gone && alive_before, ""))
}

/// Lives of 0 to 400 ms: a node that opens takes longer.
async fn kill_while_it_opens(field: &Field, victim: &str, hold: Duration) -> Result<Strike, String> {
    let until = tokio::time::Instant::now() + hold;
    let mut kills = 0;
    field.kill(victim).await?;
    while tokio::time::Instant::now() < until {
        field.cluster.members().launch(victim).await.map_err(text)?;
        sleep(field.millis(0..=400)).await;
        field.kill(victim).await?;
        kills += 1;
    }
    field.start(victim).await?;
    Ok(Strike::on(&[victim.to_owned()], kills > 0, format!("{kills} kills")))
}
