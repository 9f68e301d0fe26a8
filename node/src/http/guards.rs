//! Who may call a route. No handler decides it: the guard around it does, and hands it who asks.

use super::context::RequestContext;
use super::handlers::pages;
use super::idempotency::Caller;
use super::refusal::Refusal;
use super::respond::Refused;
use super::routes::AppState;
use super::{cookies, forms, idempotency};
use crate::service::{Authenticated, Binder, ServiceError};
use auth_api::operation::Access;
use auth_api::problem::Code;
use auth_core::reply::Reply;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
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
    request: Request,
    next: Next,
) -> Result<Response, Refused> {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && !forms::is_from_here(request.headers(), &app.config.public_origins) {
        return Err(Refusal::new(Code::Forbidden, "Cross-site request").into());
    }
    let shown = match access {
        Access::Open => None,
        Access::Session | Access::StepUp | Access::Enrolment | Access::Admin | Access::AdminStepUp => {
            Some(cookies::access_token(request.headers(), &app.config).ok_or(ServiceError::Unauthenticated)?)
        }
    };
    let caller = match &shown {
        None => Caller::Stranger,
        // Access tokens have three parts; an enrolment token has none.
        Some(token) if access == Access::Enrolment && !token.by_cookie && !token.value.contains('.') => {
            Caller::Enrolment(app.auth.enrolment_token(&token.value)?)
        }
        Some(token) => Caller::Session(app.auth.access_token(&token.value)?),
    };
    let (mut request, named) = idempotency::name(&app, &ctx, caller, changes && needs_proof(access), request).await?;
    let asked = Asked {
        app: &app,
        ctx: &ctx,
        access,
        caller,
    };
    // The answer to the same request comes first: what it did may be why it would be refused now.
    let mut kept = match &named {
        Some(named) if named.by_client => app.auth.kept_answer(&ctx, &named.key).await?,
        Some(_) | None => None,
    };
    let mut admitted = asked.admit(kept.as_ref()).await;
    if let (Err(refused), Some(named)) = (&admitted, &named)
        && !named.by_client
        && is_about_the_caller(refused)
    {
        kept = app.auth.kept_answer(&ctx, &named.key).await?;
        if kept.is_some() {
            admitted = asked.of_the_past().await;
        }
    }
    match admitted {
        Ok(Admitted::Stranger) => {}
        Ok(Admitted::Session(session)) => {
            request.extensions_mut().insert(session);
        }
        Ok(Admitted::Binder(binder)) => {
            request.extensions_mut().insert(CurrentBinder(binder));
        }
        // The repeat of what ended the session, which the handler answers from what was kept.
        Err(ServiceError::Unauthenticated) if matches!(kept, Some(Reply::SessionEnded {})) => {}
        Err(ServiceError::Unauthenticated) if changes => {
            return match shown {
                Some(token) => repeated_end(&app, &ctx, &token.value).await,
                None => Err(ServiceError::Unauthenticated.into()),
            };
        }
        Err(error) => return Err(asked.told(error, &request).into()),
    }
    if let Some(named) = named {
        request.extensions_mut().insert(idempotency::with(&ctx, named, kept));
    }
    Ok(next.run(request).await)
}

/// A request that is to be let in.
struct Asked<'a> {
    app: &'a AppState,
    ctx: &'a RequestContext,
    access: Access,
    caller: Caller,
}

/// Who was let in.
enum Admitted {
    Stranger,
    Session(CurrentSession),
    Binder(Binder),
}

impl Asked<'_> {
    /// Whether the caller may do it now. What was answered before needs no fresh proof: it is not done again.
    async fn admit(&self, kept: Option<&Reply>) -> Result<Admitted, ServiceError> {
        let auth = &self.app.auth;
        let token = match self.caller {
            Caller::Stranger => return Ok(Admitted::Stranger),
            Caller::Enrolment(challenge) => return Ok(Admitted::Binder(auth.enrolment(self.ctx, challenge).await?)),
            Caller::Session(token) => token,
        };
        let current = auth.authenticate(self.ctx, token).await?;
        admit(self.access, &current, kept.is_some())?;
        Ok(self.as_asked(current))
    }

    /// The caller as he was when the load balancer sent this very operation for the first time: its answer was lost on the
    /// way, and is given again whatever has become of the session.
    async fn of_the_past(&self) -> Result<Admitted, ServiceError> {
        match self.caller {
            Caller::Session(token) => {
                let current = self.app.auth.session_of(self.ctx, token).await?;
                Ok(self.as_asked(current))
            }
            Caller::Enrolment(_) | Caller::Stranger => Err(ServiceError::Unauthenticated),
        }
    }

    /// One line in the log for a missing role and for a proof that is too old (LG-1): no entry records them.
    fn told(&self, error: ServiceError, request: &Request) -> ServiceError {
        if let Caller::Session(token) = self.caller
            && matches!(error, ServiceError::Forbidden | ServiceError::StepUpRequired)
        {
            let route = request.extensions().get::<MatchedPath>();
            tracing::info!(
                target: "refused",
                event = "not_allowed",
                account = %token.account.hex(),
                session = %token.session.hex(),
                address = %self.ctx.client_address,
                method = %request.method(),
                route = route.map_or("none", MatchedPath::as_str),
                code = Refusal::of(&error).code.as_str(),
                "a caller may not do this"
            );
        }
        error
    }

    fn as_asked(&self, current: Authenticated) -> Admitted {
        let current = Arc::new(current);
        if self.access == Access::Enrolment {
            Admitted::Binder(Binder::Session(current))
        } else {
            Admitted::Session(CurrentSession(current))
        }
    }
}

/// Whether a refusal is about what the caller is now, and not about the request.
fn is_about_the_caller(error: &ServiceError) -> bool {
    matches!(
        error,
        ServiceError::Unauthenticated | ServiceError::StepUpRequired | ServiceError::Forbidden
    )
}

/// Whether a call asks for a fresh proof.
fn needs_proof(access: Access) -> bool {
    match access {
        Access::StepUp | Access::Enrolment | Access::AdminStepUp => true,
        Access::Open | Access::Session | Access::Admin => false,
    }
}

/// The answer to a request without a session: refused, unless it is the repeat of the one that ended it.
async fn repeated_end(app: &AppState, ctx: &RequestContext, access_token: &str) -> Result<Response, Refused> {
    if app.auth.repeats_its_own_end(ctx, access_token).await? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Err(ServiceError::Unauthenticated.into())
}

/// Whether a session may make a call of this kind.
fn admit(access: Access, current: &Authenticated, is_repeat: bool) -> Result<(), ServiceError> {
    let is_admins = matches!(access, Access::Admin | Access::AdminStepUp);
    if is_admins && !current.is_admin() {
        return Err(ServiceError::Forbidden);
    }
    if needs_proof(access) && !current.is_fresh && !is_repeat {
        return Err(ServiceError::StepUpRequired);
    }
    Ok(())
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
    let token = app.auth.access_token(&token.value)?;
    Ok(CurrentSession(Arc::new(app.auth.authenticate(ctx, token).await?)))
}
