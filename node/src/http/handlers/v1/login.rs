//! `/v1/login`.

use super::{PathId, wrong};
use crate::http::context::RequestContext;
use crate::http::handlers::JsonBody;
use crate::http::refusal::Refusal;
use crate::http::respond::Refused;
use crate::http::routes::AppState;
use crate::http::{cookies, deliver};
use crate::service::{ChallengeAnswer, Credentials, Given, Method, ServiceError, SignedIn};
use auth_api::problem::Code;
use auth_api::v1::login as api;
use auth_core::reply::Denial;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;

pub(super) async fn login(
    State(app): State<AppState>,
    mut ctx: RequestContext,
    JsonBody(body): JsonBody<api::Login>,
) -> Result<Response, Refused> {
    ctx.device_token = body.device_token.or(ctx.device_token);
    let with = Credentials {
        identifier: &body.identifier,
        password: &SecretString::from(body.password),
        code: given(body.method.as_deref(), body.code.as_deref())?,
        mail_at_once: false,
        remember_device: false,
    };
    match app.auth.sign_in(&ctx, with).await? {
        SignedIn::Complete(tokens) => Ok(deliver::login_complete(&app, &ctx, &tokens)),
        SignedIn::SecondFactor(awaited) => Ok(deliver::second_factor(&ctx, &awaited)),
        SignedIn::Enrol { token, expires_at } => Err(Refusal {
            enrolment: Some((token, expires_at)),
            ..Refusal::new(
                Code::EnrolmentRequired,
                "Add a second factor first, with the enrolment token",
            )
        }
        .into()),
    }
}

pub(super) async fn send_code(
    State(app): State<AppState>,
    ctx: RequestContext,
    headers: HeaderMap,
    PathId(challenge): PathId,
) -> Result<StatusCode, Refused> {
    held_by_browser(&ctx, &headers, &challenge)?;
    app.auth.send_code(&ctx, &challenge).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(super) async fn verify(
    State(app): State<AppState>,
    ctx: RequestContext,
    headers: HeaderMap,
    PathId(challenge): PathId,
    JsonBody(body): JsonBody<api::Verify>,
) -> Result<Response, Refused> {
    held_by_browser(&ctx, &headers, &challenge)?;
    let method = Method::parse(&body.method).ok_or_else(|| wrong("method", "is not known"))?;
    let with = ChallengeAnswer {
        challenge: &challenge,
        identifier: None,
        given: Given {
            method,
            code: &body.code,
        },
        remember_device: body.remember_device.unwrap_or(false),
    };
    let tokens = app.auth.answer_challenge(&ctx, with).await?;
    Ok(deliver::login_complete(&app, &ctx, &tokens))
}

/// A browser must hold the challenge in its cookie, too: then a page that learned of it elsewhere cannot use it.
fn held_by_browser(ctx: &RequestContext, headers: &HeaderMap, challenge: &str) -> Result<(), ServiceError> {
    if ctx.is_browser && cookies::read(headers, cookies::CHALLENGE).as_deref() != Some(challenge) {
        return Err(ServiceError::Denied(Denial::ChallengeGone {}));
    }
    Ok(())
}

/// A code and what it is of; without a word it is an authenticator app's. A word without a code is a mistake of the caller,
/// who believes that one was looked at.
pub(super) fn given<'a>(method: Option<&str>, code: Option<&'a str>) -> Result<Option<Given<'a>>, Refused> {
    let kind = Method::parse(method.unwrap_or("totp")).ok_or_else(|| wrong("method", "is not known"))?;
    match code {
        Some(code) => Ok(Some(Given { method: kind, code })),
        None if method.is_some() => Err(wrong("code", "is missing: method says what it is of")),
        None => Ok(None),
    }
}
