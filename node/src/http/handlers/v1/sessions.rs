//! `/v1/sessions`.

use super::login::given;
use super::{PathId, done, wrong};
use crate::http::context::RequestContext;
use crate::http::guards::CurrentSession;
use crate::http::handlers::{JsonBody, OptionalJsonBody};
use crate::http::respond::Refused;
use crate::http::routes::AppState;
use crate::http::times::rfc_3339;
use crate::http::{cookies, deliver};
use crate::service::{Ending, ServiceError};
use auth_api::v1::sessions as api;
use auth_core::ids::SessionId;
use auth_core::session::Session;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;

pub(super) async fn refresh(
    State(app): State<AppState>,
    ctx: RequestContext,
    headers: HeaderMap,
    OptionalJsonBody(body): OptionalJsonBody<api::Refresh>,
) -> Result<Response, Refused> {
    let shown = cookies::refresh_token(&headers, &app.config).map(|shown| shown.value);
    let token = body.refresh_token.or(shown).ok_or(ServiceError::Unauthenticated)?;
    let tokens = app.auth.refresh_session(&ctx, &token).await?;
    Ok(deliver::next_pair(&app, &ctx, &tokens))
}

pub(super) async fn logout(
    State(app): State<AppState>,
    ctx: RequestContext,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let token = cookies::access_token(&headers, &app.config).ok_or(ServiceError::Unauthenticated)?;
    app.auth.end_session(&ctx, &token.value).await?;
    let mut response = done().into_response();
    if ctx.is_browser {
        let out = response.headers_mut();
        cookies::clear_tokens(out, &app.config);
        cookies::forget_site(out);
    }
    Ok(response)
}

pub(super) async fn list(
    State(app): State<AppState>,
    ctx: RequestContext,
    CurrentSession(current): CurrentSession,
) -> Result<Json<Vec<api::Session>>, Refused> {
    let sessions = app.auth.list_sessions(&ctx, &current).await?;
    let shown = sessions.iter().map(|session| shown(session, current.session.id));
    Ok(Json(shown.collect()))
}

fn shown(session: &Session, current: SessionId) -> api::Session {
    let acr = if session.proved.0.is_aal2() { "aal2" } else { "aal1" };
    api::Session {
        id: session.id.hex(),
        current: session.id == current,
        ip: session.client_address.clone(),
        device_id: session.device.map(|device| device.hex()),
        acr: acr.to_owned(),
        auth_time: rfc_3339(session.auth_time),
        created_at: rfc_3339(session.started_at()),
        last_seen_at: rfc_3339(session.rotated_at),
        expires_at: rfc_3339(session.ends_at()),
    }
}

pub(super) async fn end(
    State(app): State<AppState>,
    ctx: RequestContext,
    CurrentSession(current): CurrentSession,
    PathId(id): PathId,
) -> Result<StatusCode, Refused> {
    let session = SessionId::from_hex(&id).ok_or(ServiceError::NotFound)?;
    app.auth.end_sessions(&ctx, &current, Ending::One(session)).await?;
    Ok(done())
}

pub(super) async fn end_others(
    State(app): State<AppState>,
    ctx: RequestContext,
    CurrentSession(current): CurrentSession,
) -> Result<StatusCode, Refused> {
    app.auth.end_sessions(&ctx, &current, Ending::Others).await?;
    Ok(done())
}

pub(super) async fn step_up(
    State(app): State<AppState>,
    ctx: RequestContext,
    CurrentSession(current): CurrentSession,
    JsonBody(body): JsonBody<api::StepUp>,
) -> Result<Response, Refused> {
    let password = body.password.map(SecretString::from);
    let is_mailed = body.method.as_deref() == Some("email");
    if is_mailed && body.code.is_none() && password.is_none() {
        let awaited = app.auth.start_step_up(&ctx, &current).await?;
        return Ok(deliver::second_factor(&ctx, &awaited));
    }
    if is_mailed {
        return Err(wrong(
            "method",
            "email goes with nothing else here: answer the challenge that it opens",
        ));
    }
    let given = given(body.method.as_deref(), body.code.as_deref())?;
    if given.is_none() && password.is_none() {
        return Err(wrong("code", "or password must be there"));
    }
    let tokens = app.auth.step_up(&ctx, &current, password.as_ref(), given).await?;
    Ok(deliver::next_pair(&app, &ctx, &tokens))
}
