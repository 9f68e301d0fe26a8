//! `/v1/audit`, `/v1/admin/audit`.

use super::{cursor, rows, wrong};
use crate::http::context::RequestContext;
use crate::http::guards::CurrentSession;
use crate::http::handlers::Query;
use crate::http::respond::Refused;
use crate::http::routes::AppState;
use crate::http::times::{parse_rfc_3339, parse_uuid, rfc_3339, uuid};
use auth_api::v1::admin::AuditQuery;
use auth_api::v1::audit as api;
use auth_core::audit::AuditRow;
use auth_core::query::{AuditFilter, AuditPage};
use auth_core::time::Timestamp;
use axum::Json;
use axum::extract::State;

pub(super) async fn own(
    State(app): State<AppState>,
    ctx: RequestContext,
    CurrentSession(current): CurrentSession,
    Query(query): Query<api::OwnQuery>,
) -> Result<Json<api::Page>, Refused> {
    let before = cursor(query.cursor.as_deref())?;
    let page = app.auth.own_audit(&ctx, &current, before, rows(query.limit)).await?;
    Ok(Json(shown(page)))
}

pub(super) async fn search(
    State(app): State<AppState>,
    ctx: RequestContext,
    Query(query): Query<AuditQuery>,
) -> Result<Json<api::Page>, Refused> {
    let account = query
        .account
        .as_deref()
        .map(|id| parse_uuid(id).ok_or_else(|| wrong("account", "must be an account's id")));
    let filter = AuditFilter {
        account: account.transpose()?,
        verb: query.verb,
        outcome: query.outcome,
        client_address: query.ip,
        from: time("from", query.from.as_deref())?,
        until: time("to", query.to.as_deref())?,
    };
    let before = cursor(query.cursor.as_deref())?;
    let page = app.auth.search_audit(&ctx, &filter, before, rows(query.limit)).await?;
    Ok(Json(shown(page)))
}

fn time(field: &str, text: Option<&str>) -> Result<Option<Timestamp>, Refused> {
    let expected = "must be a time as RFC 3339 writes it, such as 2026-01-31T12:00:00Z";
    text.map(|text| parse_rfc_3339(text).ok_or_else(|| wrong(field, expected)))
        .transpose()
}

fn shown(page: AuditPage) -> api::Page {
    api::Page {
        rows: page
            .rows
            .into_iter()
            .map(|(index, row)| shown_row(index, row))
            .collect(),
        next: page.next.map(|next| next.to_string()),
    }
}

fn shown_row(index: u64, row: AuditRow) -> api::Row {
    api::Row {
        index,
        at: rfc_3339(row.at),
        verb: row.verb,
        outcome: row.outcome,
        account: row.account.map(uuid),
        actor: row.actor.map(uuid),
        session: row.session.map(|session| session.hex()),
        device: row.device.map(|device| device.hex()),
        ip: row.client_address,
        methods: row.methods.names().map(str::to_owned).collect(),
        reasons: row.reasons.names().map(str::to_owned).collect(),
        shadow_reasons: row.shadow_reasons.names().map(str::to_owned).collect(),
    }
}
