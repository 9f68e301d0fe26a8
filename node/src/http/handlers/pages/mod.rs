//! The pages, drawn on the server: sign up, log in (password, then code), connect an app, welcome, log out.
//!
//! They need no script. A page decodes its form, calls one verb of the service and shows what came of it; it decides
//! nothing. Every change is a `POST` of a verified form, answered with a redirect when it went well. An access token
//! that has expired leads to `/login`: pages never rotate tokens on a `GET`, which must not change anything.

mod answers;
mod assets;
mod enrol;
mod home;
mod login;
mod logout;
mod signup;
#[cfg(test)]
mod tests;
mod texts;
mod verify;
mod view;
mod welcome;

pub(crate) use answers::status_page;

use super::docs::Group;

use crate::clock;
use crate::http::context::RequestContext;
use crate::http::guards::{Guard, current_session};
use crate::http::refusal::Refusal;
use crate::http::respond::{dress, log_fault};
use crate::http::routes::{AppState, Route};
use crate::service::ServiceError;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use std::time::Duration;

/// The lines of the pages in the table of routes.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/", Guard::Page, home::show),
        Route::get("/signup", Guard::Page, signup::show),
        Route::post("/signup", Guard::Page, signup::submit),
        Route::get("/login", Guard::Page, login::show),
        Route::post("/login", Guard::Page, login::submit),
        Route::get("/login/verify", Guard::Page, verify::show),
        Route::post("/login/verify", Guard::Page, verify::submit),
        Route::get("/login/enrol", Guard::Page, enrol::show),
        Route::post("/login/enrol", Guard::Page, enrol::submit),
        Route::get("/welcome", Guard::PageSession, welcome::show),
        // Open, so that logging out works with an access token that has just expired.
        Route::post("/logout", Guard::Page, logout::submit),
        Route::get("/static/{name}", Guard::Page, assets::serve),
    ]
}

/// The page for an error that a guard met.
pub fn error_page(error: &ServiceError) -> Response {
    log_fault(error);
    let refusal = Refusal::of(error).uniform();
    dress(&refusal, status_page(refusal.status(), None, None))
}

/// The page of the API's calls. It is for programmers, in English whatever the browser prefers.
pub(super) fn docs_page(groups: &[Group], common: &str) -> Response {
    let layout = view::Layout::new(answers::texts(), "API");
    let page = view::Docs { layout, groups, common };
    answers::html(StatusCode::OK, &page)
}

/// How long a page that anyone may see waits to know who looks at it.
const SIGNED_IN_MAX: Duration = Duration::from_secs(1);

/// Whether the browser has a live session. Pages that anyone may see ask it only to show the better one, so not knowing
/// soon counts as no.
async fn is_signed_in(app: &AppState, ctx: &RequestContext, headers: &HeaderMap) -> bool {
    let soon = ctx.deadline.min(clock::monotonic() + SIGNED_IN_MAX);
    let ctx = RequestContext {
        deadline: soon,
        ..ctx.clone()
    };
    current_session(app, &ctx, headers).await.is_ok()
}
