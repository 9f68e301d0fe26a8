//! What happens to a node, and how it comes back.

use std::path::Path;
use std::process::{Command, Stdio};

use cluster_harness::cluster::Cluster;
use serde::Serialize;

/// Name of the table of packet rules; it exists only while a node has vanished.
const TABLE: &str = "tfauth_bench";

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// kill -9 of a node that follows.
    KillFollower,
    /// kill -9 of the leader.
    KillLeader,
    /// A follower's machine vanishes: it is frozen, and packets to and from its ports are dropped.
    VanishFollower,
    /// The leader's machine vanishes.
    VanishLeader,
}

impl Fault {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 4] = [
        Self::KillFollower,
        Self::KillLeader,
        Self::VanishFollower,
        Self::VanishLeader,
    ];

    /// As the report calls it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::KillFollower => "kill -9 of a follower",
            Self::KillLeader => "kill -9 of the leader",
            Self::VanishFollower => "a follower vanishes",
            Self::VanishLeader => "the leader vanishes",
        }
    }

    /// Whether it needs rules for packets.
    pub(super) const fn drops_packets(self) -> bool {
        matches!(self, Self::VanishFollower | Self::VanishLeader)
    }

    /// Whom it is to hit now.
    pub(super) async fn victim(self, cluster: &Cluster) -> Result<String, String> {
        let leader = cluster.find_leader().await.map_err(|error| error.to_string())?;
        if matches!(self, Self::KillLeader | Self::VanishLeader) {
            return Ok(leader);
        }
        let nodes = cluster.description().nodes;
        let follower = nodes.into_iter().map(|node| node.name).find(|name| *name != leader);
        follower.ok_or_else(|| "the cluster has one node only".to_owned())
    }

    pub(super) async fn strike(self, cluster: &Cluster, victim: &str) -> Result<(), String> {
        if self.drops_packets() {
            drop_packets(&ports(&cluster.layout().config(victim))?)?;
            cluster.members().pause(victim).await.map_err(|error| error.to_string())
        } else {
            cluster.members().kill(victim).await.map_err(|error| error.to_string())
        }
    }

    pub(super) async fn mend(self, cluster: &Cluster, victim: &str) -> Result<(), String> {
        let mended = if self.drops_packets() {
            restore_packets();
            cluster.members().resume(victim).await
        } else {
            cluster.members().restart(victim).await
        };
        mended.map_err(|error| error.to_string())?;
        cluster.wait_healthy().await.map_err(|error| error.to_string())
    }
}

/// Whether this machine lets us drop packets.
pub(super) fn can_drop_packets() -> bool {
    let works = drop_packets(&[1]).is_ok();
    restore_packets();
    works
}

fn drop_packets(ports: &[u16]) -> Result<(), String> {
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    let ports = ports.join(", ");
    let rules = format!(
        "table inet {TABLE} {{ chain input {{ type filter hook input priority 0; tcp dport {{ {ports} }} drop; tcp sport {{ {ports} }} drop; }}; }}"
    );
    let status = Command::new("nft")
        .arg(&rules)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("cannot start nft: {error}"))?;
    status
        .success()
        .then_some(())
        .ok_or_else(|| "nft refuses the rules".to_owned())
}

/// Does nothing when there are no rules.
pub(super) fn restore_packets() {
    let _ = Command::new("nft")
        .args(["delete", "table", "inet", TABLE])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// Every port that a node's configuration says it listens on.
fn ports(config: &Path) -> Result<Vec<u16>, String> {
    let text = std::fs::read_to_string(config).map_err(|error| format!("cannot read {}: {error}", config.display()))?;
    let table: toml::Table = text.parse().map_err(|error| format!("{}: {error}", config.display()))?;
    let sections = table.values().filter_map(toml::Value::as_table);
    let listens = sections.filter_map(|section| section.get("listen")?.as_str()?.rsplit_once(':')?.1.parse().ok());
    let ports: Vec<u16> = listens.collect();
    if ports.is_empty() {
        return Err(format!("{}: no section has a listen address", config.display()));
    }
    Ok(ports)
}
