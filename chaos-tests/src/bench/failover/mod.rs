//! What clients see while a node dies, through our load balancer and through HAProxy in front of the same nodes.

mod codes;
mod faults;
mod traffic;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cluster_harness::certs::FRONT;
use cluster_harness::cluster::{Cluster, Options};
use serde::Serialize;

pub use faults::Fault;

use super::process::Program;
use super::{progress, write};
use crate::api::Api;
use crate::native::tfauth;
use traffic::{PER_SECOND, Sample, Supply, Traffic};

/// The first login takes one step of its code, later ones one each; enough for every login of a run.
const ACCOUNTS: usize = 240;
/// Logins of one run, with some to spare.
const LOGINS_PER_RUN: usize = 60;
/// Refreshes of four seconds may be waiting at the same time.
const SESSIONS: usize = 240;
/// Traffic before the fault, with the node away, and after it came back.
const PHASE: Duration = Duration::from_secs(6);

/// What is measured, and where its files are.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Folder of HAProxy's configuration.
    pub configs: PathBuf,
    /// Folder of the programs of the cluster.
    pub programs: PathBuf,
    /// Faults to try.
    pub faults: Vec<Fault>,
}

/// What clients saw.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Which fault.
    pub fault: Fault,
    /// Through what.
    pub through: &'static str,
    /// Requests sent.
    pub requests: usize,
    /// Requests without a 200, by what went wrong.
    pub failed: Vec<String>,
    /// Milliseconds without any 200, at most.
    pub longest_gap_ms: u128,
    /// 99 of 100 requests took at most this, in milliseconds, from when they should have left.
    pub p99_ms: u128,
    /// Refreshes that took effect more often than they were answered.
    pub doubled_refreshes: u64,
    /// Uses of a code beyond the first that had an effect: answered 200 again, or a session in the log that nobody was told of.
    pub doubled_codes: u64,
}

/// Runs every fault through both; the last state of the cluster is a healthy one.
///
/// # Errors
/// The cluster or HAProxy does not start, or does not become healthy again.
pub async fn run(wish: &Wish) -> Result<Vec<Row>, String> {
    let options = Options {
        lbs: 1,
        bin_dir: Some(wish.programs.clone()),
        ..Options::default()
    };
    progress("starting a cluster of three nodes");
    let cluster = Cluster::start(options).await.map_err(|error| error.to_string())?;
    let client = cluster.client().map_err(|error| error.to_string())?;
    let ours = cluster
        .urls()
        .into_iter()
        .next()
        .ok_or("the cluster has no load balancer")?;
    let work = tempfile::tempdir().map_err(|error| format!("cannot make a folder: {error}"))?;
    let (haproxy, theirs) = haproxy(wish, &cluster, work.path())?;
    progress(&format!("enrolling {ACCOUNTS} accounts, opening {SESSIONS} sessions"));
    let ours = Api::new(client.clone(), &ours);
    let theirs = Api::new(client, &theirs);
    let supply = Arc::new(Supply::prepare(&ours, ACCOUNTS, SESSIONS).await?);
    let can_drop = faults::can_drop_packets();
    let mut rows = Vec::new();
    for fault in &wish.faults {
        if fault.drops_packets() && !can_drop {
            progress(&format!(
                "SKIPPED: {}: dropping packets needs root and nft",
                fault.title()
            ));
            continue;
        }
        for (through, api) in [("tfauth-lb", &ours), ("HAProxy", &theirs)] {
            progress(&format!("{}, through {through}", fault.title()));
            let row = one(&cluster, *fault, through, api, &supply).await;
            faults::restore_packets();
            rows.push(row?);
        }
    }
    drop(haproxy);
    Ok(rows)
}

async fn one(
    cluster: &Cluster,
    fault: Fault,
    through: &'static str,
    api: &Api,
    supply: &Arc<Supply>,
) -> Result<Row, String> {
    cluster.wait_healthy().await.map_err(|error| error.to_string())?;
    supply.restock(LOGINS_PER_RUN).await;
    let (refreshes, sessions) = (supply.doubled(), sessions_started(cluster)?);
    supply.codes().begin();
    let victim = fault.victim(cluster).await?;
    let traffic = Traffic::start(api.clone(), Arc::clone(supply));
    tokio::time::sleep(PHASE).await;
    fault.strike(cluster, &victim).await?;
    tokio::time::sleep(PHASE).await;
    fault.mend(cluster, &victim).await?;
    tokio::time::sleep(PHASE).await;
    let samples = traffic.finish().await?;
    Ok(Row {
        fault,
        through,
        requests: samples.len(),
        failed: samples.iter().filter_map(|sample| sample.failure.clone()).collect(),
        longest_gap_ms: longest_gap(&samples).as_millis(),
        p99_ms: p99(&samples).as_millis(),
        doubled_refreshes: supply.doubled() - refreshes,
        doubled_codes: supply
            .codes()
            .doubled(sessions_started(cluster)?.saturating_sub(sessions)),
    })
}

/// Sessions that the log says were started, by the node that has applied most of it.
fn sessions_started(cluster: &Cluster) -> Result<u64, String> {
    let mut most = 0;
    for node in cluster.description().nodes {
        let file = cluster.layout().member(&node.name).join("audit.jsonl");
        // None from before.
        let _ = std::fs::remove_file(&file);
        let exported = tfauth(
            cluster,
            &node.name,
            &["audit", "export", "--out", &file.to_string_lossy()],
        )?;
        if !exported.status.success() {
            return Err(format!("the audit of {} cannot be exported: {exported:?}", node.name));
        }
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let row = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok();
        let started = text
            .lines()
            .filter_map(row)
            .filter(|row| row["outcome"] == "session_started");
        most = most.max(started.count() as u64);
    }
    Ok(most)
}

fn longest_gap(samples: &[Sample]) -> Duration {
    let mut answered: Vec<_> = samples.iter().filter(|s| s.failure.is_none()).map(|s| s.done).collect();
    answered.sort_unstable();
    answered
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .max()
        .unwrap_or_default()
}

fn p99(samples: &[Sample]) -> Duration {
    let mut took: Vec<_> = samples.iter().map(|sample| sample.done - sample.due).collect();
    took.sort_unstable();
    let index = (took.len() * 99).div_ceil(100).saturating_sub(1);
    took.get(index).copied().unwrap_or_default()
}

/// HAProxy with the load balancer's own certificates, and its origin.
fn haproxy(wish: &Wish, cluster: &Cluster, work: &Path) -> Result<(Program, String), String> {
    let layout = cluster.layout();
    let both = |name: &str| -> Result<String, String> {
        let read = |path: PathBuf| {
            std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
        };
        let path = work.join(format!("{name}.both"));
        write(
            &path,
            &format!("{}{}", read(layout.certificate(name))?, read(layout.key(name))?),
        )?;
        Ok(path.to_string_lossy().into_owned())
    };
    let port = super::process::free_port()?;
    let from = wish.configs.join("haproxy-failover.cfg");
    let text = std::fs::read_to_string(&from).map_err(|error| format!("cannot read {}: {error}", from.display()))?;
    let mut text = text
        .replace("{front}", &port.to_string())
        .replace("{both}", &both(FRONT)?)
        .replace("{client}", &both("lb-1")?)
        .replace("{ca}", &layout.ca().to_string_lossy());
    for (name, address) in addresses(&layout.config("lb-1"))? {
        let sni = format!("{name}.node.tfauth.internal");
        let _ = writeln!(text, "    server {name} {address} sni str({sni}) check check-sni {sni}");
    }
    let config = work.join("haproxy.cfg");
    write(&config, &text)?;
    let program = Program::start(
        0,
        &["haproxy", "-f", &config.to_string_lossy()],
        &work.join("haproxy.out"),
    )?;
    Ok((program, format!("https://localhost:{port}")))
}

/// Names and addresses of the nodes, as our load balancer was told.
fn addresses(config: &Path) -> Result<Vec<(String, String)>, String> {
    let text = std::fs::read_to_string(config).map_err(|error| format!("cannot read {}: {error}", config.display()))?;
    let table: toml::Table = text.parse().map_err(|error| format!("{}: {error}", config.display()))?;
    let nodes = table.get("nodes").and_then(toml::Value::as_array);
    let node = |node: &toml::Value| {
        Some((
            node.get("name")?.as_str()?.to_owned(),
            node.get("address")?.as_str()?.to_owned(),
        ))
    };
    Ok(nodes.into_iter().flatten().filter_map(node).collect())
}

/// A table for people.
#[must_use]
pub fn markdown(rows: &[Row]) -> String {
    let mut text = format!(
        "{PER_SECOND} requests a second, open loop: 2 logins, 2 used codes that must be refused, 50 refreshes, the rest asks who the bearer is. The node is away for {} s.\n\n\
         | fault | through | requests | failed | longest time without a 200, ms | p99, ms | doubled refreshes | doubled codes |\n|---|---|---|---|---|---|---|---|\n",
        PHASE.as_secs()
    );
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            row.fault.title(),
            row.through,
            row.requests,
            row.failed.len(),
            row.longest_gap_ms,
            row.p99_ms,
            row.doubled_refreshes,
            row.doubled_codes
        );
    }
    for row in rows.iter().filter(|row| !row.failed.is_empty()) {
        let mut reasons: Vec<&String> = row.failed.iter().collect();
        reasons.sort_unstable();
        reasons.dedup();
        let _ = write!(text, "\n{} through {}:", row.fault.title(), row.through);
        for reason in reasons.iter().take(5) {
            let _ = write!(text, " {reason};");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test]
    async fn a_gap_counts_between_answers_and_p99_from_when_a_request_was_due() {
        let start = Instant::now();
        let sample = |due: u64, done: u64, failed: bool| Sample {
            due: start + Duration::from_millis(due),
            done: start + Duration::from_millis(done),
            failure: failed.then(|| "503".to_owned()),
        };
        let samples = [sample(0, 10, false), sample(5, 700, true), sample(20, 1_010, false)];
        assert_eq!(longest_gap(&samples), Duration::from_secs(1));
        assert_eq!(p99(&samples), Duration::from_millis(990));
    }
}
