//! `/v1/factors`, `/v1/recovery-codes`.

use super::{PathId, done};
use crate::http::context::RequestContext;
use crate::http::guards::{CurrentBinder, CurrentSession};
use crate::http::handlers::JsonBody;
use crate::http::respond::Refused;
use crate::http::routes::AppState;
use crate::http::times::rfc_3339;
use crate::service::{ServiceError, qr};
use auth_api::v1::accounts::Confirmation;
use auth_api::v1::factors as api;
use auth_core::factor::{Factor, FactorState};
use auth_core::ids::FactorId;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use secrecy::ExposeSecret as _;

/// Ids of factors that are one for each account.
const EMAIL: &str = "email";
const RECOVERY: &str = "recovery_code";

pub(super) async fn list(
    State(app): State<AppState>,
    ctx: RequestContext,
    CurrentSession(current): CurrentSession,
) -> Result<Json<Vec<api::Factor>>, Refused> {
    let list = app.auth.list_factors(&ctx, current.account.id).await?;
    let mut all: Vec<api::Factor> = list.totp.iter().map(totp).collect();
    if let Some(since) = list.account.email_factor_since {
        all.push(api::Factor {
            id: EMAIL.to_owned(),
            kind: EMAIL.to_owned(),
            label: list.account.email.clone(),
            created_at: rfc_3339(since),
            last_used_at: None,
            confirmed: true,
            disabled: false,
            remaining: None,
        });
    }
    if let Some(codes) = &list.recovery {
        let used = codes.codes.iter().filter_map(|code| code.used_at).max();
        all.push(api::Factor {
            id: RECOVERY.to_owned(),
            kind: RECOVERY.to_owned(),
            label: "recovery codes".to_owned(),
            created_at: rfc_3339(codes.created_at),
            last_used_at: used.map(rfc_3339),
            confirmed: true,
            disabled: false,
            remaining: Some(u64::from(codes.left())),
        });
    }
    Ok(Json(all))
}

fn totp(factor: &Factor) -> api::Factor {
    let (confirmed, disabled) = match factor.state {
        FactorState::Pending { .. } => (false, false),
        FactorState::Confirmed { .. } => (true, false),
        FactorState::Disabled { .. } => (true, true),
    };
    api::Factor {
        id: factor.id.hex(),
        kind: "totp".to_owned(),
        label: factor.label.clone(),
        created_at: rfc_3339(factor.created_at),
        last_used_at: factor.last_used_at.map(rfc_3339),
        confirmed,
        disabled,
        remaining: None,
    }
}

pub(super) async fn add_totp(
    State(app): State<AppState>,
    ctx: RequestContext,
    CurrentBinder(binder): CurrentBinder,
    JsonBody(body): JsonBody<api::NewTotp>,
) -> Result<Response, Refused> {
    let (id, pending) = app.auth.add_totp(&ctx, &binder, &body.label).await?;
    let shown = api::PendingTotp {
        id: id.hex(),
        secret: pending.secret_base32.expose_secret().to_owned(),
        otpauth_uri: pending.otpauth_uri.expose_secret().to_owned(),
        qr_svg: qr::svg(&pending.otpauth_uri)?.expose_secret().to_owned(),
        expires_at: rfc_3339(pending.expires_at),
    };
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

pub(super) async fn confirm(
    State(app): State<AppState>,
    ctx: RequestContext,
    CurrentBinder(binder): CurrentBinder,
    PathId(id): PathId,
    JsonBody(body): JsonBody<Confirmation>,
) -> Result<StatusCode, Refused> {
    let factor = FactorId::from_hex(&id).ok_or(ServiceError::NotFound)?;
    app.auth.confirm_totp(&ctx, &binder, factor, &body.code).await?;
    Ok(done())
}

pub(super) async fn remove(
    State(app): State<AppState>,
    ctx: RequestContext,
    CurrentSession(current): CurrentSession,
    PathId(id): PathId,
) -> Result<StatusCode, Refused> {
    let factor = FactorId::from_hex(&id).ok_or(ServiceError::NotFound)?;
    app.auth.remove_totp(&ctx, &current, factor).await?;
    Ok(done())
}

pub(super) async fn email(
    State(app): State<AppState>,
    ctx: RequestContext,
    CurrentSession(current): CurrentSession,
    JsonBody(body): JsonBody<api::EmailFactor>,
) -> Result<StatusCode, Refused> {
    app.auth.set_email_factor(&ctx, &current, body.enabled).await?;
    Ok(done())
}

pub(super) async fn recovery_codes(
    State(app): State<AppState>,
    ctx: RequestContext,
    CurrentSession(current): CurrentSession,
) -> Result<Response, Refused> {
    let codes = app.auth.issue_recovery_codes(&ctx, &current).await?;
    let shown = api::RecoveryCodes {
        codes: codes.iter().map(|code| code.expose_secret().to_owned()).collect(),
    };
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}
