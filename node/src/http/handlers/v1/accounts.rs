//! `/v1/accounts`, `/v1/account`, `/v1/password-reset`.

use super::done;
use super::login::given;
use crate::http::context::RequestContext;
use crate::http::cookies;
use crate::http::guards::CurrentSession;
use crate::http::handlers::JsonBody;
use crate::http::respond::Refused;
use crate::http::routes::AppState;
use crate::http::times::{rfc_3339, uuid};
use crate::http::words;
use crate::service::NewAccount;
use auth_api::v1::accounts as api;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use secrecy::SecretString;

pub(super) async fn register(
    State(app): State<AppState>,
    ctx: RequestContext,
    JsonBody(body): JsonBody<api::NewAccount>,
) -> Result<Response, Refused> {
    let new = NewAccount {
        username: body.username,
        email: body.email,
        password: SecretString::from(body.password),
    };
    let made = app.auth.register_account(&ctx, new).await?;
    let account = api::Account {
        id: uuid(made.id),
        username: made.username,
        email: made.email,
        status: words::status(made.status).to_owned(),
        created_at: rfc_3339(made.created_at),
    };
    Ok((StatusCode::CREATED, Json(account)).into_response())
}

pub(super) async fn own(CurrentSession(current): CurrentSession) -> Json<api::OwnAccount> {
    let account = &current.account;
    Json(api::OwnAccount {
        id: uuid(account.id),
        user_id: account.number,
        username: account.username.clone(),
        email: account.email.clone(),
        email_confirmed: account.is_email_confirmed(),
        status: words::status(account.status).to_owned(),
        role: words::role(account.role).to_owned(),
        created_at: rfc_3339(account.created_at),
        updated_at: account.updated_at.map(rfc_3339),
    })
}

pub(super) async fn delete(
    State(app): State<AppState>,
    ctx: RequestContext,
    CurrentSession(current): CurrentSession,
) -> Result<Response, Refused> {
    app.auth.delete_account(&ctx, &current).await?;
    let mut response = done().into_response();
    if ctx.is_browser {
        cookies::clear_tokens(response.headers_mut(), &app.config);
        cookies::clear(response.headers_mut(), cookies::DEVICE);
    }
    Ok(response)
}

pub(super) async fn change_password(
    State(app): State<AppState>,
    ctx: RequestContext,
    CurrentSession(current): CurrentSession,
    JsonBody(body): JsonBody<api::ChangePassword>,
) -> Result<StatusCode, Refused> {
    let (old, new) = (
        SecretString::from(body.current_password),
        SecretString::from(body.new_password),
    );
    app.auth.change_password(&ctx, &current, &old, &new).await?;
    Ok(done())
}

pub(super) async fn change_email(
    State(app): State<AppState>,
    ctx: RequestContext,
    CurrentSession(current): CurrentSession,
    JsonBody(body): JsonBody<api::ChangeEmail>,
) -> Result<StatusCode, Refused> {
    app.auth.request_email_change(&ctx, &current, &body.email).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(super) async fn confirm_email(
    State(app): State<AppState>,
    ctx: RequestContext,
    JsonBody(body): JsonBody<api::Confirmation>,
) -> Result<StatusCode, Refused> {
    app.auth.confirm_email(&ctx, &body.code).await?;
    Ok(done())
}

pub(super) async fn reset(
    State(app): State<AppState>,
    ctx: RequestContext,
    JsonBody(body): JsonBody<api::PasswordReset>,
) -> Result<StatusCode, Refused> {
    app.auth.request_password_reset(&ctx, &body.email).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(super) async fn confirm_reset(
    State(app): State<AppState>,
    ctx: RequestContext,
    JsonBody(body): JsonBody<api::ConfirmPasswordReset>,
) -> Result<StatusCode, Refused> {
    let given = given(body.method.as_deref(), body.code.as_deref())?;
    let new = SecretString::from(body.new_password);
    app.auth.reset_password(&ctx, &body.token, &new, given).await?;
    Ok(done())
}
