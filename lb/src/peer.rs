//! A node as pingora sees it: a plain connection that [`Link`] makes, and every timeout of a request.
//!
//! Addresses only, never names: pingora resolves names by blocking.

use std::sync::Arc;
use std::time::Duration;

use pingora::upstreams::peer::{ALPN, HttpPeer, HttpUpstreamRequestPolicy};

use crate::config::Timeouts;
use crate::limits::NODE_WRITE_MS_MAX;
use crate::link::Link;

/// The peer for a node; each request takes a copy and sets its own read timeout.
pub fn template(link: Link, timeouts: &Timeouts) -> HttpPeer {
    // To pingora it is plain. The link below shakes hands and verifies.
    let mut peer = HttpPeer::new(link.address, false, String::new());
    let options = &mut peer.options;
    options.alpn = ALPN::H1;
    options.total_connection_timeout = Some(timeouts.connect * 2);
    options.read_timeout = Some(timeouts.one_try);
    options.write_timeout = Some(Duration::from_millis(NODE_WRITE_MS_MAX));
    options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
    options.custom_l4 = Some(Arc::new(link));
    peer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::good_config;
    use crate::link::Kept;
    use crate::tls;

    #[test]
    fn a_peer_goes_over_its_link_and_waits_for_nothing_without_end() {
        tls::install_provider();
        let config = good_config();
        let node = &config.nodes[0];
        let link = Link {
            address: node.address,
            certificate_name: node.certificate_name(),
            tls: tls::connector(&config.backend).expect("a usable identity"),
            trust_generation: 0,
            limit: config.timeouts.connect,
            kept: Arc::new(Kept::default()),
        };
        let peer = template(link, &config.timeouts);
        let options = &peer.options;
        let link = format!("{:?}", options.custom_l4);
        assert!(link.contains("node-1.node.tfauth.internal"), "{link}");
        for timeout in [
            options.total_connection_timeout,
            options.read_timeout,
            options.write_timeout,
        ] {
            assert!(timeout.is_some_and(|timeout| !timeout.is_zero()));
        }
    }
}
