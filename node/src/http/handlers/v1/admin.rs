//! `/v1/admin/accounts`.

use super::{PathId, cursor, rows, wrong};
use crate::http::context::RequestContext;
use crate::http::guards::CurrentSession;
use crate::http::handlers::{JsonBody, Query};
use crate::http::respond::Refused;
use crate::http::routes::AppState;
use crate::http::times::{parse_uuid, rfc_3339, uuid};
use crate::http::words;
use crate::service::{AccountChange, ManagedAccount, ServiceError};
use auth_api::v1::admin as api;
use axum::Json;
use axum::extract::State;

pub(super) async fn accounts(
    State(app): State<AppState>,
    ctx: RequestContext,
    Query(query): Query<api::AccountsQuery>,
) -> Result<Json<api::AccountPage>, Refused> {
    let after = cursor(query.cursor.as_deref())?;
    let status = query.status.as_deref().and_then(words::parse_status);
    let role = query.role.as_deref().and_then(words::parse_role);
    let limit = rows(query.limit);
    let search = query.search.as_deref();
    let (found, next) = app
        .auth
        .search_accounts(&ctx, search, status, role, after, limit)
        .await?;
    Ok(Json(api::AccountPage {
        accounts: found.into_iter().map(shown).collect(),
        next: next.map(|next| next.to_string()),
    }))
}

pub(super) async fn account(
    State(app): State<AppState>,
    ctx: RequestContext,
    PathId(id): PathId,
) -> Result<Json<api::ManagedAccount>, Refused> {
    let id = parse_uuid(&id).ok_or(ServiceError::NotFound)?;
    Ok(Json(shown(app.auth.read_account(&ctx, id).await?)))
}

pub(super) async fn change_account(
    State(app): State<AppState>,
    ctx: RequestContext,
    CurrentSession(current): CurrentSession,
    PathId(id): PathId,
    JsonBody(body): JsonBody<api::ChangeAccount>,
) -> Result<Json<api::ManagedAccount>, Refused> {
    let id = parse_uuid(&id).ok_or(ServiceError::NotFound)?;
    let change = AccountChange {
        active: body.status.as_deref().map(|status| status == "active"),
        role: body.role.as_deref().and_then(words::parse_role),
        unlock: body.unlock.unwrap_or(false),
        end_sessions: body.end_sessions.unwrap_or(false),
        reset_factors: body.reset_factors.unwrap_or(false),
    };
    if change.is_nothing() {
        return Err(wrong(
            "",
            "Nothing is asked for: give status, role, unlock, end_sessions or reset_factors",
        ));
    }
    app.auth.administer_account(&ctx, &current, id, &change).await?;
    Ok(Json(shown(app.auth.read_account(&ctx, id).await?)))
}

fn shown(managed: ManagedAccount) -> api::ManagedAccount {
    let account = managed.account;
    api::ManagedAccount {
        id: uuid(account.id),
        user_id: account.number,
        email_confirmed: account.is_email_confirmed(),
        username: account.username,
        email: account.email,
        status: words::status(account.status).to_owned(),
        role: words::role(account.role).to_owned(),
        created_at: rfc_3339(account.created_at),
        updated_at: account.updated_at.map(rfc_3339),
        failures: account.throttle.failures,
        factors: u64::try_from(managed.factors).unwrap_or(u64::MAX),
    }
}
