//! Real nodes are killed at random moments of a replacement: the new one, the leader, or the third. Afterwards nothing is
//! half open: three voters, no old id, no change under way.

use super::PATIENCE;
use crate::entropy::Dice;
use crate::folders::{id_of, members};
use crate::limits::POLL;
use auth_api::cluster::ClusterView;
use cluster_harness::cluster::{Cluster, Options};
use std::time::{Duration, Instant};

/// A replacement of a small cluster is over within this time.
const STRIKE_MILLIS_MAX: u64 = 1800;
/// How long the dead one stays dead.
const REST_MILLIS_MAX: u64 = 600;

/// Who was killed, and when.
#[derive(Clone, Debug)]
pub struct Strike {
    /// Its name.
    pub victim: String,
    /// The node that was being replaced.
    pub replaced: String,
    /// After the beginning of the replacement.
    pub after: Duration,
    /// What the membership was a moment later, as a node that lives sees it.
    pub left: String,
}

/// Replaces one node after the other, so many times, and kills somebody in the middle of each.
///
/// # Errors
/// What was left half open, and how to see it again.
pub async fn kill_replacements(rounds: u64, seed: u64) -> Result<Vec<Strike>, String> {
    let text = |e: cluster_harness::error::Error| e.to_string();
    let mut dice = Dice::new(seed);
    let cluster = Cluster::start(Options::default()).await.map_err(text)?;
    let names: Vec<String> = cluster.description().nodes.into_iter().map(|node| node.name).collect();
    let mut strikes = Vec::new();
    for round in 0..rounds {
        let replaced = names[dice.index(names.len())].clone();
        let victim = names[dice.index(names.len())].clone();
        let after = Duration::from_millis(dice.within(0..=STRIKE_MILLIS_MAX));
        let rest = Duration::from_millis(dice.within(0..=REST_MILLIS_MAX));
        let before = settled(&cluster, &names).await?;
        let old = id_of(&before, &replaced).map(|member| member.id);
        let strike = async {
            tokio::time::sleep(after).await;
            // It may be down at this moment: then the replacement has only begun.
            let _ = cluster.members().kill(&victim).await;
            let left = names.iter().filter(|name| **name != victim);
            let left = left.filter_map(|name| members(&cluster, name).ok()).next();
            tokio::time::sleep(rest).await;
            left.map_or_else(|| "nobody answered".into(), |view| words(&view))
        };
        let (done, left) = tokio::join!(cluster.replace_node(&replaced), strike);
        strikes.push(Strike {
            victim,
            replaced: replaced.clone(),
            after,
            left,
        });
        revive(&cluster, &names).await;
        if done.is_err() && !goes_on(&cluster, &names, &replaced, old).await {
            // Killed before it had asked: as an operator would, once more.
            cluster.replace_node(&replaced).await.map_err(text)?;
        }
        let view = settled(&cluster, &names)
            .await
            .map_err(|why| format!("round {round}, {strikes:?}: {why}"))?;
        if id_of(&view, &replaced).map(|member| member.id) == old {
            return Err(format!("round {round}: {replaced} is node {old:?} still, {strikes:?}"));
        }
    }
    Ok(strikes)
}

fn words(view: &ClusterView) -> String {
    let members = view.members.iter().map(|m| format!("{} {} {}", m.id, m.name, m.part));
    let members: Vec<String> = members.collect();
    format!(
        "{}{}",
        members.join(", "),
        if view.changing { ", changing" } else { "" }
    )
}

/// Starts everybody who is down.
async fn revive(cluster: &Cluster, names: &[String]) {
    let _ = cluster.members().reap().await;
    for name in names {
        if cluster.description().pid(name).is_none() {
            let _ = cluster.members().launch(name).await;
        }
    }
}

/// Whether the new node was let in before somebody died: then it comes in by itself.
async fn goes_on(cluster: &Cluster, names: &[String], replaced: &str, old: Option<u64>) -> bool {
    let until = Instant::now() + PATIENCE / 6;
    while Instant::now() < until {
        let views = names.iter().filter(|name| *name != replaced);
        let view = views.filter_map(|name| members(cluster, name).ok()).next();
        if view.is_some_and(|view| id_of(&view, replaced).map(|member| member.id) != old) {
            return true;
        }
        tokio::time::sleep(POLL).await;
    }
    false
}

/// Waits until there are three voters under three names and nothing else, and everybody says so.
async fn settled(cluster: &Cluster, names: &[String]) -> Result<ClusterView, String> {
    let until = Instant::now() + PATIENCE;
    loop {
        revive(cluster, names).await;
        let views: Vec<_> = names.iter().map(|name| members(cluster, name)).collect();
        let whole = |view: &ClusterView| {
            let mut voters: Vec<&str> = view.members.iter().map(|member| member.name.as_str()).collect();
            voters.sort_unstable();
            voters == *names && !view.changing && view.members.iter().all(|member| member.part == "voter")
        };
        let all = views.iter().all(|view| view.as_ref().is_ok_and(whole));
        if let (true, Some(Ok(view))) = (all, views.first()) {
            return Ok(view.clone());
        }
        if Instant::now() > until {
            return Err(format!("the membership does not settle: {views:?}"));
        }
        tokio::time::sleep(POLL).await;
    }
}
