//! The table of routes: method, path, guard, handler. It is data, so that a test can walk every route.
//!
//! Paths with and without a trailing slash answer the same. No handler decides who may call it: the guard does.

use super::guards::Guard;
use super::handlers::{dialect_002, dialect_003, dialect_004, docs, jwks, pages, v1};
use super::refusal::Refusal;
use super::respond::{self, Refused};
use super::{browser, security_headers};
use crate::secrets::KeyRing;
use crate::service::Auth;
use auth_api::operation::{self, Operation};
use auth_api::problem::Code;
use auth_api::{dialect_003 as api, operations};
use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::Method;
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
    /// A line for a call of the wire contract, which says who may make it.
    pub fn call<H: Handler<T, AppState>, T: 'static>(operation: &Operation, handler: H) -> Self {
        let (method, filter) = match operation.method {
            operation::Method::Get => (Method::GET, MethodFilter::GET),
            operation::Method::Post => (Method::POST, MethodFilter::POST),
            operation::Method::Put => (Method::PUT, MethodFilter::PUT),
            operation::Method::Patch => (Method::PATCH, MethodFilter::PATCH),
            operation::Method::Delete => (Method::DELETE, MethodFilter::DELETE),
        };
        Self {
            method,
            path: operation.path,
            guard: Guard::Call(operation.access),
            handler: on(filter, handler),
        }
    }

    /// A line for a page's `GET` (and `HEAD`).
    pub fn get<H: Handler<T, AppState>, T: 'static>(path: &'static str, guard: Guard, handler: H) -> Self {
        Self {
            method: Method::GET,
            path,
            guard,
            handler: on(MethodFilter::GET, handler),
        }
    }

    /// A line for a page's form.
    pub fn post<H: Handler<T, AppState>, T: 'static>(path: &'static str, guard: Guard, handler: H) -> Self {
        Self {
            method: Method::POST,
            path,
            guard,
            handler: on(MethodFilter::POST, handler),
        }
    }
}

/// Every route that the load balancer may send.
#[must_use]
pub fn table() -> Vec<Route> {
    let mut routes = vec![
        Route::call(&api::CREATE_USER, dialect_003::create_user),
        Route::call(&api::PUBLIC_USER, dialect_003::public_user),
        Route::call(&api::ENROL, dialect_003::qrcode),
        Route::call(&api::LOG_IN, dialect_003::login),
        Route::call(&api::OWN_USER, dialect_003::user_info),
        Route::call(&api::REFRESH_TOKENS, dialect_003::refresh),
        Route::call(&operations::JWKS, jwks::jwks),
        Route::call(&operations::OPENAPI, docs::openapi),
        Route::call(&operations::DOCS, docs::docs),
    ];
    routes.extend(v1::routes());
    routes.extend(dialect_002::routes());
    routes.extend(dialect_004::routes());
    routes.extend(pages::routes());
    routes
}

/// The table as a service.
pub fn router(state: AppState) -> Router {
    let mut by_path: BTreeMap<&'static str, MethodRouter<AppState>> = BTreeMap::new();
    for route in table() {
        let guarded = route.guard.around(route.handler, &state);
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
        .layer(from_fn(respond::word_refusals))
        .layer(from_fn(browser::show_errors_as_pages))
        .layer(from_fn(security_headers::apply))
        .with_state(state)
}

async fn not_found() -> Refused {
    Refusal::new(Code::NotFound, "Not found").into()
}

async fn method_not_allowed() -> Refused {
    Refusal::new(Code::MethodNotAllowed, "Method not allowed").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_balancer_lets_every_route_in() {
        for route in table() {
            let segments = route.path.split('/');
            let concrete: Vec<&str> = segments
                .map(|segment| if segment.starts_with('{') { "x" } else { segment })
                .collect();
            let path = concrete.join("/");
            let rule = auth_api::surface::find(&path);
            assert!(
                rule.is_some_and(|rule| rule.methods.allows(route.method.as_str())),
                "{} {path} is missing in auth_api::surface: {rule:?}",
                route.method
            );
        }
    }
}
