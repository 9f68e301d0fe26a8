//! Who may call a route. No handler decides it: the guard around it does, and hands it who asks.

use super::context::RequestContext;
use super::handlers::pages;
use super::refusal::Refusal;
use super::respond::Refused;
use super::routes::AppState;
use super::{cookies, forms};
use crate::service::{Authenticated, ServiceError};
use auth_api::operation::Access;
use auth_api::problem::Code;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::MethodRouter;
use http::request::Parts;
use http::{HeaderMap, Method};
use std::sync::Arc;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// As the wire contract says. Gives [`CurrentSession`] where a session is needed. What changes something must not
    /// come from another site's page (SE-7).
    Call(Access),
    /// A page for anyone. Its forms prove themselves: [`super::forms`].
    Page,
    /// A page for the bearer of an access token; others are sent to the login page.
    PageSession,
}

impl Guard {
    /// The guard around a handler.
    pub(super) fn around(self, handler: MethodRouter<AppState>, app: &AppState) -> MethodRouter<AppState> {
        match self {
            Self::Call(access) => handler.layer(from_fn_with_state((app.clone(), access), require)),
            Self::Page => handler,
            Self::PageSession => handler.layer(from_fn_with_state(app.clone(), require_page_session)),
        }
    }
}

/// The session that a guard found.
#[derive(Clone, Debug)]
pub struct CurrentSession(pub Arc<Authenticated>);

impl<S: Sync> FromRequestParts<S> for CurrentSession {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refused> {
        let found = parts.extensions.get::<Self>().cloned();
        // Only a route whose guard is missing gets here without one: closed, not open.
        found.ok_or_else(|| ServiceError::Fault("the route has no session guard".into()).into())
    }
}

async fn require(
    State((app, access)): State<(AppState, Access)>,
    ctx: RequestContext,
    mut request: Request,
    next: Next,
) -> Result<Response, Refused> {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && !forms::is_from_here(request.headers(), &app.config.public_origins) {
        return Err(Refusal::new(Code::Forbidden, "Cross-site request").into());
    }
    match access {
        Access::Open => {}
        Access::Session | Access::StepUp | Access::Enrolment | Access::Admin | Access::AdminStepUp => {
            let session = current_session(&app, &ctx, request.headers()).await?;
            request.extensions_mut().insert(session);
        }
    }
    Ok(next.run(request).await)
}

async fn require_page_session(
    State(app): State<AppState>,
    ctx: RequestContext,
    mut request: Request,
    next: Next,
) -> Response {
    match current_session(&app, &ctx, request.headers()).await {
        Ok(session) => {
            request.extensions_mut().insert(session);
            next.run(request).await
        }
        Err(ServiceError::Unauthenticated) => Redirect::to("/login").into_response(),
        Err(error) => pages::error_page(&error),
    }
}

/// The session of the access token that a request shows.
pub(super) async fn current_session(
    app: &AppState,
    ctx: &RequestContext,
    headers: &HeaderMap,
) -> Result<CurrentSession, ServiceError> {
    let token = cookies::access_token(headers, &app.config).ok_or(ServiceError::Unauthenticated)?;
    Ok(CurrentSession(Arc::new(
        app.auth.authenticate(ctx, &token.value).await?,
    )))
}
