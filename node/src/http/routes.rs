//! The table of routes: method, path, guard, handler. It is data, so that a test can walk every route.
//!
//! Paths with and without a trailing slash answer the same. No handler decides who may call it: the guard does.

use super::cookies;
use super::handlers::{dialect_003, jwks, pages};
use super::respond::{Refusal, Refused};
use super::{browser, context::RequestContext, security_headers};
use crate::secrets::KeyRing;
use crate::service::{Auth, Authenticated, ServiceError};
use auth_api::{dialect_003 as api, paths};
use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, on};
use http::request::Parts;
use http::{Method, StatusCode};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What every handler may use. Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// The verbs.
    pub auth: Auth,
    /// Settings of the HTTP surface.
    pub config: Arc<HttpConfig>,
    /// Keys for forms and cookies.
    pub key_ring: Arc<KeyRing>,
}

/// Settings of the HTTP surface.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Origins that browsers see this service under, e.g. `https://localhost:8443`; the first is the issuer's.
    pub public_origins: Vec<String>,
    /// `GET /api/v1/user/{username}` answers anyone, as the dialect says; otherwise it needs a session.
    pub public_profiles: bool,
    /// Tokens are also set as `access_token` and `refresh_token`, as the dialect says.
    pub legacy_cookie_names: bool,
}

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Anyone; what the call is worth, the verb finds out.
    Open,
    /// The bearer of an access token, in the header or the cookie; others get 401. Gives [`CurrentSession`].
    Session,
    /// The same for pages: others are sent to the login page.
    PageSession,
}

/// A line of the table.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path as axum matches it, without a trailing slash.
    pub path: &'static str,
    /// Who may call it.
    pub guard: Guard,
    handler: MethodRouter<AppState>,
}

impl Route {
    /// A line for `GET` (and `HEAD`).
    pub fn get<H: Handler<T, AppState>, T: 'static>(path: &'static str, guard: Guard, handler: H) -> Self {
        Self {
            method: Method::GET,
            path,
            guard,
            handler: on(axum::routing::MethodFilter::GET, handler),
        }
    }

    /// A line for `POST`.
    pub fn post<H: Handler<T, AppState>, T: 'static>(path: &'static str, guard: Guard, handler: H) -> Self {
        Self {
            method: Method::POST,
            path,
            guard,
            handler: on(axum::routing::MethodFilter::POST, handler),
        }
    }
}

/// Every route that the load balancer may send.
#[must_use]
pub fn table() -> Vec<Route> {
    let mut routes = vec![
        Route::post(api::USER, Guard::Open, dialect_003::create_user),
        Route::get(api::USER_BY_NAME, Guard::Open, dialect_003::public_user),
        Route::post(api::QRCODE, Guard::Open, dialect_003::qrcode),
        Route::post(api::LOGIN, Guard::Open, dialect_003::login),
        Route::get(api::USER_INFO, Guard::Session, dialect_003::user_info),
        Route::post(api::REFRESH, Guard::Open, dialect_003::refresh),
        Route::get(paths::JWKS, Guard::Open, jwks::jwks),
    ];
    routes.extend(pages::routes());
    routes
}

/// The table as a service.
pub fn router(state: AppState) -> Router {
    let mut by_path: BTreeMap<&'static str, MethodRouter<AppState>> = BTreeMap::new();
    for route in table() {
        let guarded = match route.guard {
            Guard::Open => route.handler,
            Guard::Session => route.handler.layer(from_fn_with_state(state.clone(), require_session)),
            Guard::PageSession => route
                .handler
                .layer(from_fn_with_state(state.clone(), require_page_session)),
        };
        let merged = by_path
            .remove(route.path)
            .map_or(guarded.clone(), |others| others.merge(guarded));
        by_path.insert(route.path, merged);
    }
    let mut router = Router::new();
    for (path, methods) in by_path {
        if path != "/" && !path.contains("{*") {
            router = router.route(&format!("{path}/"), methods.clone());
        }
        router = router.route(path, methods);
    }
    router
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(from_fn(browser::show_errors_as_pages))
        .layer(from_fn(security_headers::apply))
        .with_state(state)
}

async fn not_found() -> Response {
    Refusal::new(StatusCode::NOT_FOUND, "Not found").into_json()
}

async fn method_not_allowed() -> Response {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed").into_json()
}

/// The session that [`Guard::Session`] or [`Guard::PageSession`] found.
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

async fn require_session(
    State(app): State<AppState>,
    ctx: RequestContext,
    mut request: Request,
    next: Next,
) -> Result<Response, Refused> {
    let session = current_session(&app, &ctx, request.headers()).await?;
    request.extensions_mut().insert(session);
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
    headers: &http::HeaderMap,
) -> Result<CurrentSession, ServiceError> {
    let token = cookies::access_token(headers, &app.config).ok_or(ServiceError::Unauthenticated)?;
    Ok(CurrentSession(Arc::new(
        app.auth.authenticate(ctx, &token.value).await?,
    )))
}
