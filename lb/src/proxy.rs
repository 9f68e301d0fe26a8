//! The path of a request: take it in, pick a node, send it, and send it elsewhere when that node fails.
//!
//! Decisions live in `admit`, `retry`, `route` and `pool`; this file connects them with pingora's phases.

pub mod admit;
pub mod answer;
mod choose;
pub mod context;
mod failure;
pub mod forwarded;
pub mod hygiene;
mod intake;
pub mod retry;
pub mod route;
pub mod shape;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth_api::headers::{NOT_EXECUTED, TRACEPARENT};
use bytes::Bytes;
use http::{Method, StatusCode, header};
use parking_lot::Mutex;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use tokio::time::timeout;

use answer::Answer;
use context::Context;
use failure::{answer_to, cause_of};
use hygiene::Introduction;
use retry::{Cause, should_repeat};

use crate::cluster::Cluster;
use crate::config::StrictTransport;
use crate::drain::Lifecycle;
use crate::front::Pace;
use crate::limits::{CLIENT_WRITE_MS_MAX, UNAVAILABLE_RETRY_AFTER_SECONDS};
use crate::live::SharedLive;
use crate::metrics::Metrics;
use crate::pool::budget::Budget;
use crate::{clock, entropy};

/// An answer of a node that is not passed on because another node gets the request.
const NOT_PASSED_ON: &str = "answer not passed on";

/// The proxy.
pub struct Proxy {
    cluster: Arc<Cluster>,
    live: SharedLive,
    budget: Mutex<Budget>,
    lifecycle: Arc<Lifecycle>,
    metrics: Arc<Metrics>,
}

impl Proxy {
    /// A proxy to the nodes of `cluster`.
    pub fn new(live: SharedLive, cluster: Arc<Cluster>, lifecycle: Arc<Lifecycle>, metrics: Arc<Metrics>) -> Self {
        Self {
            cluster,
            live,
            budget: Mutex::default(),
            lifecycle,
            metrics,
        }
    }

    /// Books a failed attempt and decides whether the request goes elsewhere.
    fn after_failure(&self, session: &Session, context: &mut Context, cause: Cause) -> bool {
        context.is_outcome_open |= cause.leaves_outcome_open() && context.operation.is_some();
        let repeat = should_repeat(&context.situation(session, cause, &self.cluster.view()));
        if repeat && cause.costs_budget() && !self.budget.lock().spend(clock::now_ms()) {
            self.metrics.retry_refused();
            return false;
        }
        if repeat {
            context.open_outcome_retries += u32::from(cause == Cause::OpenOutcome);
            self.metrics.retried(cause);
            tracing::info!(
                request_id = context.id.as_str(),
                node = context.node_name(),
                cause = cause.label(),
                attempts = context.attempts,
                "request goes to another node"
            );
        }
        repeat
    }

    fn node_failed(&self, context: &Context) {
        if let Some(node) = &context.node
            && self.cluster.request_failed(node)
        {
            self.metrics.ejected(&node.config.name);
        }
    }
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new(self.live.load_full(), self.lifecycle.enter())
    }

    /// None: pingora would add one for compression, which is asked about every piece of every answer even when it is off.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, context: &mut Context) -> Result<()> {
        if let Some(pace) = Pace::of(session) {
            pace.request_begins();
        }
        intake::limit_times(session);
        self.budget.lock().request(clock::ms_at(context.started));
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, context: &mut Context) -> Result<bool> {
        let Err(answer) = self.take_in(session, context).await else {
            return Ok(false);
        };
        tell(answer, session, context).await;
        if intake::is_body_drained(&answer, session) {
            intake::drain_refused_body(session).await;
        }
        Ok(true)
    }

    async fn upstream_peer(&self, session: &mut Session, context: &mut Context) -> Result<Box<HttpPeer>> {
        let _ = session;
        context.told_cause = None;
        self.choose(context).await
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        context: &mut Context,
    ) -> Result<()> {
        #[cfg(feature = "mutations")]
        if mutations::on(mutations::Mutation::RetryWithoutOperation) {
            context.operation = context.operation.take().map(|_| entropy::id());
        }
        let introduction = Introduction {
            id: &context.id,
            operation: context.operation.as_ref(),
            client: context.client,
            span: entropy::draw(),
            body_bytes: context.body_bytes,
        };
        *request = hygiene::introduce(request, &introduction);
        context.trace = request.headers.get(TRACEPARENT).cloned();
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        if response.status.is_informational() {
            return Ok(());
        }
        let answer_took = clock::now().saturating_duration_since(context.attempt_started);
        context.answer_took = Some(answer_took);
        let cause = match response.status {
            StatusCode::SERVICE_UNAVAILABLE if response.headers.contains_key(NOT_EXECUTED) => {
                if let Some(node) = &context.node {
                    self.cluster.not_executed(node);
                }
                Some(Cause::NotExecuted)
            }
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                self.node_failed(context);
                Some(Cause::OpenOutcome)
            }
            _ => None,
        };
        match cause {
            Some(cause) if self.after_failure(session, context, cause) => {
                context.told_cause = Some(cause);
                let mut error = Error::explain(ErrorType::new(NOT_PASSED_ON), cause.label()).into_up();
                error.set_retry(true);
                return Err(error);
            }
            Some(_) if response.headers.contains_key(header::RETRY_AFTER) => {}
            Some(_) => response.insert_header(header::RETRY_AFTER, UNAVAILABLE_RETRY_AFTER_SECONDS)?,
            None => {
                if let Some(node) = &context.node {
                    self.cluster.request_answered(node, context.route, answer_took);
                }
            }
        }
        if is_without_body(&session.req_header().method, response) {
            // The node is done: no piece of a body will tell so.
            context.lease = None;
        }
        hygiene::present(
            response,
            &context.id,
            context.strict_transport.unwrap_or(StrictTransport::Silent),
        )
    }

    fn upstream_response_body_filter(
        &self,
        _session: &mut Session,
        _body: &mut Option<Bytes>,
        is_end: bool,
        context: &mut Context,
    ) -> Result<Option<Duration>> {
        if is_end {
            // The node is done, however slowly the client reads.
            context.lease = None;
        }
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        session: &mut Session,
        _peer: &HttpPeer,
        context: &mut Context,
        mut error: Box<Error>,
    ) -> Box<Error> {
        if matches!(error.etype(), ErrorType::ConnectRefused | ErrorType::ConnectNoRoute) {
            if let Some(node) = &context.node {
                self.cluster.refused(node);
            }
        } else {
            self.node_failed(context);
        }
        let repeat = self.after_failure(session, context, Cause::Connect);
        error.set_retry(repeat);
        error
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        context: &mut Context,
        _client_reused: bool,
    ) -> Box<Error> {
        if context.told_cause.take().is_some() {
            // Decided when the answer came.
            error.set_retry(true);
            return error;
        }
        let cause = cause_of(&error);
        if matches!(cause, Cause::Broken | Cause::Silent) {
            self.node_failed(context);
        }
        let repeat = self.after_failure(session, context, cause);
        error.set_retry(repeat);
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, context: &mut Context) -> FailToProxy {
        let answer = answer_to(context, error);
        if let Some(answer) = answer {
            tell(answer, session, context).await;
        }
        FailToProxy {
            error_code: answer.map_or(0, |answer| answer.status.as_u16()),
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, context: &mut Context) {
        let status = session.response_written().map_or(0, |head| head.status.as_u16());
        let took = clock::now().saturating_duration_since(context.started);
        self.metrics.answered(context.route, status, context.node_name(), took);
        tracing::info!(
            target: "access",
            request_id = context.id.as_str(),
            method = session.req_header().method.as_str(),
            class = context.route.label(),
            route = context.pattern,
            status,
            node = context.node_name(),
            attempts = context.attempts,
            duration_ms = milliseconds(took),
            node_ms = context.answer_took.map(milliseconds),
            version = ?session.req_header().version,
            tls = session.digest().and_then(|digest| digest.ssl_digest.as_ref()).map(|tls| &*tls.version),
            traceparent = context.trace.as_ref().and_then(|trace| trace.to_str().ok()),
            error = error.map(|error| error.etype().as_str()),
            "request"
        );
        context.lease = None;
        if let Some(pace) = Pace::of(session) {
            pace.request_ends();
        }
    }

    /// The access line tells the outcome; pingora's own line would name the path with its query.
    fn suppress_error_log(&self, _session: &Session, _context: &Context, _error: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _context: &Context,
        _error: &Error,
        _why: ProxyWarnLogContext,
    ) -> bool {
        true
    }

    fn request_summary(&self, session: &Session, context: &Context) -> String {
        format!("{} {} {}", session.req_header().method, context.pattern, context.id)
    }
}

/// Sends an answer of our own. A client that is gone cannot be told, and one that takes nothing is not waited for.
async fn tell(answer: Answer, session: &mut Session, context: &Context) {
    let sending = answer.send(session, &context.id, context.strict_transport);
    let _ = timeout(Duration::from_millis(CLIENT_WRITE_MS_MAX), sending).await;
}

/// Whether the head of an answer is all that the node sends.
fn is_without_body(method: &Method, response: &ResponseHeader) -> bool {
    *method == Method::HEAD || matches!(response.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn milliseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}
