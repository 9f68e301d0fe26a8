//! `Idempotency-Key`: the client's name for a request. The same name with the same body gets the first answer for a day;
//! with another body it is refused. What was answered is kept in the log, in the same entry as the effect; here the name
//! is made into what the log knows it by, and an answer that is there already is found before anything is evaluated. Two
//! requests of one name at the same time are two operations: the first to take effect is the answer of both.

use super::context::RequestContext;
use super::refusal::Refusal;
use super::respond::Refused;
use super::routes::AppState;
use auth_api::limits::{BODY_BYTES_MAX, IDEMPOTENCY_KEY_CHARS_MAX};
use auth_api::problem::Code;
use auth_core::idempotency::IdempotencyKey;
use auth_core::ids::AccountId;
use auth_core::secret::Mac;
use axum::body::Body;
use axum::extract::Request;
use http::Method;
use http_body_util::{BodyExt as _, Limited};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The header.
const HEADER: &str = "idempotency-key";

/// Reads the header of a `POST` and puts its meaning into the request's context. `caller` is whose session asks.
pub(super) async fn name(
    app: &AppState,
    ctx: &RequestContext,
    caller: Option<AccountId>,
    request: Request,
) -> Result<Request, Refused> {
    let mut lines = request.headers().get_all(HEADER).iter();
    let (Some(line), true) = (lines.next(), *request.method() == Method::POST) else {
        return Ok(request);
    };
    let key = line.as_bytes();
    let is_visible = key.iter().all(u8::is_ascii_graphic);
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_CHARS_MAX || !is_visible || lines.next().is_some() {
        let told = format!("Idempotency-Key must be one value of 1 to {IDEMPOTENCY_KEY_CHARS_MAX} visible characters");
        return Err(Refusal::new(Code::InvalidRequest, &told).into());
    }
    let key = key.to_vec();
    let path = request.uri().path().trim_end_matches('/').to_owned();
    let (mut parts, body) = request.into_parts();
    let read = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = read.map_err(|_| Refusal::new(Code::BodyTooLarge, "The body must have at most 65536 bytes"))?;
    let body = body.to_bytes();

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
    let scope = match caller {
        Some(account) => account.0,
        None => half(mac("idempotency scope", &[ctx.client_address.to_string().as_bytes()])),
    };
    let key = IdempotencyKey {
        scope,
        key: half(mac("idempotency key", &[path.as_bytes(), &key])),
        body: Mac(mac("idempotency body", &[&body])),
        answer: None,
    };
    let kept = app.auth.kept_answer(ctx, &key).await?;
    let named = RequestContext {
        idempotency: Some(Arc::new(key)),
        kept: kept.map(Arc::new),
        ..ctx.clone()
    };
    parts.extensions.insert(named);
    Ok(Request::from_parts(parts, Body::from(body)))
}
