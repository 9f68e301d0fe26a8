//! The operations listener, plain HTTP and for operators only: is it alive, is it ready, what does it see.
//!
//! It shows no request and changes nothing; orders are taken by `admin` only.

mod page;
mod status;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

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
use crate::front::Crowd;
use crate::limits::{OPS_CONNECTIONS_MAX, OPS_REQUEST_MS_MAX};
use crate::live::SharedLive;
use crate::metrics::Metrics;
use crate::proxy::answer::prefers_html;

pub use status::{NodeLine, Status};

/// What the listener shows.
pub struct Ops {
    /// The nodes.
    pub cluster: Arc<Cluster>,
    /// The settings.
    pub live: SharedLive,
    /// The connections of clients.
    pub crowd: Arc<Crowd>,
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
        let accept = request
            .headers()
            .get(header::ACCEPT)
            .and_then(|accept| accept.to_str().ok());
        let response = ops.answer(request.method(), request.uri().path(), accept.is_some_and(prefers_html));
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

impl Ops {
    fn answer(&self, method: &Method, path: &str, wants_page: bool) -> Response<Full<Bytes>> {
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
            "/" => self.page(),
            "/status" if wants_page => self.page(),
            "/status" => json(StatusCode::OK, &self.status()),
            "/metrics" => match self.metrics.render(self) {
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
            _ => text(StatusCode::NOT_FOUND, "see /, /livez, /readyz, /status and /metrics\n"),
        }
    }

    fn page(&self) -> Response<Full<Bytes>> {
        let body = Bytes::from(page::render(&self.status()));
        let mut response = respond(StatusCode::OK, "text/html; charset=utf-8", body);
        let policy = http::HeaderValue::from_static(page::CONTENT_POLICY);
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        response
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
}

pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Full<Bytes>> {
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
