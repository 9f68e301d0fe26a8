//! `POST /logout`: ends the session on every node, then makes the browser forget it.

use super::answers::{failure, see_other};
use crate::http::context::RequestContext;
use crate::http::cookies;
use crate::http::forms::{self, VerifiedForm};
use crate::http::routes::AppState;
use crate::service::ServiceError;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use secrecy::ExposeSecret as _;

/// What the browser drops. Not its cache: nothing secret is in it (`no-store`), and clearing it is slow. Nor all cookies: those
/// that name the session are cleared one by one, and the device stays known.
const CLEAR_SITE_DATA: (HeaderName, HeaderValue) = (
    HeaderName::from_static("clear-site-data"),
    HeaderValue::from_static("\"storage\""),
);

pub(super) async fn submit(
    State(app): State<AppState>,
    ctx: RequestContext,
    headers: HeaderMap,
    _form: VerifiedForm,
) -> Response {
    match end_session(&app, &ctx, &headers).await {
        // Without a live session there is nothing to end: the browser forgets what it has.
        Ok(()) | Err(ServiceError::Unauthenticated | ServiceError::Denied(_)) => {
            let mut response = see_other("/login?notice=logged_out");
            let out = response.headers_mut();
            cookies::clear_tokens(out, &app.config);
            cookies::clear(out, cookies::CHALLENGE);
            cookies::clear(out, forms::COOKIE);
            out.insert(CLEAR_SITE_DATA.0, CLEAR_SITE_DATA.1);
            response
        }
        // The session may live on, so the cookies stay and the user is told.
        Err(
            error @ (ServiceError::Invalid(_)
            | ServiceError::StepUpRequired
            | ServiceError::Forbidden
            | ServiceError::NotFound
            | ServiceError::Replaced
            | ServiceError::Overloaded { .. }
            | ServiceError::Unavailable { .. }
            | ServiceError::Fault(_)),
        ) => failure(&error, &ctx, "/welcome"),
    }
}

/// Ends the session of the access token. When that has expired but the session has not, the refresh token is traded for
/// a new one first: logging out must end the session, not just hide it.
async fn end_session(app: &AppState, ctx: &RequestContext, headers: &HeaderMap) -> Result<(), ServiceError> {
    if let Some(access) = cookies::access_token(headers, &app.config) {
        match app.auth.end_session(ctx, &access.value).await {
            Err(ServiceError::Unauthenticated) => {}
            ended => return ended,
        }
    }
    let refresh = cookies::refresh_token(headers, &app.config).ok_or(ServiceError::Unauthenticated)?;
    let tokens = app.auth.refresh_session(ctx, &refresh.value).await?;
    let ended = app.auth.end_session(ctx, tokens.access.expose_secret()).await;
    ended.map_err(|error| match error {
        // The refresh took effect, so "nothing was done" would not be true.
        ServiceError::Overloaded { .. } | ServiceError::Unavailable { .. } => {
            ServiceError::Unavailable { not_executed: false }
        }
        other @ (ServiceError::Denied(_)
        | ServiceError::Invalid(_)
        | ServiceError::Unauthenticated
        | ServiceError::StepUpRequired
        | ServiceError::Forbidden
        | ServiceError::NotFound
        | ServiceError::Replaced
        | ServiceError::Fault(_)) => other,
    })
}
