//! `Idempotency-Key`: the client's name for a request. The same name with the same body gets the first answer for a day;
//! with another body it is refused. What was answered is kept in the log, in the same entry as the effect; here the name
//! is made into what the log knows it by, and an answer that is there already is found before anything is evaluated, or asked
//! about the caller that the first request itself may have changed. Two requests of one name at the same time are two
//! operations: the first to take effect is the answer of both.
//!
//! A change that demands a fresh proof has a name even when its client gave none: the operation of the load balancer, which
//! repeats it when a node dies. For the change may be what the proof is not fresh enough for any more.
//!
//! Whose name it is, is part of it: a session, an enrolment token, or for strangers their network and the cookies that
//! prove something. Nobody gets an answer with a name alone.

use super::context::RequestContext;
use super::cookies;
use super::refusal::Refusal;
use super::respond::Refused;
use super::routes::AppState;
use auth_api::dialect_003;
use auth_api::limits::{BODY_BYTES_MAX, IDEMPOTENCY_KEY_CHARS_MAX};
use auth_api::problem::Code;
use auth_core::idempotency::IdempotencyKey;
use auth_core::ids::ChallengeId;
use auth_core::secret::Mac;
use axum::body::Body;
use axum::extract::Request;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use zeroize::Zeroizing;

use crate::signing::VerifiedToken;

/// The header.
const HEADER: &str = "idempotency-key";
/// Open calls whose caller is the session of a refresh token.
const BY_REFRESH_TOKEN: [&str; 5] = [
    "/v1/sessions/refresh",
    dialect_003::REFRESH,
    "/auth/logout",
    "/api/auth/refresh",
    "/api/auth/logout",
];

/// Who asks, as far as it can be told without looking anything up.
#[derive(Clone, Copy, Debug)]
pub(super) enum Caller {
    /// The session of a token.
    Session(VerifiedToken),
    /// The bearer of an enrolment token.
    Enrolment(ChallengeId),
    /// Anybody.
    Stranger,
}

/// The name of a request, and who gave it.
pub(super) struct Named {
    pub(super) key: Arc<IdempotencyKey>,
    pub(super) by_client: bool,
}

/// Reads the header of a `POST`, and the body that goes with it. With `always` a change without a name is called after its
/// operation.
pub(super) async fn name(
    app: &AppState,
    ctx: &RequestContext,
    caller: Caller,
    always: bool,
    request: Request,
) -> Result<(Request, Option<Named>), Refused> {
    let by_client = match *request.method() {
        Method::POST => header(request.headers())?,
        _ => None,
    };
    if by_client.is_none() && !always {
        return Ok((request, None));
    }
    let (parts, body) = request.into_parts();
    let read = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = read.map_err(|_| Refusal::new(Code::BodyTooLarge, "The body must have at most 65536 bytes"))?;
    let body = body.to_bytes();

    let path = parts.uri.path().trim_end_matches('/');
    let caller = match caller {
        Caller::Stranger if BY_REFRESH_TOKEN.contains(&path) => refresh_token(app, &parts.headers, &body),
        other @ (Caller::Session(_) | Caller::Enrolment(_) | Caller::Stranger) => other,
    };
    let mac = |what: &'static str, parts: &[&[u8]]| {
        // Each part with its length, so that no two lists run together to the same bytes.
        let mut data = Zeroizing::new(Vec::new());
        for part in parts {
            data.extend_from_slice(&part.len().to_be_bytes());
            data.extend_from_slice(part);
        }
        app.key_ring.stable_mac(what, &data)
    };
    let half = |mac: [u8; 32]| {
        let mut half = [0; 16];
        half.copy_from_slice(&mac[..16]);
        half
    };
    let (scope, shared, subject) = match caller {
        Caller::Session(token) => (token.account.0, false, token.session.0.to_vec()),
        Caller::Enrolment(challenge) => (challenge.0, false, challenge.0.to_vec()),
        Caller::Stranger => {
            let network = network(ctx.client_address).to_string();
            let scope = half(mac("idempotency scope", &[network.as_bytes()]));
            (scope, true, shown(&parts.headers))
        }
    };
    let subject = Zeroizing::new(subject);
    let of: [&[u8]; 2] = match &by_client {
        Some(key) => [b"client", key],
        None => [b"operation", &ctx.operation],
    };
    // A browser gets the same tokens in another place, so what it is answered is another answer.
    let browser = [u8::from(ctx.is_browser)];
    let method = parts.method.as_str().as_bytes();
    let key = IdempotencyKey {
        scope,
        key: half(mac(
            "idempotency key",
            &[of[0], of[1], method, path.as_bytes(), &subject, &browser],
        )),
        body: Mac(mac("idempotency body", &[&body])),
        answer: None,
        shared,
    };
    let named = Named {
        key: Arc::new(key),
        by_client: by_client.is_some(),
    };
    Ok((Request::from_parts(parts, Body::from(body)), Some(named)))
}

fn header(headers: &HeaderMap) -> Result<Option<Vec<u8>>, Refusal> {
    let mut lines = headers.get_all(HEADER).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let key = line.as_bytes();
    let is_visible = key.iter().all(u8::is_ascii_graphic);
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_CHARS_MAX || !is_visible || lines.next().is_some() {
        let told = format!("Idempotency-Key must be one value of 1 to {IDEMPOTENCY_KEY_CHARS_MAX} visible characters");
        return Err(Refusal::new(Code::InvalidRequest, &told));
    }
    Ok(Some(key.to_vec()))
}

/// The session whose refresh token a request shows in its body, its header or a cookie.
fn refresh_token(app: &AppState, headers: &HeaderMap, body: &[u8]) -> Caller {
    let in_body = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|body| body.get("refresh_token")?.as_str().map(str::to_owned));
    let token = in_body.or_else(|| cookies::refresh_token(headers, &app.config).map(|shown| shown.value));
    token
        .and_then(|token| app.auth.refresh_token(&token).ok())
        .map_or(Caller::Stranger, Caller::Session)
}

/// What a stranger's request proves something with. Not the body: another one under the same name must be found.
fn shown(headers: &HeaderMap) -> Vec<u8> {
    let cookies = [cookies::CHALLENGE, cookies::DEVICE].map(|name| cookies::read(headers, name).unwrap_or_default());
    let bearer = headers.get(AUTHORIZATION).map_or(&[][..], |value| value.as_bytes());
    [cookies.join(";").as_bytes(), b";", bearer].concat()
}

/// The address as it is counted: what one customer has is a /64 (TH-6).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The context of a named request, with the answer that it got before.
pub(super) fn with(ctx: &RequestContext, named: Named, kept: Option<auth_core::reply::Reply>) -> RequestContext {
    RequestContext {
        idempotency: Some(named.key),
        kept: kept.map(Arc::new),
        ..ctx.clone()
    }
}
