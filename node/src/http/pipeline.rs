//! What every request of a load balancer passes through before and after its route: status probe, drain, size limit,
//! deadline, panics, span, access log, metrics.

use super::browser;
use super::context::RequestContext;
use super::ops::json;
use super::refusal::Refusal;
use super::respond::{self, Refused};
use super::security_headers;
use super::server::Answer;
use super::status::Health;
use crate::clock;
use crate::limits::DEADLINE_SLACK;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::trace::TraceParent;
use auth_api::limits::BODY_BYTES_MAX;
use auth_api::problem::Code;
use auth_api::{headers, paths};
use axum::Router;
use axum::body::Body;
use axum::extract::MatchedPath;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse as _;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Limited;
use hyper::body::Incoming;
use std::any::Any;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt as _;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

/// Label of requests that no route took.
const NO_ROUTE: &str = "none";

/// Routes with everything around them. Cheap to clone.
#[derive(Clone)]
pub struct Pipeline {
    inner: Arc<Inner>,
}

struct Inner {
    router: Router,
    health: Health,
    metrics: Metrics,
    allowed: Duration,
    spans_exported: bool,
}

/// The route that answered, carried from inside the router to the outside.
#[derive(Clone)]
struct RouteTemplate(MatchedPath);

impl Pipeline {
    /// Puts limits around `router`. `allowed` is the time for one request.
    #[must_use]
    pub fn new(router: Router, health: Health, metrics: Metrics, allowed: Duration, spans_exported: bool) -> Self {
        let panics = metrics.request_panics.clone();
        // The process' panic hook has told the log what happened, and where.
        let caught = CatchPanicLayer::custom(move |_: Box<dyn Any + Send>| {
            panics.inc();
            refuse(Code::Internal, "Internal error")
        });
        let router = router.layer(caught).layer(from_fn(remember_route));
        Self {
            inner: Arc::new(Inner {
                router,
                health,
                metrics,
                allowed,
                spans_exported,
            }),
        }
    }

    async fn dispatch(&self, request: Request<Incoming>, context: RequestContext) -> Response<Body> {
        let inner = &self.inner;
        let path = request.uri().path();
        if path == paths::INTERNAL_STATUS {
            return if request.method() == Method::GET {
                json(StatusCode::OK, &inner.health.status())
            } else {
                refuse(Code::MethodNotAllowed, "Method not allowed")
            };
        }
        let _counted = inner.health.enter();
        // Asked after being counted: whoever waits for the count to fall after the word to drain misses nobody.
        if inner.health.is_draining() {
            return draining();
        }
        if declared_length(&request).is_some_and(|length| length > BODY_BYTES_MAX as u64) {
            return too_large();
        }
        let deadline = context.deadline + DEADLINE_SLACK;
        let mut request = request.map(|body| Body::new(Limited::new(body, BODY_BYTES_MAX)));
        request.extensions_mut().insert(context);
        let answer = inner.router.clone().oneshot(request);
        match tokio::time::timeout_at(deadline.into(), answer).await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_) => {
                tracing::warn!("no answer was ready at the deadline");
                // Whether anything was done is not known here, so the mark of "not executed" stays away.
                unavailable("No answer in time. Try again.", false)
            }
        }
    }

    fn finish(
        &self,
        mut response: Response<Body>,
        method: &Method,
        began: std::time::Instant,
        probe: bool,
    ) -> Response<Body> {
        security_headers::fill(response.headers_mut());
        let template = response.extensions_mut().remove::<RouteTemplate>();
        let route = template.as_ref().map_or(NO_ROUTE, |template| template.0.as_str());
        let route = if probe { paths::INTERNAL_STATUS } else { route };
        let status = response.status();
        let took = clock::monotonic().saturating_duration_since(began);
        let metrics = &self.inner.metrics;
        metrics
            .requests
            .with_label_values(&[method_label(method), route, status.as_str()])
            .inc();
        metrics
            .request_seconds
            .with_label_values(&[route])
            .observe(took.as_secs_f64());
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let (method, status) = (method.as_str(), status.as_u16());
        if probe {
            tracing::trace!(target: "access", method, route, status, ms, "request");
        } else {
            tracing::info!(target: "access", method, route, status, ms, "request");
        }
        response
    }
}

impl Answer for Pipeline {
    async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Response<Body> {
        let began = clock::monotonic();
        let context = RequestContext::new(request.headers(), peer, self.inner.allowed);
        let parent = request.headers().get(headers::TRACEPARENT).and_then(TraceParent::parse);
        let trace_id = parent.as_ref().map(TraceParent::trace_id);
        let span = tracing::info_span!("request", request_id = %context.request_id, trace_id);
        if let Some(parent) = parent.filter(|_| self.inner.spans_exported) {
            parent.adopt(&span);
        }
        let method = request.method().clone();
        let probe = request.uri().path() == paths::INTERNAL_STATUS;
        async {
            let reference = context.request_id.clone();
            let is_navigation = browser::is_navigation(request.headers());
            let path = request.uri().path().to_owned();
            let mut response = self.dispatch(request, context).await;
            // What no route worded: limits, drain, the deadline, panics.
            response = respond::word_rest(response, &path, &reference);
            if is_navigation {
                response = browser::as_page(response, Some(&reference));
            }
            self.finish(response, &method, began, probe)
        }
        .instrument(span)
        .await
    }
}

async fn remember_route(request: axum::extract::Request, next: Next) -> axum::response::Response {
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(matched) = matched {
        response.extensions_mut().insert(RouteTemplate(matched));
    }
    response
}

/// Methods that clients make up share a label, or each would make a new series.
fn method_label(method: &Method) -> &str {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    if known.contains(method) {
        method.as_str()
    } else {
        "other"
    }
}

fn declared_length<B>(request: &Request<B>) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn refuse(code: Code, detail: &str) -> Response<Body> {
    Refused::from(Refusal::new(code, detail)).into_response()
}

fn too_large() -> Response<Body> {
    let mut response = refuse(Code::BodyTooLarge, "The body is larger than 64 KiB");
    // What is left of the body is not read.
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn unavailable(detail: &str, not_executed: bool) -> Response<Body> {
    let refusal = Refusal {
        detail: detail.to_owned(),
        not_executed,
        ..Refusal::unavailable()
    };
    Refused::from(refusal).into_response()
}

fn draining() -> Response<Body> {
    let mut response = unavailable("This node is about to stop. Try again.", true);
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;
