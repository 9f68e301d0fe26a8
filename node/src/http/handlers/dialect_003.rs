//! The six calls under `/api/v1`, literally as the dialect has them.

use super::JsonBody;
use crate::http::context::{RequestContext, thousandths};
use crate::http::cookies;
use crate::http::guards::{CurrentSession, current_session};
use crate::http::refusal::Refusal;
use crate::http::respond::Refused;
use crate::http::routes::AppState;
use crate::http::times::{rfc_3339, uuid};
use crate::service::{FieldError, IssuedTokens, NewAccount, ServiceError, qr};
use auth_api::dialect_003::{CreateUser, CreatedUser, Login, PublicUser, QrCode, QrCodeJson, Tokens, UserInfo};
use auth_api::problem::Code;
use auth_core::account::{Account, AccountStatus};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// `POST /api/v1/user`.
pub async fn create_user(
    State(app): State<AppState>,
    ctx: RequestContext,
    JsonBody(body): JsonBody<CreateUser>,
) -> Result<Response, Refused> {
    let password = SecretString::from(body.password1);
    let repeated = Zeroizing::new(body.password2);
    if !bool::from(password.expose_secret().as_bytes().ct_eq(repeated.as_bytes())) {
        let field = FieldError {
            field: "password2",
            message: "must be the same as password1".into(),
        };
        return Err(ServiceError::Invalid(vec![field]).into());
    }
    let new = NewAccount {
        username: body.username,
        email: body.email,
        password,
    };
    let account = app
        .auth
        .register_account(&ctx, new)
        .await
        .map_err(password_is_password1)?;
    let user = CreatedUser {
        created_at: rfc_3339(account.created_at),
        username: account.username,
        // Where every new account waits for approval or for its address, it may not log in yet.
        is_active: account.status == AccountStatus::Active,
        email: account.email,
        uuid: uuid(account.id),
    };
    Ok((StatusCode::CREATED, Json(user)).into_response())
}

/// The service calls the field `password`, this dialect `password1`.
fn password_is_password1(error: ServiceError) -> ServiceError {
    let ServiceError::Invalid(mut fields) = error else {
        return error;
    };
    for field in fields.iter_mut().filter(|field| field.field == "password") {
        field.field = "password1";
    }
    ServiceError::Invalid(fields)
}

/// `POST /api/v1/auth-totp/qrcode`.
pub async fn qrcode(
    State(app): State<AppState>,
    ctx: RequestContext,
    headers: HeaderMap,
    JsonBody(body): JsonBody<QrCode>,
) -> Result<Response, Refused> {
    let pending = app
        .auth
        .enrol_totp(&ctx, &body.username, &SecretString::from(body.password))
        .await?;
    let picture = |kind: &'static str, bytes: Vec<u8>| {
        (
            StatusCode::CREATED,
            [(CONTENT_TYPE, HeaderValue::from_static(kind))],
            bytes,
        )
            .into_response()
    };
    Ok(match preferred(&headers) {
        Picture::Png => picture("image/png", qr::png(&pending.otpauth_uri)?),
        Picture::Svg => {
            let svg = qr::svg(&pending.otpauth_uri)?;
            picture("image/svg+xml", svg.expose_secret().as_bytes().to_vec())
        }
        Picture::Json => {
            let json = QrCodeJson {
                otpauth_uri: pending.otpauth_uri.expose_secret().to_owned(),
                secret: pending.secret_base32.expose_secret().to_owned(),
            };
            (StatusCode::CREATED, Json(json)).into_response()
        }
    })
}

/// Forms of the QR code; the first is the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Picture {
    Png,
    Svg,
    Json,
}

/// The form that `Accept` wants most; between equals the more exactly named, then the first of [`Picture`].
fn preferred(headers: &HeaderMap) -> Picture {
    let accept = headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("*/*");
    let score = |full: &str, half: &str| {
        let ranges = accept.split(',').filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next()?.to_ascii_lowercase();
            let exactness = [(full, 3_u16), (half, 2), ("*/*", 1)]
                .into_iter()
                .find(|(known, _)| *known == name)?
                .1;
            let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, thousandths);
            Some((exactness, quality))
        });
        // The most exact range decides the quality of a type (RFC 9110, 12.5.1).
        ranges.max().map_or((0, 0), |(exactness, quality)| {
            (quality, if quality == 0 { 0 } else { exactness })
        })
    };
    let png = score("image/png", "image/*");
    let svg = score("image/svg+xml", "image/*");
    let json = score("application/json", "application/*");
    match png.max(svg).max(json) {
        best if best == png => Picture::Png,
        best if best == svg => Picture::Svg,
        _ => Picture::Json,
    }
}

/// `GET /api/v1/user/{username}`. Where profiles are not public, who has no session gets the answer for no such user.
pub async fn public_user(
    State(app): State<AppState>,
    ctx: RequestContext,
    username: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let not_found = || Refused::from(Refusal::new(Code::NotFound, "Not found"));
    if !app.config.public_profiles {
        match current_session(&app, &ctx, &headers).await {
            Ok(_) => {}
            Err(ServiceError::Unauthenticated) => return Err(not_found()),
            Err(error) => return Err(error.into()),
        }
    }
    // Bytes that are no text are nobody's name.
    let Path(username) = username.map_err(|_| not_found())?;
    let account = app.auth.public_profile(&ctx, &username).await?.ok_or_else(not_found)?;
    let user = PublicUser {
        created_at: rfc_3339(account.created_at),
        updated_at: account.updated_at.map(rfc_3339),
        is_active: is_active(&account),
        username: account.username,
    };
    Ok(Json(user).into_response())
}

/// `POST /api/v1/auth-jwt/login`.
pub async fn login(
    State(app): State<AppState>,
    ctx: RequestContext,
    JsonBody(body): JsonBody<Login>,
) -> Result<Response, Refused> {
    let password = SecretString::from(body.password);
    let code = Zeroizing::new(body.security_code);
    let tokens = app.auth.log_in(&ctx, &body.username, &password, &code).await?;
    Ok(token_answer(&app, &tokens))
}

/// `GET /api/v1/auth-jwt/user-info`.
pub async fn user_info(CurrentSession(current): CurrentSession) -> Response {
    let account = &current.account;
    let info = UserInfo {
        created_at: rfc_3339(account.created_at),
        updated_at: account.updated_at.map(rfc_3339),
        username: account.username.clone(),
        email: account.email.clone(),
        is_active: is_active(account),
        uuid: uuid(account.id),
    };
    Json(info).into_response()
}

/// `POST /api/v1/auth-jwt/refresh`.
pub async fn refresh(
    State(app): State<AppState>,
    ctx: RequestContext,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let shown = cookies::refresh_token(&headers, &app.config).ok_or(ServiceError::Unauthenticated)?;
    let tokens = app.auth.refresh_session(&ctx, &shown.value).await?;
    Ok(token_answer(&app, &tokens))
}

/// Tokens in body and cookies: the dialect demands both of every client.
fn token_answer(app: &AppState, tokens: &IssuedTokens) -> Response {
    let body = Tokens {
        access_token: tokens.access.expose_secret().to_owned(),
        refresh_token: tokens.refresh.expose_secret().to_owned(),
        token_type: "Bearer".to_owned(),
    };
    let mut response = Json(body).into_response();
    cookies::set_tokens(response.headers_mut(), &app.config, tokens);
    response
}

fn is_active(account: &Account) -> bool {
    account.status == AccountStatus::Active
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_chooses_the_picture() {
        let choose = |accept: &'static str| {
            preferred(
                &[(ACCEPT, HeaderValue::from_static(accept))]
                    .into_iter()
                    .collect::<HeaderMap>(),
            )
        };
        assert_eq!(preferred(&HeaderMap::new()), Picture::Png);
        assert_eq!(choose("*/*"), Picture::Png);
        assert_eq!(choose("image/*"), Picture::Png);
        assert_eq!(choose("image/svg+xml"), Picture::Svg);
        assert_eq!(choose("image/svg+xml, */*"), Picture::Svg);
        assert_eq!(choose("application/json"), Picture::Json);
        assert_eq!(choose("application/json;q=0.5, image/svg+xml;q=0.8"), Picture::Svg);
        assert_eq!(choose("image/png;q=0, */*"), Picture::Svg);
        assert_eq!(choose("text/html"), Picture::Png);
    }
}
