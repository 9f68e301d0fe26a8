//! The operations listener: plain HTTP, for operators and their monitoring. Nothing of it changes anything.

use super::server::Answer;
use super::status::Health;
use crate::telemetry::metrics::Metrics;
use auth_api::paths;
use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;
use std::net::IpAddr;

/// Answers on the operations listener.
#[derive(Clone)]
pub struct Ops {
    health: Health,
    metrics: Metrics,
}

/// Body of `GET /readyz`.
#[derive(Serialize)]
struct Readiness {
    ready: bool,
    reasons: Vec<String>,
}

impl Ops {
    /// Tells of `health` and `metrics`.
    #[must_use]
    pub fn new(health: Health, metrics: Metrics) -> Self {
        Self { health, metrics }
    }

    fn get(&self, path: &str) -> Response<Body> {
        match path {
            "/livez" => text(StatusCode::OK, "ok"),
            "/readyz" => {
                let reasons = self.health.reasons();
                let status = if reasons.is_empty() {
                    StatusCode::OK
                } else {
                    StatusCode::SERVICE_UNAVAILABLE
                };
                json(
                    status,
                    &Readiness {
                        ready: reasons.is_empty(),
                        reasons,
                    },
                )
            }
            "/status" => json(StatusCode::OK, &self.health.status()),
            paths::METRICS => match self.metrics.text() {
                Ok(lines) => {
                    let mut response = Response::new(Body::from(lines));
                    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                    response.headers_mut().insert(CONTENT_TYPE, kind);
                    response
                }
                Err(error) => {
                    tracing::error!(%error, "the metrics cannot be written down");
                    text(
                        StatusCode::INTERNAL_SERVER_ERROR,
                        "the metrics cannot be written down: see the log",
                    )
                }
            },
            _ => text(StatusCode::NOT_FOUND, "there is /livez, /readyz, /status and /metrics"),
        }
    }
}

impl Answer for Ops {
    async fn answer(&self, request: Request<Incoming>, _peer: IpAddr) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET");
        }
        self.get(request.uri().path())
    }
}

/// A JSON answer that nobody keeps.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    // The shapes that are written here have no maps with keys that could fail.
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn text(status: StatusCode, body: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
