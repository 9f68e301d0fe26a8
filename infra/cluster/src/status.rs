//! Asks every member how it is, and shows the answers. Asks the operations ports only: works without a supervisor.

use crate::description::Description;
use crate::error::Result;
use crate::http;
use crate::limits::{CHILD_READY_SECONDS_MAX, POLL};
use crate::process;
use auth_api::status::{NodeStatus, Role};
use reqwest::Client;
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;

/// What `status --json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClusterStatus {
    /// One row per node.
    pub nodes: Vec<NodeRow>,
    /// One row per load balancer.
    pub lbs: Vec<LbRow>,
}

/// How one node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeRow {
    /// Its name.
    pub name: String,
    /// Null while it is down.
    pub pid: Option<u32>,
    /// `down` when it does not answer.
    pub role: Role,
    /// Null when it does not answer.
    pub term: Option<u64>,
    /// Null when it does not answer.
    pub applied: Option<u64>,
    /// In words, for the table.
    #[serde(skip)]
    pub health: &'static str,
}

/// How one load balancer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LbRow {
    /// Its name.
    pub name: String,
    /// Null while it is down.
    pub pid: Option<u32>,
    /// Whether it takes requests.
    pub ready: bool,
    /// In words, for the table.
    #[serde(skip)]
    pub health: &'static str,
}

/// Asks members; keeps its connections.
#[derive(Clone)]
pub struct Prober {
    client: Client,
}

impl Prober {
    /// # Errors
    /// Not expected.
    pub fn new() -> Result<Self> {
        Ok(Self {
            client: http::ops_client()?,
        })
    }

    /// What a node says about itself.
    pub async fn node(&self, ops: &str) -> Option<NodeStatus> {
        let answer = self.client.get(format!("{ops}/status")).send().await.ok()?;
        answer.json().await.ok()
    }

    /// Whether a member takes requests.
    pub async fn ready(&self, ops: &str) -> bool {
        self.ok(&format!("{ops}/readyz")).await
    }

    /// Whether a process answers at all.
    pub async fn live(&self, ops: &str) -> bool {
        self.ok(&format!("{ops}/livez")).await
    }

    async fn ok(&self, url: &str) -> bool {
        self.client.get(url).send().await.is_ok_and(|a| a.status().is_success())
    }

    /// Asks all members until all are well, for as long as a member may take to be ready; the last answers.
    pub async fn settled(&self, description: &Description) -> ClusterStatus {
        let deadline = Instant::now() + Duration::from_secs(CHILD_READY_SECONDS_MAX);
        loop {
            let status = self.cluster(description).await;
            if status.healthy() || Instant::now() > deadline {
                return status;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Asks all members at once.
    pub async fn cluster(&self, description: &Description) -> ClusterStatus {
        let nodes: Vec<_> = description
            .nodes
            .iter()
            .map(|n| (n.name.clone(), alive(n.pid, &n.config), n.ops.clone()))
            .collect();
        let lbs: Vec<_> = description
            .lbs
            .iter()
            .map(|l| (l.name.clone(), alive(l.pid, &l.config), l.ops.clone()))
            .collect();
        let mut asked_nodes = Vec::new();
        for (name, pid, ops) in nodes {
            let prober = self.clone();
            asked_nodes.push(tokio::spawn(
                async move { node_row(name, pid, prober.node(&ops).await) },
            ));
        }
        let mut asked_lbs = Vec::new();
        for (name, pid, ops) in lbs {
            let prober = self.clone();
            asked_lbs.push(tokio::spawn(async move {
                lb_row(name, pid, prober.live(&ops).await, prober.ready(&ops).await)
            }));
        }
        let mut status = ClusterStatus {
            nodes: Vec::new(),
            lbs: Vec::new(),
        };
        for row in asked_nodes {
            status.nodes.extend(row.await.ok());
        }
        for row in asked_lbs {
            status.lbs.extend(row.await.ok());
        }
        status
    }
}

impl ClusterStatus {
    /// Whether every member runs and there is a leader.
    #[must_use]
    pub fn healthy(&self) -> bool {
        self.sick().is_empty() && self.nodes.iter().any(|n| n.role == Role::Leader)
    }

    /// Names of members that are not as they should be.
    #[must_use]
    pub fn sick(&self) -> Vec<&str> {
        let nodes = self.nodes.iter().filter(|n| n.health != READY).map(|n| n.name.as_str());
        nodes
            .chain(self.lbs.iter().filter(|l| !l.ready).map(|l| l.name.as_str()))
            .collect()
    }

    /// As a table, one line per member after the heading.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = format!(
            "{:<8} {:>8}  {:<10} {:>6} {:>9}  {}\n",
            "NAME", "PID", "ROLE", "TERM", "APPLIED", "HEALTH"
        );
        let number = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
        for n in &self.nodes {
            let pid = number(n.pid.map(u64::from));
            let (term, applied) = (number(n.term), number(n.applied));
            out.push_str(&format!(
                "{:<8} {pid:>8}  {:<10} {term:>6} {applied:>9}  {}\n",
                n.name,
                role_name(n.role),
                n.health
            ));
        }
        for l in &self.lbs {
            let pid = number(l.pid.map(u64::from));
            out.push_str(&format!(
                "{:<8} {pid:>8}  {:<10} {:>6} {:>9}  {}\n",
                l.name, "lb", "-", "-", l.health
            ));
        }
        out
    }
}

const READY: &str = "ready";

/// A process id in the file may be old: only one that runs this configuration counts.
fn alive(pid: Option<u32>, config: &std::path::Path) -> Option<u32> {
    pid.filter(|pid| process::runs(*pid, config))
}

fn node_row(name: String, pid: Option<u32>, answer: Option<NodeStatus>) -> NodeRow {
    match answer.filter(|a| a.name == name) {
        Some(a) => {
            let health = match (a.draining, a.ready) {
                (true, _) => "draining",
                (false, true) => READY,
                (false, false) => "not ready",
            };
            NodeRow {
                name,
                pid,
                role: a.role,
                term: Some(a.term),
                applied: Some(a.applied),
                health,
            }
        }
        None => NodeRow {
            name,
            pid,
            role: Role::Down,
            term: None,
            applied: None,
            health: silent(pid),
        },
    }
}

fn lb_row(name: String, pid: Option<u32>, live: bool, ready: bool) -> LbRow {
    let health = match (live, ready) {
        (_, true) => READY,
        (true, false) => "not ready",
        (false, false) => silent(pid),
    };
    LbRow {
        name,
        pid,
        ready,
        health,
    }
}

fn silent(pid: Option<u32>) -> &'static str {
    if pid.is_some() { "does not answer" } else { "down" }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Leader => "leader",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Learner => "learner",
        Role::Down => "down",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> ClusterStatus {
        ClusterStatus {
            nodes: vec![
                NodeRow {
                    name: "node-1".into(),
                    pid: Some(7),
                    role: Role::Leader,
                    term: Some(3),
                    applied: Some(12),
                    health: READY,
                },
                node_row("node-2".into(), None, None),
            ],
            lbs: vec![lb_row("lb-1".into(), Some(9), true, true)],
        }
    }

    #[test]
    fn json_has_the_documented_shape() {
        let expected = serde_json::json!({
            "nodes": [
                {"name": "node-1", "pid": 7, "role": "leader", "term": 3, "applied": 12},
                {"name": "node-2", "pid": null, "role": "down", "term": null, "applied": null},
            ],
            "lbs": [{"name": "lb-1", "pid": 9, "ready": true}],
        });
        assert_eq!(serde_json::to_value(status()).unwrap(), expected);
    }

    #[test]
    fn a_member_that_is_down_makes_the_cluster_unhealthy() {
        let mut status = status();
        assert_eq!(status.sick(), ["node-2"]);
        assert!(!status.healthy());
        status.nodes.pop();
        assert!(status.healthy());
        status.nodes[0].role = Role::Follower;
        assert!(!status.healthy(), "without a leader it is not");
    }

    #[test]
    fn the_table_has_a_line_per_member() {
        let table = status().table();
        assert_eq!(table.lines().count(), 4);
        assert!(table.contains("leader") && table.contains("down"), "{table}");
    }
}
