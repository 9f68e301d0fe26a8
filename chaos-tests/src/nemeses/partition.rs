//! Networks that are cut: around one node, in halves, in one direction, with a bridge, on and off.

use super::{Need, Nemesis, Strike, struck_since};
use crate::chaos::field::Field;
use crate::proxy::Way;
use futures_util::FutureExt as _;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(super) const ALL: &[Nemesis] = &[
    cut(
        "isolate-leader",
        "the leader and the other nodes do not hear each other",
        |field, hold| {
            async move {
                let leader = field.leader().await?;
                held(field, hold, std::slice::from_ref(&leader), || {
                    field.network.change_around(&leader, Way::cut(), false)
                })
                .await
            }
            .boxed()
        },
    ),
    cut(
        "vanish-leader",
        "nobody hears the leader, load balancers neither: a machine without power",
        |field, hold| {
            async move {
                let leader = field.leader().await?;
                held(field, hold, std::slice::from_ref(&leader), || {
                    field.network.change_around(&leader, Way::cut(), true)
                })
                .await
            }
            .boxed()
        },
    ),
    cut(
        "vanish-minority",
        "nobody hears as many nodes as may fail, the leader among them",
        |field, hold| {
            async move {
                let victims = field.minority_with_leader().await?;
                held(field, hold, &victims, || {
                    for victim in &victims {
                        field.network.change_around(victim, Way::cut(), true);
                    }
                })
                .await
            }
            .boxed()
        },
    ),
    cut(
        "isolate-follower",
        "a follower and the other nodes do not hear each other",
        |field, hold| {
            async move {
                let (_, others) = field.leader_and_others().await?;
                let victim = field.pick(&others)?;
                held(field, hold, std::slice::from_ref(&victim), || {
                    field.network.change_around(&victim, Way::cut(), false)
                })
                .await
            }
            .boxed()
        },
    ),
    cut(
        "halves",
        "as many nodes as may fail, the leader among them, are cut off from the others",
        |field, hold| {
            async move {
                let (leader, others) = field.leader_and_others().await?;
                let with_leader = field.minority().saturating_sub(1);
                let (near, far) = others.split_at(with_leader.min(others.len()));
                let side: Vec<String> = near.iter().cloned().chain([leader]).collect();
                held(field, hold, &side, || between(field, &side, far)).await
            }
            .boxed()
        },
    ),
    cut("deaf-leader", "the leader hears nobody and is heard", |field, hold| {
        async move {
            let (leader, others) = field.leader_and_others().await?;
            held(field, hold, std::slice::from_ref(&leader), || {
                others
                    .iter()
                    .for_each(|other| field.network.change(other, &leader, Way::cut()));
            })
            .await
        }
        .boxed()
    }),
    cut(
        "mute-leader",
        "the leader hears everybody and is not heard",
        |field, hold| {
            async move {
                let (leader, others) = field.leader_and_others().await?;
                held(field, hold, std::slice::from_ref(&leader), || {
                    others
                        .iter()
                        .for_each(|other| field.network.change(&leader, other, Way::cut()));
                })
                .await
            }
            .boxed()
        },
    ),
    cut(
        "bridge",
        "two sides that do not hear each other, and one node that hears both",
        |field, hold| async move { bridge(field, hold).await }.boxed(),
    ),
    cut(
        "flapping",
        "links around a node are cut and mended many times in a second",
        |field, hold| async move { flap(field, hold).await }.boxed(),
    ),
    cut(
        "slow-heal",
        "the leader is cut off, and its links come back one by one",
        |field, hold| async move { heal_slowly(field, hold).await }.boxed(),
    ),
    cut(
        "cut-lb-from-leader",
        "one load balancer does not reach the leader, the other one does",
        |field, hold| {
            async move {
                let leader = field.leader().await?;
                let lb = field.pick(field.network.lbs())?;
                held(field, hold, &[lb.clone(), leader.clone()], || {
                    field.network.change_between(&lb, &leader, Way::cut());
                })
                .await
            }
            .boxed()
        },
    ),
];

const fn cut(name: &'static str, about: &'static str, act: super::Act) -> Nemesis {
    Nemesis {
        name,
        about,
        need: Need::Nothing,
        act,
    }
}

async fn held(field: &Field, hold: Duration, victims: &[String], cut: impl FnOnce()) -> Result<Strike, String> {
    let before = field.network.figures().pieces_struck;
    cut();
    sleep(hold).await;
    field.network.heal();
    // What was held is counted when it comes out.
    sleep(crate::limits::POLL).await;
    let struck = struck_since(field, before);
    Ok(Strike::on(victims, struck > 0, format!("{struck} pieces held")))
}

fn between(field: &Field, side: &[String], other: &[String]) {
    for (one, another) in side
        .iter()
        .flat_map(|one| other.iter().map(move |another| (one, another)))
    {
        field.network.change_between(one, another, Way::cut());
    }
}

async fn bridge(field: &Field, hold: Duration) -> Result<Strike, String> {
    let (leader, mut others) = field.leader_and_others().await?;
    let bridge = others.pop().ok_or("a bridge needs three nodes")?;
    others.push(leader);
    let half = others.len() / 2;
    let (one, other) = others.split_at(half);
    held(field, hold, &[bridge], || between(field, one, other)).await
}

async fn flap(field: &Field, hold: Duration) -> Result<Strike, String> {
    let victim = field.pick(field.network.nodes())?;
    let (until, before) = (Instant::now() + hold, field.network.figures().pieces_struck);
    while Instant::now() < until {
        field.network.change_around(&victim, Way::cut(), true);
        sleep(field.millis(30..=400)).await;
        field.network.heal();
        sleep(field.millis(30..=400)).await;
    }
    let struck = struck_since(field, before);
    Ok(Strike::on(&[victim], struck > 0, format!("{struck} pieces held")))
}

async fn heal_slowly(field: &Field, hold: Duration) -> Result<Strike, String> {
    let (leader, others) = field.leader_and_others().await?;
    let before = field.network.figures().pieces_struck;
    field.network.change_around(&leader, Way::cut(), false);
    sleep(hold / 2).await;
    let steps = u32::try_from(others.len() * 2).unwrap_or(1).max(1);
    for other in &others {
        field.network.change(other, &leader, Way::default());
        sleep(hold / 2 / steps).await;
        field.network.change(&leader, other, Way::default());
        sleep(hold / 2 / steps).await;
    }
    field.network.heal();
    let struck = struck_since(field, before);
    Ok(Strike::on(&[leader], struck > 0, format!("{struck} pieces held")))
}
