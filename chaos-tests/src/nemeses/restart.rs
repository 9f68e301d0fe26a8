//! Rolling restarts, as an operator does them: SIGTERM, wait until it is back and ready, the next one.

use super::{Need, Nemesis, Strike};
use crate::chaos::field::{Field, text};
use futures_util::FutureExt as _;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(super) const ALL: &[Nemesis] = &[Nemesis {
    name: "rolling-restart",
    about: "every node and every load balancer is restarted in order, one after the other",
    need: Need::Nothing,
    act: |field, _| async move { roll(field).await }.boxed(),
}];

/// A member that is not ready by then is a finding of the checks that follow.
const READY_MAX: Duration = Duration::from_secs(20);

async fn roll(field: &Field) -> Result<Strike, String> {
    let names: Vec<String> = field
        .network
        .nodes()
        .iter()
        .chain(field.network.lbs())
        .cloned()
        .collect();
    let mut all_changed = true;
    for name in &names {
        let before = field.pid(name);
        field.cluster.members().restart(name).await.map_err(text)?;
        all_changed &= before != field.pid(name);
        wait_ready(field, name).await;
    }
    Ok(Strike::on(&names, all_changed, ""))
}

async fn wait_ready(field: &Field, name: &str) {
    let until = Instant::now() + READY_MAX;
    while Instant::now() < until {
        let status = field.status().await;
        if !status.sick().contains(&name) {
            return;
        }
        sleep(crate::limits::POLL).await;
    }
}
