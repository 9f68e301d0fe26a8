//! Networks that are slow, lossy, narrow, or that reset connections. What a TCP proxy can show of each is told in
//! [`crate::proxy`].

use super::{Need, Nemesis, Strike, struck_since};
use crate::chaos::field::Field;
use crate::proxy::Way;
use futures_util::FutureExt as _;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(super) const ALL: &[Nemesis] = &[
    nemesis(
        "delay",
        "everything between nodes comes 20 to 120 ms late, each piece by another time",
        |field, hold| {
            async move {
                let way = Way {
                    delay: field.millis(20..=60),
                    jitter: field.millis(10..=60),
                    ..Way::default()
                };
                on_peers(field, hold, way).await
            }
            .boxed()
        },
    ),
    nemesis(
        "delay-one",
        "one node is 200 to 400 ms away from all others",
        |field, hold| {
            async move {
                let victim = field.pick(field.network.nodes())?;
                let way = Way {
                    delay: field.millis(100..=200),
                    ..Way::default()
                };
                around(field, hold, &victim, way).await
            }
            .boxed()
        },
    ),
    nemesis(
        "loss",
        "1 to 30 in a hundred pieces between nodes wait for a retransmission",
        |field, hold| {
            async move {
                let way = Way {
                    loss_percent: field.within(1..=30),
                    ..Way::default()
                };
                on_peers(field, hold, way).await
            }
            .boxed()
        },
    ),
    nemesis(
        "loss-to-nodes",
        "5 to 20 in a hundred pieces between load balancers and nodes wait",
        |field, hold| {
            async move {
                let way = Way {
                    loss_percent: field.within(5..=20),
                    ..Way::default()
                };
                let before = field.network.figures().pieces_struck;
                field.network.change_fronts(way);
                sleep(hold).await;
                field.network.heal();
                let struck = struck_since(field, before);
                Ok(Strike::on(
                    field.network.lbs(),
                    struck > 0,
                    format!("{way:?}, {struck} pieces"),
                ))
            }
            .boxed()
        },
    ),
    nemesis(
        "narrow",
        "the links of one node carry 32 to 128 KiB in a second",
        |field, hold| {
            async move {
                let victim = field.pick(field.network.nodes())?;
                let way = Way {
                    bytes_per_second: Some(field.within(32..=128) * 1024),
                    ..Way::default()
                };
                around(field, hold, &victim, way).await
            }
            .boxed()
        },
    ),
    nemesis(
        "reset-storm",
        "all connections are reset, several times in a second",
        |field, hold| async move { reset_storm(field, hold).await }.boxed(),
    ),
    nemesis(
        "refuse-peers",
        "connections between nodes are reset, and new ones, too",
        |field, hold| {
            async move {
                let before = field.network.figures().resets;
                field.network.refuse_peers(true);
                field.network.reset_all();
                sleep(hold / 2).await;
                field.network.heal();
                let resets = field.network.figures().resets - before;
                Ok(Strike::on(
                    field.network.nodes(),
                    resets > 0,
                    format!("{resets} resets"),
                ))
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

async fn on_peers(field: &Field, hold: Duration, way: Way) -> Result<Strike, String> {
    let before = field.network.figures().pieces_struck;
    field.network.change_peers(way);
    sleep(hold).await;
    field.network.heal();
    let struck = struck_since(field, before);
    Ok(Strike::on(
        field.network.nodes(),
        struck > 0,
        format!("{way:?}, {struck} pieces"),
    ))
}

async fn around(field: &Field, hold: Duration, victim: &str, way: Way) -> Result<Strike, String> {
    let before = field.network.figures().pieces_struck;
    field.network.change_around(victim, way, true);
    sleep(hold).await;
    field.network.heal();
    let struck = struck_since(field, before);
    Ok(Strike::on(
        &[victim.to_owned()],
        struck > 0,
        format!("{way:?}, {struck} pieces"),
    ))
}

async fn reset_storm(field: &Field, hold: Duration) -> Result<Strike, String> {
    let (until, before) = (Instant::now() + hold, field.network.figures().resets);
    while Instant::now() < until {
        field.network.reset_all();
        sleep(field.millis(50..=500)).await;
    }
    let resets = field.network.figures().resets - before;
    Ok(Strike::on(
        field.network.nodes(),
        resets > 0,
        format!("{resets} resets"),
    ))
}
