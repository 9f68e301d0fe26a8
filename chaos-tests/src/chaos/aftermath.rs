//! After everything is mended: waits until the cluster is whole, and asks it what it has. Judges nothing.

use super::evidence::{Aftermath, AuditRow};
use super::field::Field;
use super::recorder::{Call, Outcome};
use super::stage::Stage;
use crate::limits::{POLL, SETTLED_AFTER_MAX};
use crate::promises::MAKERS;
use auth_api::status::Role;
use reqwest::Method;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// After so many questions without an answer no more are asked: each takes its time.
const UNASKED_MAX: usize = 20;

/// Waits for a leader from `since` on.
pub(super) async fn leader_after(field: &Field, since: Instant, patience: u32) -> Option<Duration> {
    let deadline = since + SETTLED_AFTER_MAX * patience;
    loop {
        let status = field.status().await;
        if status.nodes.iter().any(|node| node.role == Role::Leader) {
            return Some(since.elapsed());
        }
        if Instant::now() > deadline {
            return None;
        }
        sleep(POLL).await;
    }
}

/// Waits, from the last client on, until every member is ready and has applied the same, and no change of the membership is open.
pub(super) async fn settle(field: &Field, patience: u32, found: &mut Aftermath) {
    let since = Instant::now();
    let deadline = since + SETTLED_AFTER_MAX * patience;
    loop {
        found.unsettled = match unsettled(field, found).await {
            None => {
                found.settled_after = Some(since.elapsed());
                return;
            }
            Some(why) => why,
        };
        if Instant::now() > deadline {
            return;
        }
        sleep(POLL).await;
    }
}

async fn unsettled(field: &Field, found: &mut Aftermath) -> Option<String> {
    let status = field.status().await;
    if !status.healthy() {
        return Some(format!("not ready: {}", status.sick().join(", ")));
    }
    let applied: BTreeSet<Option<u64>> = status.nodes.iter().map(|node| node.applied).collect();
    if applied.len() > 1 {
        return Some(format!("members have applied {applied:?}"));
    }
    match field.view().await {
        Ok(view) => {
            let open = view.changing.then(|| "a change of the membership is open".to_owned());
            found.view = Some(view);
            open
        }
        Err(why) => Some(why),
    }
}

/// Asks every node for its audit and its figures, and looks for what was acknowledged.
pub(super) async fn ask(field: &Field, stage: &Stage, calls: &[Call], found: &mut Aftermath) {
    for name in field.network.nodes() {
        if let Err(why) = audit_of(field, name, found).await {
            found.unasked.push(format!("the audit of {name}: {why}"));
        }
        match metrics(field, name).await {
            Some((agreed, differed)) => {
                found.digests.0 += agreed;
                found.digests.1 += differed;
            }
            None => found.unasked.push(format!("the figures of {name}")),
        }
    }
    let made = calls
        .iter()
        .filter(|call| MAKERS.contains(&call.workload.as_str()) && call.outcome == Outcome::Ok);
    for call in made {
        if found.unasked.len() > UNASKED_MAX {
            found.unasked.push("and more: nobody answers".to_owned());
            return;
        }
        match exists(stage, &call.key).await {
            Ok(true) => found.names_found.insert(call.key.clone()),
            Ok(false) => found.names_missing.insert(call.key.clone()),
            Err(why) => {
                found.unasked.push(format!("the account {}: {why}", call.key));
                false
            }
        };
    }
}

async fn exists(stage: &Stage, name: &str) -> Result<bool, String> {
    let answer = stage
        .any()
        .send(Method::GET, &format!("/api/v1/user/{name}"), "", None)
        .await?;
    match answer.status {
        200 => Ok(true),
        404 => Ok(false),
        other => Err(format!("answered with {other}")),
    }
}

/// Each node writes its own copy of the audit; the chain of hashes covers every row before.
async fn audit_of(field: &Field, name: &str, found: &mut Aftermath) -> Result<(), String> {
    let layout = field.cluster.layout();
    let file = layout.member(name).join("audit-at-the-end.jsonl");
    let _none_from_before = std::fs::remove_file(&file);
    let out = file.to_string_lossy().into_owned();
    field
        .ctl_at(&layout.data(name), &["audit", "export", "--out", &out])
        .await?;
    let text = std::fs::read_to_string(&file).map_err(|e| e.to_string())?;
    let hash = Sha256::digest(text.as_bytes());
    let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    found.audits.insert(name.to_owned(), (text.lines().count(), hash));
    if found.rows.is_empty() {
        found.rows = text
            .lines()
            .filter_map(|line| row(&serde_json::from_str(line).ok()?))
            .collect();
    }
    Ok(())
}

fn row(line: &Value) -> Option<AuditRow> {
    let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
    let verb = line["verb"].as_str()?.to_owned();
    Some(AuditRow {
        verb,
        outcome: text("outcome"),
        account: text("account"),
        session: text("session"),
    })
}

/// How often the tables were compared here as a leader, and how often they differed.
async fn metrics(field: &Field, name: &str) -> Option<(u64, u64)> {
    let url = format!("{}/metrics", field.ops(name)?);
    let client = cluster_harness::http::ops_client().ok()?;
    let text = client.get(url).send().await.ok()?.text().await.ok()?;
    let value = |what: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with("tfauth_node_digests") && line.contains(what));
        let number = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        number.map_or(0, |number| number as u64)
    };
    Some((value("agreed"), value("differed")))
}
