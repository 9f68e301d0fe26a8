//! A load balancer that dies, stands still, or is restarted. Clients know the address of every load balancer and take the next
//! one when nobody listens.

use super::{Need, Nemesis, Strike, pause};
use crate::chaos::field::{Field, text};
use futures_util::FutureExt as _;
use std::time::Duration;
use tokio::time::sleep;

pub(super) const ALL: &[Nemesis] = &[
    Nemesis {
        name: "kill-lb",
        about: "kill -9 of a load balancer",
        need: Need::Nothing,
        act: |field, hold| async move { kill(field, hold).await }.boxed(),
    },
    Nemesis {
        name: "pause-lb",
        about: "a load balancer stands still",
        need: Need::Nothing,
        act: |field, hold| async move { stand_still(field, hold / 3).await }.boxed(),
    },
    Nemesis {
        name: "restart-lb",
        about: "a load balancer drains, ends and starts again",
        need: Need::Nothing,
        act: |field, hold| async move { restart(field, hold).await }.boxed(),
    },
];

async fn kill(field: &Field, hold: Duration) -> Result<Strike, String> {
    let victim = field.pick(field.network.lbs())?;
    field.kill(&victim).await?;
    let is_gone = field.pid(&victim).is_none();
    sleep(hold).await;
    field.start(&victim).await?;
    Ok(Strike::on(&[victim], is_gone, ""))
}

async fn stand_still(field: &Field, hold: Duration) -> Result<Strike, String> {
    let victim = field.pick(field.network.lbs())?;
    field.cluster.members().pause(&victim).await.map_err(text)?;
    sleep(hold).await;
    let stopped = field.pid(&victim).is_some_and(pause::is_stopped);
    field.cluster.members().resume(&victim).await.map_err(text)?;
    Ok(Strike::on(&[victim], stopped, ""))
}

async fn restart(field: &Field, hold: Duration) -> Result<Strike, String> {
    let victim = field.pick(field.network.lbs())?;
    let before = field.pid(&victim);
    field.cluster.members().stop(&victim).await.map_err(text)?;
    sleep(hold / 4).await;
    field.start(&victim).await?;
    let after = field.pid(&victim);
    Ok(Strike::on(&[victim], before != after && after.is_some(), ""))
}
