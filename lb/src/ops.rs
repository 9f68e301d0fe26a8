//! The operations listener, plain HTTP and for operators only: is it alive, is it ready, what does it see.
//!
//! It shows no request and changes nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use auth_api::status::Role;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::cluster::Cluster;
use crate::drain::Lifecycle;
use crate::limits::{OPS_CONNECTIONS_MAX, OPS_REQUEST_MS_MAX};
use crate::metrics::Metrics;
use crate::pool::health::Reach;

/// What the listener shows.
pub struct Ops {
    /// The nodes.
    pub cluster: Arc<Cluster>,
    /// The process.
    pub lifecycle: Arc<Lifecycle>,
    /// The counters.
    pub metrics: Arc<Metrics>,
}

/// Answers on `listener` for ever.
pub async fn run(ops: Arc<Ops>, listener: TcpListener) {
    let connections = Arc::new(Semaphore::new(OPS_CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let ops = Arc::clone(&ops);
                tokio::spawn(async move {
                    serve_connection(ops, stream).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "operations listener cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve_connection(ops: Arc<Ops>, stream: TcpStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = ops.answer(request.method(), request.uri().path());
        async move { Ok::<_, Infallible>(response) }
    });
    // A client that hangs up is no event.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(OPS_REQUEST_MS_MAX))
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    reasons: Vec<&'static str>,
}

#[derive(Serialize)]
struct Status<'a> {
    draining: bool,
    in_flight: u64,
    held: u32,
    nodes: Vec<NodeLine<'a>>,
}

#[derive(Serialize)]
struct NodeLine<'a> {
    name: &'a str,
    address: std::net::SocketAddr,
    up: bool,
    ready: bool,
    suspect: bool,
    draining: bool,
    role: Role,
    term: u64,
    applied: u64,
    in_flight: u32,
    ejected: bool,
}

impl Ops {
    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if ![Method::GET, Method::HEAD].contains(method) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        }
        match path {
            "/livez" => text(StatusCode::OK, "ok"),
            "/readyz" => {
                let readiness = self.readiness();
                json(
                    if readiness.ready {
                        StatusCode::OK
                    } else {
                        StatusCode::SERVICE_UNAVAILABLE
                    },
                    &readiness,
                )
            }
            "/status" => json(StatusCode::OK, &self.status()),
            "/metrics" => match self.metrics.render(&self.cluster, &self.lifecycle) {
                Ok(metrics) => respond(
                    StatusCode::OK,
                    "text/plain; version=0.0.4; charset=utf-8",
                    Bytes::from(metrics),
                ),
                Err(error) => {
                    tracing::error!(%error, "metrics cannot be written");
                    text(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be written\n")
                }
            },
            _ => text(StatusCode::NOT_FOUND, "see /livez, /readyz, /status and /metrics\n"),
        }
    }

    /// Without a single ready node it is still ready: clients should get an honest 503 rather than no answer at all, which
    /// is what they get when every load balancer declares itself unready.
    fn readiness(&self) -> Readiness {
        let mut reasons = Vec::new();
        let is_draining = self.lifecycle.is_draining();
        let is_probed = self.cluster.is_probed();
        if is_draining {
            reasons.push("draining");
        }
        if !is_probed {
            reasons.push("not every node was probed yet");
        } else if self.cluster.view().ready.is_empty() {
            reasons.push("no node is ready: requests wait, then get 503");
        }
        Readiness {
            ready: !is_draining && is_probed,
            reasons,
        }
    }

    fn status(&self) -> Status<'_> {
        let nodes = self.cluster.nodes().iter().map(|node| {
            let (reach, standing) = node.standing();
            let said = node.status();
            let is_up = matches!(reach, Reach::Up | Reach::Suspect);
            NodeLine {
                name: &node.config.name,
                address: node.config.address,
                up: is_up,
                ready: standing.ready,
                suspect: standing.suspect,
                draining: said.as_ref().is_some_and(|said| said.draining),
                role: said.as_ref().filter(|_| is_up).map_or(Role::Down, |said| said.role),
                term: said.as_ref().map_or(0, |said| said.term),
                applied: said.as_ref().map_or(0, |said| said.applied),
                in_flight: node.in_flight(),
                ejected: standing.ejected,
            }
        });
        Status {
            draining: self.lifecycle.is_draining(),
            in_flight: self.lifecycle.in_flight(),
            held: self.cluster.held(),
            nodes: nodes.collect(),
        }
    }
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_vec(value) {
        Ok(body) => respond(status, "application/json", Bytes::from(body)),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "cannot be written\n"),
    }
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", Bytes::from_static(body.as_bytes()))
}

fn respond(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    response
}
