//! How pingora reaches a node: address, the name that its certificate must carry, our certificate, and every timeout.
//!
//! Addresses only, never names (pingora resolves names by blocking), and never an empty name for the certificate (which
//! would switch verification off).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use pingora::protocols::TcpKeepalive;
use pingora::protocols::tls::CaType;
use pingora::upstreams::peer::{ALPN, HttpPeer, HttpUpstreamRequestPolicy};
use pingora::utils::tls::{CertKey, WrappedX509, parse_x509};

use crate::config::{Backend, NodeConfig, Timeouts};
use crate::limits::{
    NODE_IDLE_SECONDS_MAX, NODE_KEEPALIVE_IDLE_MS, NODE_KEEPALIVE_PROBES_MAX, NODE_UNACKNOWLEDGED_MS_MAX,
    NODE_WRITE_MS_MAX,
};

/// Our certificate and the nodes' authorities, as pingora wants them.
pub struct Trust {
    identity: Arc<CertKey>,
    authorities: Arc<CaType>,
}

impl Trust {
    /// From checked configuration.
    pub fn new(backend: &Backend) -> Self {
        let chain = backend.chain.iter().map(|certificate| certificate.to_vec()).collect();
        let authorities: Vec<WrappedX509> = backend
            .authorities
            .iter()
            .map(|certificate| WrappedX509::new(certificate.to_vec(), parse_x509))
            .collect();
        Self {
            identity: Arc::new(CertKey::new(chain, backend.key.secret_der().to_vec())),
            authorities: authorities.into(),
        }
    }
}

/// The peer for a node; each request takes a copy and sets its own group and read timeout.
pub fn template(node: &NodeConfig, trust: &Trust, timeouts: &Timeouts) -> HttpPeer {
    let mut peer = HttpPeer::new_mtls(node.address, node.certificate_name(), Arc::clone(&trust.identity));
    let options = &mut peer.options;
    options.verify_cert = true;
    options.verify_hostname = true;
    options.ca = Some(Arc::clone(&trust.authorities));
    options.alpn = ALPN::H1;
    options.connection_timeout = Some(timeouts.connect);
    options.total_connection_timeout = Some(timeouts.connect * 2);
    options.read_timeout = Some(timeouts.one_try);
    options.write_timeout = Some(Duration::from_millis(NODE_WRITE_MS_MAX));
    options.idle_timeout = Some(Duration::from_secs(NODE_IDLE_SECONDS_MAX));
    // A machine that died sends no reset: the kernel has to notice.
    options.tcp_keepalive = Some(TcpKeepalive {
        idle: Duration::from_millis(NODE_KEEPALIVE_IDLE_MS),
        interval: Duration::from_millis(NODE_KEEPALIVE_IDLE_MS),
        count: NODE_KEEPALIVE_PROBES_MAX,
        user_timeout: Duration::from_millis(NODE_UNACKNOWLEDGED_MS_MAX),
    });
    options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
    peer
}

/// Keeps connections to one start of a node apart from those to the next, and those that were verified with one generation
/// of certificates and authorities from those with the next.
pub fn group_of(incarnation: &str, trust_generation: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (incarnation, trust_generation).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use pingora::upstreams::peer::Peer;

    use super::*;
    use crate::config::tests::good_config;

    #[test]
    fn a_peer_is_verified_by_name_and_waits_for_nothing_without_end() {
        let config = good_config();
        let trust = Trust::new(&config.backend);
        let peer = template(&config.nodes[0], &trust, &config.timeouts);
        assert!(peer.tls() && peer.verify_cert() && peer.verify_hostname());
        assert_eq!(peer.sni(), "node-1.node.tfauth.internal");
        assert!(peer.get_ca().is_some_and(|authorities| !authorities.is_empty()));
        assert!(peer.get_client_cert_key().is_some());
        let options = &peer.options;
        for timeout in [
            options.connection_timeout,
            options.total_connection_timeout,
            options.read_timeout,
            options.write_timeout,
            options.idle_timeout,
        ] {
            assert!(timeout.is_some_and(|timeout| !timeout.is_zero()));
        }
        assert!(options.tcp_keepalive.is_some());
    }

    #[test]
    fn connections_to_an_earlier_start_of_a_node_are_not_used_again() {
        let config = good_config();
        let trust = Trust::new(&config.backend);
        let mut peer = template(&config.nodes[0], &trust, &config.timeouts);
        peer.group_key = group_of("first", 0);
        let first = peer.reuse_hash();
        peer.options.read_timeout = Some(Duration::from_millis(1));
        assert_eq!(peer.reuse_hash(), first, "a deadline must not split the pool");
        peer.group_key = group_of("second", 0);
        assert_ne!(peer.reuse_hash(), first);
        peer.group_key = group_of("first", 1);
        assert_ne!(peer.reuse_hash(), first);
    }
}
