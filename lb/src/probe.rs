//! Asks each node for its status, over the same mutual TLS that carries requests.
//!
//! It judges nothing: answers and failures go to `cluster`.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use auth_api::paths;
use auth_api::status::{NodeStatus, Role};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::cluster::{Cluster, Node, Probing};
use crate::entropy;
use crate::limits::{PROBE_BODY_BYTES_MAX, PROBE_INTERVAL_UNREADY_MS, PROBES_PER_CONNECTION_MAX};
use crate::metrics::Metrics;
use crate::pool::health::ProbeFailure;

/// Probes one node until it is no longer in the configuration.
pub async fn run(cluster: Arc<Cluster>, node: Arc<Node>, metrics: Arc<Metrics>) {
    let mut prober = Prober {
        node: &node,
        connection: None,
        uses: 0,
        trust_generation: 0,
        complaint: String::new(),
    };
    while !node.is_retired() {
        let probing = cluster.probing();
        let timing = probing.timing;
        match tokio::time::timeout(timing.timeout, prober.ask(&probing)).await {
            Ok(Ok(status)) => {
                prober.complaint.clear();
                if status.role == Role::Leader {
                    metrics.leader_seen(&status.name, status.term);
                }
                cluster.probe_answered(&node, status);
            }
            Ok(Err(failure)) => {
                prober.connection = None;
                cluster.probe_failed(&node, failure);
            }
            Err(_elapsed) => {
                prober.connection = None;
                cluster.probe_failed(&node, ProbeFailure::Silent);
            }
        }
        let pause = if cluster.view().ready.is_empty() {
            timing.interval.min(Duration::from_millis(PROBE_INTERVAL_UNREADY_MS))
        } else {
            timing.interval
        };
        tokio::select! {
            () = tokio::time::sleep(jittered(pause, entropy::draw())) => {}
            () = node.kick.notified() => {
                // Many requests may fail in the same moment: one probe is enough for all of them.
                tokio::time::sleep(timing.interval.min(Duration::from_millis(PROBE_INTERVAL_UNREADY_MS)) / 10).await;
            }
        }
    }
}

/// Between 90 and 100 hundredths of `pause`, so that several balancers do not ask in step.
fn jittered(pause: Duration, draw: u64) -> Duration {
    let hundredths = 90 + u32::try_from(draw % 11).unwrap_or(0);
    pause * hundredths / 100
}

struct Prober<'a> {
    node: &'a Node,
    connection: Option<SendRequest<Empty<Bytes>>>,
    uses: u32,
    /// Certificates and authorities that the connection was made with.
    trust_generation: u64,
    /// What was last complained about: a fault that lasts is logged once, not with every probe.
    complaint: String,
}

impl Prober<'_> {
    fn complain(&mut self, problem: String) {
        if self.complaint != problem {
            tracing::warn!(node = self.node.config.name, problem, "node is not what it should be");
            self.complaint = problem;
        }
    }

    async fn ask(&mut self, probing: &Probing) -> Result<NodeStatus, ProbeFailure> {
        // Now and then a new connection, so that a node whose listener is gone does not live on in an old one.
        let is_trusted = self.trust_generation == probing.trust_generation;
        let may_stay = is_trusted && self.uses < PROBES_PER_CONNECTION_MAX;
        let fresh = match self.connection.take() {
            Some(connection) if may_stay && !connection.is_closed() => Some(connection),
            Some(_) | None => None,
        };
        let connection = match fresh {
            Some(connection) => connection,
            None => {
                self.uses = 0;
                self.trust_generation = probing.trust_generation;
                self.connect(&probing.tls).await?
            }
        };
        self.uses += 1;
        let connection = self.connection.insert(connection);
        let status = request(connection, &self.node.config.certificate_name()).await?;
        if status.name == self.node.config.name {
            Ok(status)
        } else {
            self.complain(format!(
                "{} answers at the address of this node: check nodes.address",
                status.name
            ));
            Err(ProbeFailure::Broken)
        }
    }

    async fn connect(&mut self, tls: &TlsConnector) -> Result<SendRequest<Empty<Bytes>>, ProbeFailure> {
        let stream = TcpStream::connect(self.node.config.address)
            .await
            .map_err(|error| failure_to_connect(&error))?;
        stream.set_nodelay(true).map_err(|_| ProbeFailure::Broken)?;
        let name = ServerName::try_from(self.node.config.certificate_name()).map_err(|_| ProbeFailure::Broken)?;
        let stream = match tls.connect(name, stream).await {
            Ok(stream) => stream,
            Err(error) => {
                self.complain(format!("no TLS with the node: {error}"));
                return Err(ProbeFailure::Broken);
            }
        };
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|_| ProbeFailure::Broken)?;
        // The task ends with the connection, which ends when its sender is dropped.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }
}

/// What it says about the node that it could not be connected: nothing when the fault may be on our side, such as too many open
/// files or no free port.
fn failure_to_connect(error: &io::Error) -> ProbeFailure {
    let is_nobody_there = matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable
    );
    if is_nobody_there {
        ProbeFailure::Refused
    } else {
        ProbeFailure::Silent
    }
}

async fn request(connection: &mut SendRequest<Empty<Bytes>>, host: &str) -> Result<NodeStatus, ProbeFailure> {
    connection.ready().await.map_err(|_| ProbeFailure::Broken)?;
    let request = Request::get(paths::INTERNAL_STATUS)
        .header(header::HOST, host)
        .body(Empty::new())
        .map_err(|_| ProbeFailure::Broken)?;
    let response = connection
        .send_request(request)
        .await
        .map_err(|_| ProbeFailure::Broken)?;
    if response.status() != StatusCode::OK {
        return Err(ProbeFailure::Broken);
    }
    let body = Limited::new(response.into_body(), PROBE_BODY_BYTES_MAX);
    let body = body.collect().await.map_err(|_| ProbeFailure::Broken)?.to_bytes();
    serde_json::from_slice(&body).map_err(|_| ProbeFailure::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_not_there_counts_as_such() {
        for kind in [
            ErrorKind::ConnectionRefused,
            ErrorKind::HostUnreachable,
            ErrorKind::NetworkUnreachable,
        ] {
            assert_eq!(failure_to_connect(&kind.into()), ProbeFailure::Refused, "{kind}");
        }
        // Linux: too many open files of the process, and of the machine.
        for number in [24, 23] {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(failure_to_connect(&error), ProbeFailure::Silent, "{error}");
        }
        for kind in [ErrorKind::AddrNotAvailable, ErrorKind::TimedOut] {
            assert_eq!(failure_to_connect(&kind.into()), ProbeFailure::Silent, "{kind}");
        }
    }

    #[test]
    fn jitter_only_shortens_and_by_a_tenth_at_most() {
        let pause = Duration::from_millis(500);
        for draw in 0..100 {
            let jittered = jittered(pause, draw);
            assert!(jittered <= pause && jittered >= pause * 9 / 10, "{jittered:?}");
        }
    }
}
