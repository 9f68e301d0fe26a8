//! `GET /`: what this is, and the two doors.

use super::answers::{html, see_other, texts};
use super::is_signed_in;
use super::view::{Home, Layout};
use crate::http::context::RequestContext;
use crate::http::routes::AppState;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

pub(super) async fn show(State(app): State<AppState>, ctx: RequestContext, headers: HeaderMap) -> Response {
    if is_signed_in(&app, &ctx, &headers).await {
        return see_other("/welcome");
    }
    let text = &texts().home;
    html(
        StatusCode::OK,
        &Home {
            layout: Layout::new(texts(), text.title),
            text,
        },
    )
}
