//! Which port belongs to what, and whether it is free.

use crate::entropy;
use crate::error::{Error, Result};
use crate::limits::PORTS_PER_CLUSTER;
use std::net::{Ipv4Addr, TcpListener};

/// Highest base port: the last port of the block must exist.
pub const BASE_PORT_MAX: u16 = u16::MAX - PORTS_PER_CLUSTER;
/// Lowest base port: below, only root may listen.
pub const BASE_PORT_MIN: u16 = 1024;

/// The ports of one cluster; indexes begin with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    base: Option<u16>,
}

impl Ports {
    /// The well-known ports, or those of the block that begins with `base`.
    ///
    /// # Errors
    /// Refuses a base that leaves no room.
    pub fn new(base: Option<u16>) -> Result<Self> {
        match base {
            Some(b) if !(BASE_PORT_MIN..=BASE_PORT_MAX).contains(&b) => Err(Error::refused(format!(
                "--base-port {b} is out of range: give one from {BASE_PORT_MIN} to {BASE_PORT_MAX} ({PORTS_PER_CLUSTER} ports are used from there on)"
            ))),
            None | Some(_) => Ok(Self { base }),
        }
    }

    fn pick(self, well_known: u16, offset: u16, index: u16) -> u16 {
        self.base.map_or(well_known, |b| b + offset) + index - 1
    }

    /// HTTPS of load balancer `index`.
    #[must_use]
    pub fn lb_front(self, index: u16) -> u16 {
        self.pick(8443, 0, index)
    }

    /// Operations port of load balancer `index`.
    #[must_use]
    pub fn lb_ops(self, index: u16) -> u16 {
        self.pick(8301, 10, index)
    }

    /// HTTP over mutual TLS of node `index`.
    #[must_use]
    pub fn node_http(self, index: u16) -> u16 {
        self.pick(7101, 20, index)
    }

    /// Peer listener of node `index`.
    #[must_use]
    pub fn node_peer(self, index: u16) -> u16 {
        self.pick(7201, 30, index)
    }

    /// Operations port of node `index`.
    #[must_use]
    pub fn node_ops(self, index: u16) -> u16 {
        self.pick(7301, 40, index)
    }

    /// Every port of a cluster of that size, with what it is for.
    #[must_use]
    pub fn all(self, nodes: u16, lbs: u16) -> Vec<(String, u16)> {
        let mut all = Vec::new();
        for i in 1..=lbs {
            all.push((format!("HTTPS of lb-{i}"), self.lb_front(i)));
            all.push((format!("operations of lb-{i}"), self.lb_ops(i)));
        }
        for i in 1..=nodes {
            all.push((format!("HTTP of node-{i}"), self.node_http(i)));
            all.push((format!("peers of node-{i}"), self.node_peer(i)));
            all.push((format!("operations of node-{i}"), self.node_ops(i)));
        }
        all
    }

    /// Refuses when one of them is taken, naming all that are.
    ///
    /// # Errors
    /// Names the ports that are in use.
    pub fn check_free(self, nodes: u16, lbs: u16) -> Result<()> {
        let taken: Vec<String> = self
            .all(nodes, lbs)
            .into_iter()
            .filter_map(|(what, port)| probe(port).err().map(|e| format!("port {port} ({what}): {e}")))
            .collect();
        if taken.is_empty() {
            return Ok(());
        }
        Err(Error::refused(format!(
            "cannot start, ports on 127.0.0.1 are in use:\n  {}\nstop what listens there, or choose another block with --base-port",
            taken.join("\n  ")
        )))
    }

    /// A block of ports in which nothing listens right now, below the range of outgoing connections.
    ///
    /// # Errors
    /// Gives up after many full blocks.
    pub fn find_free(nodes: u16, lbs: u16) -> Result<(u16, Self)> {
        const FIRST: u16 = 12_000;
        const BLOCKS: u16 = 400;
        for _ in 0..200 {
            let base = FIRST + entropy::below(BLOCKS)? * PORTS_PER_CLUSTER;
            let ports = Self::new(Some(base))?;
            if ports.check_free(nodes, lbs).is_ok() {
                return Ok((base, ports));
            }
        }
        Err(Error::fault(
            "no free block of 50 ports found between 12000 and 32000: stop other clusters",
        ))
    }
}

fn probe(port: u16) -> std::io::Result<()> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_follow_the_table() {
        let known = Ports::new(None).unwrap();
        assert_eq!(
            (known.lb_front(1), known.lb_front(2), known.lb_ops(2)),
            (8443, 8444, 8302)
        );
        assert_eq!(
            (known.node_http(3), known.node_peer(1), known.node_ops(1)),
            (7103, 7201, 7301)
        );
        let based = Ports::new(Some(20_000)).unwrap();
        assert_eq!(
            (based.lb_front(1), based.lb_ops(1), based.node_http(1)),
            (20_000, 20_010, 20_020)
        );
        assert_eq!((based.node_peer(2), based.node_ops(3)), (20_031, 20_042));
    }

    #[test]
    fn no_port_is_given_twice() {
        for base in [None, Some(30_000)] {
            let mut ports: Vec<u16> = Ports::new(base)
                .unwrap()
                .all(9, 9)
                .into_iter()
                .map(|(_, p)| p)
                .collect();
            let count = ports.len();
            ports.sort_unstable();
            ports.dedup();
            assert_eq!(ports.len(), count);
        }
    }

    #[test]
    fn a_taken_port_is_named() {
        let (base, ports) = Ports::find_free(3, 2).unwrap();
        let _held = TcpListener::bind((Ipv4Addr::LOCALHOST, base + 21)).unwrap();
        let message = ports.check_free(3, 2).unwrap_err().to_string();
        assert!(
            message.contains(&format!("port {} (HTTP of node-2)", base + 21)),
            "{message}"
        );
        assert!(message.contains("--base-port"), "{message}");
    }

    #[test]
    fn a_base_without_room_is_refused() {
        assert!(Ports::new(Some(65_500)).is_err());
        assert!(Ports::new(Some(80)).is_err());
        assert!(Ports::new(Some(BASE_PORT_MAX)).is_ok());
    }
}
