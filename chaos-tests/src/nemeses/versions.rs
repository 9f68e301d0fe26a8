//! Nodes of two builds in one cluster, as in the middle of an upgrade. The other build is whatever lies in the folder that
//! `--older` names: there is no switch in a node that would make it pretend to be another version.

use super::{Need, Nemesis, Strike};
use crate::chaos::field::{Field, text};
use cluster_harness::equipment::Equipment;
use futures_util::FutureExt as _;
use std::time::Duration;
use tokio::time::sleep;

pub(super) const ALL: &[Nemesis] = &[Nemesis {
    name: "mixed-versions",
    about: "nodes are restarted as the older build and as the newer one, in turns",
    need: Need::Older,
    act: |field, hold| async move { mix(field, hold).await }.boxed(),
}];

async fn mix(field: &Field, hold: Duration) -> Result<Strike, String> {
    let older = field.older.clone().ok_or("no older build was named")?;
    let program = older.join("tfauth-node");
    let victim = field.pick(field.network.nodes())?;
    let members = field.cluster.members();
    members.equip(
        &victim,
        Equipment {
            program: Some(program.clone()),
            ..Equipment::default()
        },
    );
    members.restart(&victim).await.map_err(text)?;
    sleep(hold).await;
    let runs = field
        .pid(&victim)
        .and_then(|pid| std::fs::read_link(format!("/proc/{pid}/exe")).ok());
    members.equip(&victim, Equipment::default());
    members.restart(&victim).await.map_err(text)?;
    let is_older = runs.is_some() && runs == program.canonicalize().ok();
    Ok(Strike::on(&[victim], is_older, format!("{runs:?}")))
}
