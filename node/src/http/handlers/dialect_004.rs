//! The conditional OTP dialect, literally: `/api/auth/login`, `verify-otp`, `refresh`, `logout`. The access token is in the
//! body, as its script expects; the refresh token is in a cookie.

use super::{JsonBody, Sent};
use crate::http::context::RequestContext;
use crate::http::refusal::Refusal;
use crate::http::respond::Refused;
use crate::http::routes::{AppState, Route};
use crate::http::times::rfc_3339;
use crate::http::{cookies, deliver};
use crate::service::{
    AwaitedFactor, ChallengeAnswer, Credentials, Given, IssuedTokens, Method, ServiceError, SignedIn,
};
use auth_api::dialect_004 as api;
use auth_api::problem::Code;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};

/// The dialect's lines in the table of routes.
pub(in crate::http) fn routes() -> Vec<Route> {
    vec![
        Route::call(&api::LOGIN, login),
        Route::call(&api::VERIFY, verify),
        Route::call(&api::REFRESH, refresh),
        Route::call(&api::LOGOUT, logout),
    ]
}

async fn login(
    State(app): State<AppState>,
    ctx: RequestContext,
    JsonBody(body): JsonBody<api::Login>,
) -> Result<Response, Refused> {
    let with = Credentials {
        identifier: &body.email,
        password: &SecretString::from(body.password),
        code: None,
        mail_at_once: true,
        remember_device: false,
    };
    match app.auth.sign_in(&ctx, with).await? {
        SignedIn::Complete(tokens) => Ok(logged_in(&app, &tokens)),
        SignedIn::SecondFactor(awaited) => otp_required(&app, &ctx, awaited, body.email).await,
        SignedIn::Enrol { .. } => Err(Refusal::new(Code::EnrolmentRequired, "").into()),
    }
}

/// 428, with nothing in it that the client did not send, but the challenge.
async fn otp_required(
    app: &AppState,
    ctx: &RequestContext,
    awaited: AwaitedFactor,
    email: String,
) -> Result<Response, Refused> {
    let message = match super::sent(app, ctx, &awaited).await? {
        Sent::Mailed => api::OTP_REQUIRED,
        Sent::Nothing => api::OTP_OF_APP_REQUIRED,
        Sent::Impossible => return Err(Refusal::new(Code::EnrolmentRequired, "").into()),
        Sent::Unmade | Sent::Refused => return Err(Refusal::new(Code::Internal, "").into()),
        Sent::TooMuch => return Err(Refusal::new(Code::TooManyAttempts, "").waiting_a_minute().into()),
    };
    let status = StatusCode::PRECONDITION_REQUIRED;
    let mut envelope = api::Envelope::new("auth.otp_required", status.as_u16(), message);
    envelope.error.details = Some(api::OtpDetails {
        requires_otp: true,
        email,
        challenge_id: awaited.challenge.clone(),
    });
    let mut response = (status, Json(envelope)).into_response();
    deliver::set_challenge(&mut response, &awaited);
    Ok(response)
}

async fn verify(
    State(app): State<AppState>,
    ctx: RequestContext,
    headers: HeaderMap,
    JsonBody(body): JsonBody<api::VerifyOtp>,
) -> Result<Response, Refused> {
    let challenge = body
        .challenge_id
        .or_else(|| cookies::read(&headers, cookies::CHALLENGE));
    let with = ChallengeAnswer {
        challenge: challenge.as_deref().unwrap_or_default(),
        identifier: Some(&body.email),
        given: Given {
            method: Method::Digits,
            code: &body.otp_code,
        },
        remember_device: false,
    };
    let tokens = app.auth.answer_challenge(&ctx, with).await?;
    let mut response = logged_in(&app, &tokens);
    cookies::clear(response.headers_mut(), cookies::CHALLENGE);
    Ok(response)
}

async fn refresh(State(app): State<AppState>, ctx: RequestContext, headers: HeaderMap) -> Result<Response, Refused> {
    let shown = cookies::refresh_token(&headers, &app.config).ok_or(ServiceError::Unauthenticated)?;
    let tokens = app.auth.refresh_session(&ctx, &shown.value).await?;
    Ok(logged_in(&app, &tokens))
}

async fn logout(State(app): State<AppState>, ctx: RequestContext, headers: HeaderMap) -> Result<Response, Refused> {
    let shown = cookies::refresh_token(&headers, &app.config).ok_or(ServiceError::Unauthenticated)?;
    app.auth.end_session_of_refresh(&ctx, &shown.value).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    cookies::clear_tokens(response.headers_mut(), &app.config);
    if ctx.is_browser {
        cookies::forget_site(response.headers_mut());
    }
    Ok(response)
}

fn logged_in(app: &AppState, tokens: &IssuedTokens) -> Response {
    let body = api::LoggedIn {
        access_token: tokens.access.expose_secret().to_owned(),
        expires_at: rfc_3339(tokens.access_expires_at),
    };
    let mut response = Json(body).into_response();
    cookies::set_refresh(response.headers_mut(), &app.config, tokens);
    response
}
