//! The configuration of a store whose members were given papers and addresses by [`super::Site`].

use cluster_harness::certs::NODE_SUFFIX;
use raft_store::{Config, Limits, Member, PeerTls, Timing, Versions, WallClock};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

const CLUSTER: [u8; 16] = [0xC1; 16];

/// The configuration of member `id` of those at `addresses`; the first one forms the cluster.
///
/// # Errors
/// Papers that cannot be read.
pub fn config(id: u64, addresses: &[SocketAddr], papers: &Path, data: &Path, limits: Limits) -> Result<Config, String> {
    let member = |(id, address): (u64, &SocketAddr)| Member {
        id,
        name: name(id),
        peer_address: *address,
    };
    let position = usize::try_from(id - 1).map_err(|e| e.to_string())?;
    let address = *addresses.get(position).ok_or("a member without an address")?;
    Ok(Config {
        node_id: Some(id),
        name: name(id),
        cluster_id: CLUSTER,
        initialize: id == 1,
        members: (1..).zip(addresses).map(member).collect(),
        data_dir: data.to_owned(),
        listen: address,
        advertise: address,
        join: None,
        versions: Versions { min: 1, max: 1 },
        wall_clock: WallClock::system(),
        tls: tls(papers, &name(id))?,
        timing: Timing::default(),
        limits,
    })
}

/// The name of a member in its certificate.
pub(super) fn name(id: u64) -> String {
    format!("node-{id}")
}

fn tls(papers: &Path, name: &str) -> Result<PeerTls, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate =
        |file: String| CertificateDer::from_pem_file(papers.join(&file)).map_err(|e| format!("{file}: {e}"));
    let key = || PrivateKeyDer::from_pem_file(papers.join(format!("{name}.key"))).map_err(|e| e.to_string());
    let chain = vec![certificate(format!("{name}.pem"))?];
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem".into())?).map_err(|e| e.to_string())?;
    let roots = Arc::new(roots);
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
        .build()
        .map_err(|e| e.to_string())?;
    let (server_key, client_key) = (key()?, key()?);
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_client_cert_verifier(verifier)
                .with_single_cert(chain.clone(), server_key)
        })
        .map_err(|e| e.to_string())?;
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_root_certificates(roots)
                .with_client_auth_cert(chain, client_key)
        })
        .map_err(|e| e.to_string())?;
    Ok(PeerTls {
        server: Arc::new(server),
        client: Arc::new(client),
        server_name_suffix: NODE_SUFFIX.to_owned(),
    })
}
