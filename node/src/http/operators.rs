//! What operators ask about accounts and the audit, over the socket in the data folder. Decides nothing: the core does.

use super::context::RequestContext;
use super::ops::json;
use super::refusal::Refusal;
use super::respond::log_fault;
use crate::limits::REQUEST_DEADLINE_DEFAULT;
use crate::service::{Auth, ServiceError};
use auth_api::cluster::Said;
use auth_api::operator::{self as wire, BootstrapAdmin, ExportAudit};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, Response, StatusCode};
use serde::de::DeserializeOwned;
use std::net::{IpAddr, Ipv4Addr};

/// The routes.
pub fn router(auth: Auth) -> Router {
    Router::new()
        .route(wire::BOOTSTRAP_ADMIN, post(bootstrap_admin))
        .route(wire::AUDIT_EXPORT, post(export_audit))
        .with_state(auth)
}

type Answered = Result<Response<Body>, Response<Body>>;

async fn bootstrap_admin(State(auth): State<Auth>, body: Bytes) -> Answered {
    let wish: BootstrapAdmin = read(&body)?;
    let account = auth.bootstrap_admin(&context(), &wish.username).await.map_err(failed)?;
    tracing::info!(?account, "an operator made the first administrator");
    let message = format!(
        "{} is an administrator now; a second factor is needed to act as one",
        wish.username
    );
    Ok(json(StatusCode::OK, &Said { message }))
}

async fn export_audit(State(auth): State<Auth>, body: Bytes) -> Answered {
    let wish: ExportAudit = read(&body)?;
    let page = auth.export_audit(&context(), wish.from_index).await.map_err(failed)?;
    Ok(json(StatusCode::OK, &page))
}

/// An operator has no address of his own: the audit shows that it was done on the node.
fn context() -> RequestContext {
    RequestContext::new(
        &HeaderMap::new(),
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        REQUEST_DEADLINE_DEFAULT,
    )
}

#[expect(
    clippy::result_large_err,
    reason = "the refusal is the answer itself, made once for a request"
)]
pub(super) fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Response<Body>> {
    serde_json::from_slice(body).map_err(|error| said(StatusCode::BAD_REQUEST, format!("not understood: {error}")))
}

/// What the cluster must not do is a conflict; what it cannot do now is told as such.
fn failed(error: ServiceError) -> Response<Body> {
    log_fault(&error);
    let refusal = Refusal::of(&error);
    let status = if refusal.status().is_server_error() {
        refusal.status()
    } else {
        StatusCode::CONFLICT
    };
    said(status, refusal.detail)
}

pub(super) fn said(status: StatusCode, message: String) -> Response<Body> {
    json(status, &Said { message })
}
