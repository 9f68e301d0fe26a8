//! Certificates that are renewed under load, and one that has run out.

use super::{Need, Nemesis, Strike};
use crate::chaos::field::{Field, text};
use cluster_harness::certs::{Authority, FRONT};
use futures_util::FutureExt as _;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(super) const ALL: &[Nemesis] = &[
    Nemesis {
        name: "renew-certificates",
        about: "every certificate is renewed; load balancers notice, nodes are restarted in order",
        need: Need::Nothing,
        act: |field, _| async move { renew(field).await }.boxed(),
    },
    Nemesis {
        name: "expired-certificate",
        about: "a node comes back with a certificate that has run out, until it gets a good one",
        need: Need::Nothing,
        act: |field, hold| async move { expire(field, hold).await }.boxed(),
    },
];

const READY_MAX: Duration = Duration::from_secs(20);
/// Load balancers look at their files every few seconds.
const NOTICED_MAX: Duration = Duration::from_secs(15);

async fn renew(field: &Field) -> Result<Strike, String> {
    let layout = field.cluster.layout();
    let authority = Authority::load(layout).map_err(text)?;
    let before = served(field).await?;
    authority
        .issue_front()
        .and_then(|pair| pair.write(layout, FRONT))
        .map_err(text)?;
    for lb in field.network.lbs() {
        authority
            .issue_lb()
            .and_then(|pair| pair.write(layout, lb))
            .map_err(text)?;
    }
    for node in field.network.nodes() {
        authority
            .issue_node(node)
            .and_then(|pair| pair.write(layout, node))
            .map_err(text)?;
        field.cluster.members().restart(node).await.map_err(text)?;
        wait_ready(field, node).await;
    }
    let until = Instant::now() + NOTICED_MAX;
    let mut changed = false;
    while !changed && Instant::now() < until {
        changed = served(field).await? != before;
        sleep(crate::limits::POLL).await;
    }
    let note = if changed {
        "a new certificate is served"
    } else {
        "the old certificate is still served"
    };
    Ok(Strike::on(field.network.nodes(), changed, note))
}

async fn expire(field: &Field, hold: Duration) -> Result<Strike, String> {
    let layout = field.cluster.layout();
    let authority = Authority::load(layout).map_err(text)?;
    let (_, others) = field.leader_and_others().await?;
    let victim = field.pick(&others)?;
    let short = authority.issue_node_for(Duration::ZERO, &victim).map_err(text)?;
    short.write(layout, &victim).map_err(text)?;
    sleep(Duration::from_secs(1)).await;
    field.kill(&victim).await?;
    field.cluster.members().launch(&victim).await.map_err(text)?;
    sleep(hold).await;
    field.cluster.members().reap().await.map_err(text)?;
    let status = field.status().await;
    let is_out = status.sick().contains(&victim.as_str());
    authority
        .issue_node(&victim)
        .and_then(|pair| pair.write(layout, &victim))
        .map_err(text)?;
    field.kill(&victim).await?;
    field.start(&victim).await?;
    wait_ready(field, &victim).await;
    let note = if is_out {
        "it was left out meanwhile"
    } else {
        "it took part all the same"
    };
    Ok(Strike::on(&[victim], is_out, note))
}

async fn wait_ready(field: &Field, name: &str) {
    let until = Instant::now() + READY_MAX;
    while Instant::now() < until && field.status().await.sick().contains(&name) {
        sleep(crate::limits::POLL).await;
    }
}

/// What the first load balancer shows in a new handshake.
async fn served(field: &Field) -> Result<Vec<u8>, String> {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName};
    let url = field.cluster.urls().into_iter().next().ok_or("no load balancer")?;
    let address = url.trim_start_matches("https://").replace("localhost", "127.0.0.1");
    let mut roots = rustls::RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(field.cluster.ca()).map_err(text)?;
    roots.add(authority).map_err(text)?;
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let tcp = tokio::net::TcpStream::connect(&address).await.map_err(text)?;
    let name = ServerName::try_from("localhost").map_err(text)?;
    let stream = connector.connect(name, tcp).await.map_err(text)?;
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    shown
        .map(|certificate| certificate.to_vec())
        .ok_or_else(|| "no certificate is shown".to_owned())
}
