//! Who may call a route. No handler decides it: the guard around it does, and hands it who asks.

use super::context::RequestContext;
use super::handlers::pages;
use super::refusal::Refusal;
use super::respond::Refused;
use super::routes::AppState;
use super::{cookies, forms, idempotency};
use crate::service::{Authenticated, Binder, ServiceError};
use auth_api::operation::Access;
use auth_api::problem::Code;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::MethodRouter;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
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
    let mut caller = None;
    match access {
        Access::Open => {}
        Access::Session | Access::StepUp | Access::Admin | Access::AdminStepUp => {
            let session = match current_session(&app, &ctx, request.headers()).await {
                Ok(session) => session,
                Err(ServiceError::Unauthenticated) if changes => {
                    return repeated_end(&app, &ctx, request.headers()).await;
                }
                Err(error) => return Err(error.into()),
            };
            admit(access, &session.0)?;
            caller = Some(session.0.account.id);
            request.extensions_mut().insert(session);
        }
        Access::Enrolment => {
            let binder = binder(&app, &ctx, request.headers()).await?;
            caller = binder.account();
            request.extensions_mut().insert(CurrentBinder(binder));
        }
    }
    let request = idempotency::name(&app, &ctx, caller, request).await?;
    Ok(next.run(request).await)
}

/// The answer to a request without a session: refused, unless it is the repeat of the one that ended it.
async fn repeated_end(app: &AppState, ctx: &RequestContext, headers: &HeaderMap) -> Result<Response, Refused> {
    let token = cookies::access_token(headers, &app.config).ok_or(ServiceError::Unauthenticated)?;
    if app.auth.repeats_its_own_end(ctx, &token.value).await? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Err(ServiceError::Unauthenticated.into())
}

/// Whether a session may make a call of this kind.
fn admit(access: Access, current: &Authenticated) -> Result<(), ServiceError> {
    let (admin, fresh) = match access {
        Access::Open | Access::Session => (false, false),
        Access::StepUp | Access::Enrolment => (false, true),
        Access::Admin => (true, false),
        Access::AdminStepUp => (true, true),
    };
    if admin && !current.is_admin() {
        return Err(ServiceError::Forbidden);
    }
    if fresh && !current.is_fresh {
        return Err(ServiceError::StepUpRequired);
    }
    Ok(())
}

/// Who may bind a factor: the bearer of an enrolment token, or of a fresh session.
async fn binder(app: &AppState, ctx: &RequestContext, headers: &HeaderMap) -> Result<Binder, ServiceError> {
    let token = cookies::access_token(headers, &app.config).ok_or(ServiceError::Unauthenticated)?;
    // Access tokens have three parts; an enrolment token has none.
    if !token.by_cookie && !token.value.contains('.') {
        return app.auth.enrolment(ctx, &token.value).await;
    }
    let current = app.auth.authenticate(ctx, &token.value).await?;
    admit(Access::Enrolment, &current)?;
    Ok(Binder::Session(Arc::new(current)))
}

/// Who may bind a factor, as the guard found.
#[derive(Clone, Debug)]
pub struct CurrentBinder(pub Binder);

impl<S: Sync> FromRequestParts<S> for CurrentBinder {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refused> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| ServiceError::Fault("the route has no enrolment guard".into()).into())
    }
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
