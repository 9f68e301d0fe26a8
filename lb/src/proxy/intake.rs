//! Takes a request in: flood limits, admission, and the whole body before any node is picked.
//!
//! A node therefore never waits for a slow client, and every attempt sends exactly the same bytes.

use std::sync::Arc;
use std::time::Duration;

use auth_api::limits::BODY_BYTES_MAX;
use http::{StatusCode, Version, header};
use pingora::proxy::Session;
use tokio::time::timeout;

use super::Proxy;
use super::admit::{Admitted, Candidate, admit, bad, raw_head};
use super::answer::Answer;
use super::context::Context;
use super::forwarded;
use super::route::RouteClass;
use crate::config::HostList;
use crate::limits::{
    BODY_READ_MS_MAX, CLIENT_IDLE_SECONDS_MAX, CLIENT_READ_MS_MAX, CLIENT_WRITE_MS_MAX, REFUSED_BODY_DRAIN_BYTES_MAX,
    REFUSED_BODY_DRAIN_MS_MAX,
};
use crate::{clock, entropy};

const TOO_LARGE: Answer = Answer::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than 64 KiB.");
const TOO_MANY: Answer = Answer::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests from this address.");

impl Proxy {
    /// Does everything that comes before a node is picked.
    ///
    /// # Errors
    /// The answer for a request that is not let in.
    pub(super) async fn take_in(&self, session: &mut Session, context: &mut Context) -> Result<(), Answer> {
        let live = Arc::clone(&context.live);
        context.client = session
            .client_addr()
            .and_then(|address| address.as_inet())
            .map(|connected| {
                let headers = &session.req_header().headers;
                forwarded::client(connected.ip(), headers, &live.config.front.trusted_proxies)
            });
        if let Some(client) = context.client {
            live.requests
                .admit(client, clock::us_at(context.started))
                .map_err(|seconds| self.flooded("requests", seconds))?;
        }
        let admitted = look_at(session, &live.config.front.hosts)?;
        context.strict_transport = Some(admitted.strict_transport);
        context.pattern = admitted.rule.pattern;
        context.route = RouteClass::of(&session.req_header().method, admitted.rule);
        if let (RouteClass::Login, Some(client)) = (context.route, context.client) {
            live.logins
                .admit(client, clock::us_at(context.started))
                .map_err(|seconds| self.flooded("logins", seconds))?;
        }
        if admitted.is_mutating {
            context.operation = Some(entropy::id());
            // A closed tab must not cut a change off in the middle.
            session.set_abort_on_close(false);
        }
        self.prepare_connection(session);
        context.body_bytes = read_body(session).await?;
        Ok(())
    }

    fn flooded(&self, limit: &'static str, seconds: u64) -> Answer {
        self.metrics.rate_limited(limit);
        TOO_MANY.after(seconds)
    }

    fn prepare_connection(&self, session: &mut Session) {
        let head = session.req_header();
        // The parser of chunks is lenient with some that are malformed; what follows them is never read as a request.
        let is_chunked = head.headers.contains_key(header::TRANSFER_ENCODING);
        let may_stay = !self.lifecycle.is_draining() && head.version != Version::HTTP_10 && !is_chunked;
        let keepalive = session.get_keepalive().filter(|_| may_stay);
        session.set_keepalive(keepalive.map(|_unbounded| CLIENT_IDLE_SECONDS_MAX));
    }
}

fn look_at(session: &Session, hosts: &HostList) -> Result<Admitted, Answer> {
    let head = session.req_header();
    let admitted = admit(
        &Candidate {
            method: &head.method,
            version: head.version,
            target: head.raw_path(),
            authority: head.uri.authority().map(http::uri::Authority::as_str),
            headers: &head.headers,
        },
        hosts,
    )?;
    let is_chunked = head.headers.contains_key(header::TRANSFER_ENCODING);
    if head.version != Version::HTTP_2 {
        raw_head(&session.to_h1_raw(), is_chunked)?;
    }
    Ok(admitted)
}

/// Reads the whole body into the replay buffer of the session, and tells its length.
async fn read_body(session: &mut Session) -> Result<usize, Answer> {
    let announced = session
        .req_header()
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > BODY_BYTES_MAX) {
        return Err(TOO_LARGE);
    }
    match session.req_header().headers.get(header::EXPECT) {
        None => {}
        Some(expected) if expected.as_bytes().eq_ignore_ascii_case(b"100-continue") => {
            session
                .write_continue_response()
                .await
                .map_err(|_| bad("The connection broke."))?;
        }
        Some(_) => {
            return Err(Answer::new(
                StatusCode::EXPECTATION_FAILED,
                "This expectation cannot be met.",
            ));
        }
    }
    if session.as_downstream_mut().is_body_empty() {
        return Ok(0);
    }
    session.as_downstream_mut().enable_retry_buffering();
    let reading = async {
        let mut total = 0usize;
        while let Some(piece) = session
            .read_request_body()
            .await
            .map_err(|_| bad("The body is malformed."))?
        {
            total = total.saturating_add(piece.len());
            if total > BODY_BYTES_MAX {
                return Err(TOO_LARGE);
            }
        }
        Ok(total)
    };
    let slow = Answer::new(StatusCode::REQUEST_TIMEOUT, "The body took too long.");
    timeout(Duration::from_millis(BODY_READ_MS_MAX), reading)
        .await
        .unwrap_or(Err(slow))
}

/// Bounds every wait for the client, before anything is decided: also who is refused may take no answer.
pub(super) fn limit_times(session: &mut Session) {
    session.set_read_timeout(Some(Duration::from_millis(CLIENT_READ_MS_MAX)));
    session.set_write_timeout(Some(Duration::from_millis(CLIENT_WRITE_MS_MAX)));
}

/// Whether the client of a refused request may still be sending its body. With HTTP/2 a refusal arrives all the same, and who
/// waits to be told to go on sends nothing.
pub(super) fn is_body_drained(answer: &Answer, session: &mut Session) -> bool {
    let head = session.req_header();
    let is_sending = head.version != Version::HTTP_2 && !head.headers.contains_key(header::EXPECT);
    match answer.status {
        StatusCode::PAYLOAD_TOO_LARGE => true,
        StatusCode::NOT_FOUND
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::MISDIRECTED_REQUEST
        | StatusCode::TOO_MANY_REQUESTS => is_sending && !session.as_downstream_mut().is_body_empty(),
        _ => false,
    }
}

/// Reads some more of a refused body: a client that is still sending would otherwise see a reset, not the refusal.
pub(super) async fn drain_refused_body(session: &mut Session) {
    let draining = async {
        let mut total = 0usize;
        while total < REFUSED_BODY_DRAIN_BYTES_MAX {
            match session.read_request_body().await {
                Ok(Some(piece)) => total += piece.len(),
                Ok(None) | Err(_) => break,
            }
        }
    };
    let _ = timeout(Duration::from_millis(REFUSED_BODY_DRAIN_MS_MAX), draining).await;
}
