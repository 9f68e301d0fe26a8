//! `/v1/devices`.

use super::{PathId, done};
use crate::http::context::RequestContext;
use crate::http::guards::CurrentSession;
use crate::http::respond::Refused;
use crate::http::routes::AppState;
use crate::http::times::rfc_3339;
use crate::service::ServiceError;
use auth_api::v1::devices as api;
use auth_core::ids::DeviceId;
use axum::Json;
use axum::extract::State;
use http::StatusCode;

pub(super) async fn list(
    State(app): State<AppState>,
    ctx: RequestContext,
    CurrentSession(current): CurrentSession,
) -> Result<Json<Vec<api::Device>>, Refused> {
    let shown = app.auth.shown_device(&ctx);
    let devices = app.auth.list_devices(&ctx, &current).await?;
    let listed = devices.into_iter().map(|device| api::Device {
        id: device.id.hex(),
        label: device.name,
        remembered: device.remembered,
        created_at: rfc_3339(device.created_at),
        last_seen_at: rfc_3339(device.last_seen_at),
        ip: device.client_address,
        current: shown == Some(device.id),
    });
    Ok(Json(listed.collect()))
}

pub(super) async fn forget(
    State(app): State<AppState>,
    ctx: RequestContext,
    CurrentSession(current): CurrentSession,
    PathId(id): PathId,
) -> Result<StatusCode, Refused> {
    let device = DeviceId::from_hex(&id).ok_or(ServiceError::NotFound)?;
    app.auth.forget_device(&ctx, &current, device).await?;
    Ok(done())
}
