//! The public keys that verify access tokens, as a JWK set.

use crate::http::respond::Refused;
use crate::http::routes::AppState;
use crate::service::ServiceError;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// How long verifiers may keep it: a new key is published longer than this before it signs (JW-7).
const CACHE: &str = "public, max-age=300";

/// `GET /.well-known/jwks.json`.
pub async fn jwks(State(app): State<AppState>) -> Result<Response, Refused> {
    let Some(keys) = app.auth.jwks() else {
        return Err(ServiceError::Unavailable { not_executed: true }.into());
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static(CACHE)),
    ];
    Ok((headers, keys).into_response())
}
