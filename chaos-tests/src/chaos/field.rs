//! What faults may touch: the processes of a cluster, the links between them, their disks and clocks. And how to mend
//! everything. Decides nothing about when.

use crate::entropy::Dice;
use crate::faultfs::FaultDisk;
use crate::proxy::Network;
use auth_api::cluster::ClusterView;
use auth_api::status::Role;
use cluster_harness::cluster::Cluster;
use cluster_harness::status::ClusterStatus;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::process::Command;

/// A cluster with everything around it that can break.
pub struct Field {
    /// The processes.
    pub cluster: Cluster,
    /// The links.
    pub network: Network,
    /// Disks that do as they are told, where the scenario asked for them.
    pub disks: tokio::sync::Mutex<BTreeMap<String, FaultDisk>>,
    /// Files that clocks go by, where the scenario asked for them.
    pub clocks: BTreeMap<String, PathBuf>,
    /// Programs of an older build, where there are some.
    pub older: Option<PathBuf>,
    dice: Mutex<Dice>,
}

impl Field {
    /// Everything whole.
    #[must_use]
    pub fn new(cluster: Cluster, network: Network, seed: u64) -> Self {
        Self {
            cluster,
            network,
            disks: tokio::sync::Mutex::default(),
            clocks: BTreeMap::new(),
            older: None,
            dice: Mutex::new(Dice::new(seed)),
        }
    }

    /// A number in the range.
    #[must_use]
    pub fn within(&self, range: std::ops::RangeInclusive<u64>) -> u64 {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner).within(range)
    }

    /// A time in the range of milliseconds.
    #[must_use]
    pub fn millis(&self, range: std::ops::RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }

    /// One of them.
    ///
    /// # Errors
    /// There is none.
    pub fn pick<T: Clone>(&self, of: &[T]) -> Result<T, String> {
        if of.is_empty() {
            return Err("there is nobody to choose from".to_owned());
        }
        let last = of.len() as u64 - 1;
        let index = usize::try_from(self.within(0..=last)).unwrap_or(0);
        of.get(index)
            .cloned()
            .ok_or_else(|| "there is nobody to choose from".to_owned())
    }

    /// In another order.
    #[must_use]
    pub fn shuffled(&self, names: &[String]) -> Vec<String> {
        let mut names = names.to_vec();
        for at in (1..names.len()).rev() {
            let other = usize::try_from(self.within(0..=at as u64)).unwrap_or(0);
            names.swap(at, other);
        }
        names
    }

    /// Who leads.
    ///
    /// # Errors
    /// Nobody does for long.
    pub async fn leader(&self) -> Result<String, String> {
        self.cluster.find_leader().await.map_err(text)
    }

    /// All other nodes, the leader's name, in a random order.
    ///
    /// # Errors
    /// As [`Field::leader`].
    pub async fn leader_and_others(&self) -> Result<(String, Vec<String>), String> {
        let leader = self.leader().await?;
        let others: Vec<String> = self.network.nodes().iter().filter(|n| **n != leader).cloned().collect();
        Ok((leader, self.shuffled(&others)))
    }

    /// How many nodes may fail.
    #[must_use]
    pub fn minority(&self) -> usize {
        self.network.nodes().len().saturating_sub(1) / 2
    }

    /// As many nodes as may fail, the leader first.
    ///
    /// # Errors
    /// As [`Field::leader`].
    pub async fn minority_with_leader(&self) -> Result<Vec<String>, String> {
        let (leader, others) = self.leader_and_others().await?;
        let others = others.into_iter().take(self.minority().saturating_sub(1));
        Ok(std::iter::once(leader).chain(others).collect())
    }

    /// Everybody's state.
    pub async fn status(&self) -> ClusterStatus {
        self.cluster.status().await
    }

    /// The process id of a member, if it runs.
    #[must_use]
    pub fn pid(&self, name: &str) -> Option<u32> {
        self.cluster.description().pid(name)
    }

    /// The operations listener of a node.
    #[must_use]
    pub fn ops(&self, name: &str) -> Option<String> {
        let nodes = self.cluster.description().nodes;
        nodes.into_iter().find(|node| node.name == name).map(|node| node.ops)
    }

    /// SIGKILL, if it runs.
    ///
    /// # Errors
    /// It runs and cannot be killed.
    pub async fn kill(&self, name: &str) -> Result<(), String> {
        let members = self.cluster.members();
        members.reap().await.map_err(text)?;
        if self.pid(name).is_none() {
            return Ok(());
        }
        match members.kill(name).await {
            // It ended by itself in this very moment, as a node on a broken disk does.
            Err(_) if self.pid(name).is_none() => Ok(()),
            other => other.map_err(text),
        }
    }

    /// Starts a member that is down, and waits until it answers.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn start(&self, name: &str) -> Result<(), String> {
        self.cluster.members().reap().await.map_err(text)?;
        if self.pid(name).is_some() {
            return Ok(());
        }
        self.cluster.members().start(name).await.map_err(text)
    }

    /// What the cluster says of itself, asked through a node that leads or follows.
    ///
    /// # Errors
    /// No node answers.
    pub async fn view(&self) -> Result<ClusterView, String> {
        let text = self.ctl(&["cluster", "members", "--json"]).await?;
        serde_json::from_str(&text).map_err(|e| format!("`tfauth cluster members --json`: {e}"))
    }

    /// The operator's command line, against a node that takes part; what it printed.
    ///
    /// # Errors
    /// What it said when it failed.
    pub async fn ctl(&self, arguments: &[&str]) -> Result<String, String> {
        let status = self.status().await;
        let taking_part = |role: Role| matches!(role, Role::Leader | Role::Follower);
        let node = status.nodes.iter().find(|node| taking_part(node.role));
        let node = node.ok_or("no node takes part")?;
        self.ctl_at(&self.cluster.layout().data(&node.name), arguments).await
    }

    /// The same against one node.
    ///
    /// # Errors
    /// What it said when it failed.
    pub async fn ctl_at(&self, data: &Path, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(self.cluster.members().ctl());
        command.args(arguments).arg("--data").arg(data);
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(crate::limits::CTL_MAX, output)
            .await
            .map_err(|_| format!("`tfauth {}` takes too long", arguments.join(" ")))?
            .map_err(|e| format!("cannot start tfauth: {e}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    /// Mends links, disks and clocks, lets everybody go on, and starts who is down.
    ///
    /// # Errors
    /// Somebody does not come up.
    pub async fn mend(&self) -> Result<(), String> {
        self.network.heal();
        for disk in self.disks.lock().await.values_mut() {
            disk.fail_sync(false)?;
            disk.read_only(false)?;
            disk.capacity(None)?;
            disk.slow(Duration::ZERO)?;
        }
        for file in self.clocks.values() {
            crate::nemeses::clock::set(file, crate::nemeses::clock::RIGHT)?;
        }
        let description = self.cluster.description();
        for name in description.names() {
            let _not_stopped = self.cluster.members().resume(&name).await;
        }
        for name in description.names() {
            self.start(&name).await?;
        }
        Ok(())
    }
}

/// An error in words.
pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
