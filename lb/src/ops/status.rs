//! What the load balancer sees, for operators: itself and every node. Numbers and names of the configuration only.

use auth_api::status::Role;
use serde::Serialize;

use super::Ops;
use crate::clock;
use crate::pool::health::Reach;

/// The load balancer and its nodes at one moment.
#[derive(Serialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: &'static str,
    /// About to stop.
    pub draining: bool,
    /// Requests being worked on.
    pub in_flight: u64,
    /// Requests that wait for a usable node.
    pub held: u32,
    /// Connections of clients.
    pub connections: usize,
    /// The leader's name, if one is known.
    pub leader: Option<String>,
    /// Whether the files that the configuration names were fine when last read.
    pub configuration_ok: bool,
    /// What is allowed and probably not meant.
    pub warnings: Vec<String>,
    /// The nodes.
    pub nodes: Vec<NodeLine>,
}

/// One node.
#[derive(Serialize)]
pub struct NodeLine {
    /// Name.
    pub name: String,
    /// Address.
    pub address: std::net::SocketAddr,
    /// Answers its probes, or did until a moment ago.
    pub up: bool,
    /// Gets requests.
    pub ready: bool,
    /// Leaves probes unanswered.
    pub suspect: bool,
    /// Says that it is about to stop.
    pub draining: bool,
    /// An operator took it out.
    pub drained: bool,
    /// Set aside because requests to it failed.
    pub ejected: bool,
    /// Its part in the cluster.
    pub role: Role,
    /// Its term.
    pub term: u64,
    /// Last entry that it applied.
    pub applied: u64,
    /// Entries that it is behind the furthest node.
    pub lag: u64,
    /// Requests at it from here.
    pub in_flight: u32,
    /// Times as slow as the average.
    pub slowness: f64,
    /// Its version.
    pub version: String,
}

impl Ops {
    /// What is seen now.
    pub fn status(&self) -> Status {
        let live = self.live.load();
        Status {
            name: live.config.name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            draining: self.lifecycle.is_draining(),
            in_flight: self.lifecycle.in_flight(),
            held: self.cluster.held(),
            connections: self.crowd.total(),
            leader: self.cluster.leader().map(|node| node.config.name.clone()),
            configuration_ok: self.metrics.is_configuration_ok(),
            warnings: live.config.warnings.clone(),
            nodes: self.node_lines(),
        }
    }

    fn node_lines(&self) -> Vec<NodeLine> {
        let now_ms = clock::now_ms();
        let nodes = self.cluster.nodes();
        let furthest = nodes
            .iter()
            .filter_map(|node| node.status())
            .map(|said| said.committed)
            .max();
        let line = |node: &std::sync::Arc<crate::cluster::Node>| {
            let (reach, standing) = node.standing();
            let said = node.status();
            let is_up = matches!(reach, Reach::Up | Reach::Suspect);
            let applied = said.as_ref().map_or(0, |said| said.applied);
            NodeLine {
                name: node.config.name.clone(),
                address: node.config.address,
                up: is_up,
                ready: standing.ready,
                suspect: standing.suspect,
                draining: said.as_ref().is_some_and(|said| said.draining),
                drained: node.is_drained(),
                ejected: standing.ejected,
                role: said.as_ref().filter(|_| is_up).map_or(Role::Down, |said| said.role),
                term: said.as_ref().map_or(0, |said| said.term),
                applied,
                lag: furthest.unwrap_or(0).saturating_sub(applied),
                in_flight: node.in_flight(),
                slowness: f64::from(node.slowness().permille(now_ms)) / 1_000.0,
                version: said.map_or(String::new(), |said| said.version.clone()),
            }
        };
        nodes.iter().map(line).collect()
    }
}
