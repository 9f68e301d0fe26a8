//! How tokens reach a client: a browser gets them in cookies, where no script reads them, and not in the body; others get
//! them in the body.

use super::context::RequestContext;
use super::cookies;
use super::routes::AppState;
use super::times::rfc_3339;
use crate::service::{AwaitedFactor, IssuedTokens};
use auth_api::v1::login::{LoginComplete, SecondFactorRequired};
use auth_api::v1::sessions::Tokens;
use auth_core::factor::Methods;
use axum::Json;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret as _, SecretString};

/// `Bearer`.
const TOKEN_TYPE: &str = "Bearer";

/// The native API's answer to a complete login.
pub(super) fn login_complete(app: &AppState, ctx: &RequestContext, tokens: &IssuedTokens) -> Response {
    let shown = |token: &SecretString| (!ctx.is_browser).then(|| token.expose_secret().to_owned());
    let body = LoginComplete {
        status: "complete".to_owned(),
        access_token: shown(&tokens.access),
        refresh_token: shown(&tokens.refresh),
        token_type: TOKEN_TYPE.to_owned(),
        expires_at: rfc_3339(tokens.access_expires_at),
        session_id: tokens.session.hex(),
        device_token: tokens.device.as_ref().and_then(shown),
    };
    with_cookies(app, ctx, tokens, Json(body).into_response())
}

/// The native API's next pair of tokens.
pub(super) fn next_pair(app: &AppState, ctx: &RequestContext, tokens: &IssuedTokens) -> Response {
    let shown = |token: &SecretString| (!ctx.is_browser).then(|| token.expose_secret().to_owned());
    let body = Tokens {
        access_token: shown(&tokens.access),
        refresh_token: shown(&tokens.refresh),
        token_type: TOKEN_TYPE.to_owned(),
        expires_at: rfc_3339(tokens.access_expires_at),
        session_id: tokens.session.hex(),
    };
    with_cookies(app, ctx, tokens, Json(body).into_response())
}

fn with_cookies(app: &AppState, ctx: &RequestContext, tokens: &IssuedTokens, mut response: Response) -> Response {
    if ctx.is_browser {
        cookies::set_tokens(response.headers_mut(), &app.config, tokens);
        cookies::clear(response.headers_mut(), cookies::CHALLENGE);
    }
    response
}

/// The native API's demand for a second factor. Its path needs the challenge, so browsers get it in the body, too.
pub(super) fn second_factor(ctx: &RequestContext, awaited: &AwaitedFactor) -> Response {
    let body = SecondFactorRequired {
        status: "second_factor_required".to_owned(),
        challenge_id: awaited.challenge.clone(),
        methods: methods(awaited.methods),
        reasons: awaited.reasons.names().map(str::to_owned).collect(),
        expires_at: rfc_3339(awaited.expires_at),
    };
    let mut response = Json(body).into_response();
    if ctx.is_browser {
        set_challenge(&mut response, awaited);
    }
    response
}

/// The challenge cookie: whoever has it may answer.
pub(super) fn set_challenge(response: &mut Response, awaited: &AwaitedFactor) {
    let headers = response.headers_mut();
    cookies::set(headers, cookies::CHALLENGE, &awaited.challenge, awaited.expires_at);
}

/// The native API's words for methods.
pub(super) fn methods(methods: Methods) -> Vec<String> {
    let words = [
        (Methods::TOTP, "totp"),
        (Methods::EMAIL, "email"),
        (Methods::RECOVERY, "recovery_code"),
    ];
    let offered = words.into_iter().filter(|(method, _)| methods.has(*method));
    offered.map(|(_, word)| word.to_owned()).collect()
}
