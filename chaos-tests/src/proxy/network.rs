//! All links of a cluster: who reaches whom, and how to cut it. Knows names, not what members are.

use super::link::{Link, LinkFigures};
use super::way::Way;
use cluster_harness::ports::Ports;
use cluster_harness::surroundings::Wiring;
use std::collections::BTreeMap;

/// Who dials a node that joined later: members have no route of their own to it.
const ANYBODY: &str = "anybody";

/// The links between the members of one cluster.
pub struct Network {
    links: BTreeMap<(String, String), Link>,
    nodes: Vec<String>,
    lbs: Vec<String>,
}

impl Network {
    /// A port for each pair; nothing is carried before [`Network::lead`].
    ///
    /// # Errors
    /// There are no free ports.
    pub async fn open(nodes: u16, lbs: u16, seed: u64) -> Result<Self, String> {
        let nodes: Vec<String> = (1..=nodes).map(|i| format!("node-{i}")).collect();
        let lbs: Vec<String> = (1..=lbs).map(|i| format!("lb-{i}")).collect();
        let mut links = BTreeMap::new();
        for to in &nodes {
            let others = nodes.iter().filter(|from| *from != to);
            for from in others.chain(&lbs).map(String::as_str).chain([ANYBODY]) {
                let seed = seed.wrapping_add(links.len() as u64);
                links.insert((from.to_owned(), to.clone()), Link::open(seed).await?);
            }
        }
        Ok(Self { links, nodes, lbs })
    }

    /// What members are told about each other.
    #[must_use]
    pub fn wiring(&self) -> Wiring {
        let mut wiring = Wiring::default();
        for ((from, to), link) in &self.links {
            if from == ANYBODY {
                wiring.advertise(to, link.port());
            } else {
                wiring.lead(from, to, link.port());
            }
        }
        wiring
    }

    /// Where everybody listens.
    pub fn lead(&self, ports: Ports) {
        for (index, to) in (1..).zip(&self.nodes) {
            for ((from, _), link) in self.links.iter().filter(|((_, target), _)| target == to) {
                let port = if self.lbs.contains(from) {
                    ports.node_http(index)
                } else {
                    ports.node_peer(index)
                };
                link.lead_to(port);
            }
        }
    }

    /// The peer listener of a node, behind its links.
    #[must_use]
    pub fn peer_port(&self, node: &str) -> Option<u16> {
        self.link(ANYBODY, node).map(Link::target)
    }

    /// Names of the nodes.
    #[must_use]
    pub fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// Names of the load balancers.
    #[must_use]
    pub fn lbs(&self) -> &[String] {
        &self.lbs
    }

    /// Changes how what `from` says reaches `to`, on connections that either of them opened.
    pub fn change(&self, from: &str, to: &str, way: Way) {
        if let Some(link) = self.link(from, to) {
            link.change(|faults| faults.forward = way);
        }
        if let Some(link) = self.link(to, from) {
            link.change(|faults| faults.back = way);
        }
    }

    /// Both directions between two members.
    pub fn change_between(&self, one: &str, other: &str, way: Way) {
        self.change(one, other, way);
        self.change(other, one, way);
    }

    /// Everything between one node and all others, nodes and load balancers if `with_lbs`.
    pub fn change_around(&self, node: &str, way: Way, with_lbs: bool) {
        for other in self.nodes.iter().filter(|other| *other != node) {
            self.change_between(node, other, way);
        }
        for lb in self.lbs.iter().filter(|_| with_lbs) {
            self.change_between(lb, node, way);
        }
        // Members that know this node by what it said when it joined.
        self.change_between(ANYBODY, node, way);
    }

    /// Everything between nodes.
    pub fn change_peers(&self, way: Way) {
        for node in &self.nodes {
            self.change_around(node, way, false);
        }
    }

    /// Everything between load balancers and nodes.
    pub fn change_fronts(&self, way: Way) {
        for (lb, node) in self
            .lbs
            .iter()
            .flat_map(|lb| self.nodes.iter().map(move |node| (lb, node)))
        {
            self.change_between(lb, node, way);
        }
    }

    /// Resets open connections between nodes, and from load balancers.
    pub fn reset_all(&self) {
        for link in self.links.values() {
            link.reset();
        }
    }

    /// New connections between nodes are reset at once, or are not any more.
    pub fn refuse_peers(&self, refusing: bool) {
        for ((from, _), link) in &self.links {
            if !self.lbs.contains(from) {
                link.change(|faults| faults.refusing = refusing);
            }
        }
    }

    /// Nothing is wrong any more.
    pub fn heal(&self) {
        for link in self.links.values() {
            link.heal();
        }
    }

    /// What all links did.
    #[must_use]
    pub fn figures(&self) -> LinkFigures {
        self.links
            .values()
            .map(Link::figures)
            .fold(LinkFigures::default(), |sum, link| LinkFigures {
                bytes: sum.bytes + link.bytes,
                pieces_struck: sum.pieces_struck + link.pieces_struck,
                resets: sum.resets + link.resets,
            })
    }

    pub(super) fn link(&self, from: &str, to: &str) -> Option<&Link> {
        self.links.get(&(from.to_owned(), to.to_owned()))
    }
}
