//! The mailed code dialect, literally: `/auth/login/`, `/auth/validate-2fa/`, `/users/update-profile/`, `/auth/logout/`.
//! Thin translations of the same verbs that the native API calls.

use super::{JsonBody, Sent};
use crate::http::context::RequestContext;
use crate::http::guards::CurrentSession;
use crate::http::refusal::Refusal;
use crate::http::respond::{Refused, log_fault};
use crate::http::routes::{AppState, Route};
use crate::http::{cookies, deliver};
use crate::service::{
    AwaitedFactor, ChallengeAnswer, Credentials, Given, IssuedTokens, Method, ServiceError, SignedIn,
};
use auth_api::dialect_002 as api;
use auth_api::problem::Code;
use auth_core::reply::Denial;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};

/// The dialect's lines in the table of routes.
pub(in crate::http) fn routes() -> Vec<Route> {
    vec![
        Route::call(&api::LOGIN, login),
        Route::call(&api::VALIDATE, validate),
        Route::call(&api::UPDATE_PROFILE, update_profile),
        Route::call(&api::LOGOUT, logout),
    ]
}

async fn login(
    State(app): State<AppState>,
    ctx: RequestContext,
    JsonBody(body): JsonBody<api::Login>,
) -> Result<Response, Refused> {
    let with = Credentials {
        identifier: &body.username,
        password: &SecretString::from(body.password),
        code: None,
        mail_at_once: true,
        remember_device: false,
    };
    match app.auth.sign_in(&ctx, with).await {
        Ok(SignedIn::Complete(tokens)) => logged_in(&app, &tokens),
        Ok(SignedIn::SecondFactor(awaited)) => code_sent(&app, &ctx, awaited).await,
        // A factor is demanded, and the account has no confirmed address to send a code to.
        Ok(SignedIn::Enrol { .. }) => Err(Refusal::new(Code::Internal, api::NO_EMAIL).into()),
        // The dialect's word for a store that is broken; whether the password was right it does not tell here. A store that
        // is only away is 503, as everywhere.
        Err(error @ ServiceError::Fault(_)) => {
            log_fault(&error);
            Err(Refusal::new(Code::Internal, api::STORE_FAILED).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Waits until the mail is on its way, or is known never to arrive.
async fn code_sent(app: &AppState, ctx: &RequestContext, awaited: AwaitedFactor) -> Result<Response, Refused> {
    let message = message(super::sent(app, ctx, &awaited).await?)?;
    let body = api::CodeSent {
        two_fa_required: true,
        message: message.to_owned(),
        challenge_id: awaited.challenge.clone(),
    };
    let mut response = Json(body).into_response();
    deliver::set_challenge(&mut response, &awaited);
    Ok(response)
}

fn message(sent: Sent) -> Result<&'static str, Refusal> {
    match sent {
        Sent::Mailed => Ok(api::CODE_SENT),
        Sent::Nothing => Ok(api::CODE_OF_APP),
        Sent::Impossible => Err(Refusal::new(Code::Internal, api::NO_EMAIL)),
        Sent::Unmade => Err(Refusal::new(Code::Internal, api::GENERATE_FAILED)),
        Sent::Refused => Err(Refusal::new(Code::Internal, api::SEND_FAILED)),
        Sent::TooMuch => Err(Refusal::new(Code::TooManyAttempts, api::SEND_FAILED).waiting_a_minute()),
    }
}

async fn validate(
    State(app): State<AppState>,
    ctx: RequestContext,
    headers: HeaderMap,
    JsonBody(body): JsonBody<api::Validate>,
) -> Result<Response, Refused> {
    let challenge = body
        .challenge_id
        .or_else(|| cookies::read(&headers, cookies::CHALLENGE));
    let with = ChallengeAnswer {
        challenge: challenge.as_deref().unwrap_or_default(),
        identifier: Some(&body.username),
        given: Given {
            method: Method::Digits,
            code: &body.code,
        },
        remember_device: false,
    };
    let tokens = app.auth.answer_challenge(&ctx, with).await?;
    let mut response = logged_in(&app, &tokens)?;
    cookies::clear(response.headers_mut(), cookies::CHALLENGE);
    Ok(response)
}

/// Tokens in the body, as the dialect demands of every client; the device's in its cookie.
fn logged_in(app: &AppState, tokens: &IssuedTokens) -> Result<Response, Refused> {
    let account = app.auth.account_of(tokens.account)?;
    let body = api::LoggedIn {
        refresh: tokens.refresh.expose_secret().to_owned(),
        access: tokens.access.expose_secret().to_owned(),
        user_id: account.number,
        nickname: account.username,
    };
    let mut response = Json(body).into_response();
    cookies::set_tokens(response.headers_mut(), &app.config, tokens);
    Ok(response)
}

async fn update_profile(
    State(app): State<AppState>,
    ctx: RequestContext,
    CurrentSession(current): CurrentSession,
    JsonBody(body): JsonBody<api::UpdateProfile>,
) -> Result<Response, Refused> {
    let failed = || Refused::from(Refusal::new(Code::InvalidRequest, api::UPDATE_FAILED));
    if !current.is_fresh {
        return Err(ServiceError::StepUpRequired.into());
    }
    let named = body.email.as_deref().unwrap_or(&current.account.email);
    let is_own = named.to_lowercase() == current.account.email_key;
    // A new address is not taken, and nothing is switched, before it was confirmed: the token is on its way there. So is
    // the one of the own address, should it be unconfirmed when codes are to be sent to it.
    if !is_own || (body.twofa_enabled && !current.account.is_email_confirmed()) {
        return match app.auth.request_email_change(&ctx, &current, named).await {
            Ok(()) | Err(ServiceError::Invalid(_)) => Err(failed()),
            Err(error) => Err(error.into()),
        };
    }
    match app.auth.set_email_factor(&ctx, &current, body.twofa_enabled).await {
        Ok(()) => {}
        Err(ServiceError::Denied(Denial::AddressUnconfirmed {})) => return Err(failed()),
        Err(error) => return Err(error.into()),
    }
    let message = if body.twofa_enabled {
        api::ENABLED
    } else {
        api::DISABLED
    };
    Ok(Json(api::Message {
        message: message.to_owned(),
    })
    .into_response())
}

async fn logout(
    State(app): State<AppState>,
    ctx: RequestContext,
    JsonBody(body): JsonBody<api::Logout>,
) -> Result<Response, Refused> {
    app.auth.end_session_of_refresh(&ctx, &body.refresh_token).await?;
    let body = api::Message {
        message: api::LOGGED_OUT.to_owned(),
    };
    let mut response = Json(body).into_response();
    if ctx.is_browser {
        cookies::clear_tokens(response.headers_mut(), &app.config);
        cookies::forget_site(response.headers_mut());
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_of_a_code_has_the_word_and_the_status_of_the_guide() {
        let told = |sent| message(sent).map_err(|refusal| (refusal.status().as_u16(), refusal.detail));
        assert_eq!(told(Sent::Mailed), Ok("A 2FA code has been sent to your email."));
        for (sent, status, words) in [
            (Sent::Impossible, 500, "No email found in the 'twofa_data'"),
            (
                Sent::Unmade,
                500,
                "Failed to generate 2FA code. Please try again later.",
            ),
            (Sent::Refused, 500, "Failed to send 2FA code. Please try again later."),
            (Sent::TooMuch, 429, "Failed to send 2FA code. Please try again later."),
        ] {
            assert_eq!(told(sent), Err((status, words.to_owned())));
        }
    }
}
