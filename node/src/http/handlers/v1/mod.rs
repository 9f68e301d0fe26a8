//! Handlers of the native API: decode, call the service, encode.

mod accounts;
mod admin;
mod audit;
mod devices;
mod factors;
mod login;
mod policy;
mod sessions;

use crate::http::refusal::Refusal;
use crate::http::respond::Refused;
use crate::http::routes::Route;
use crate::service::ServiceError;
use auth_api::problem::{Code, FieldProblem};
use auth_api::v1 as api;
use axum::extract::FromRequestParts;
use axum::extract::rejection::PathRejection;
use http::StatusCode;
use http::request::Parts;

/// Rows of a page when the caller does not say.
const PAGE_ROWS: u64 = 50;

/// The lines of the native API in the table of routes.
pub(in crate::http) fn routes() -> Vec<Route> {
    vec![
        Route::call(&api::accounts::REGISTER, accounts::register),
        Route::call(&api::accounts::OWN, accounts::own),
        Route::call(&api::accounts::DELETE, accounts::delete),
        Route::call(&api::accounts::CHANGE_PASSWORD, accounts::change_password),
        Route::call(&api::accounts::CHANGE_EMAIL, accounts::change_email),
        Route::call(&api::accounts::CONFIRM_EMAIL, accounts::confirm_email),
        Route::call(&api::accounts::RESET, accounts::reset),
        Route::call(&api::accounts::CONFIRM_RESET, accounts::confirm_reset),
        Route::call(&api::login::LOGIN, login::login),
        Route::call(&api::login::SEND_CODE, login::send_code),
        Route::call(&api::login::VERIFY, login::verify),
        Route::call(&api::sessions::REFRESH, sessions::refresh),
        Route::call(&api::sessions::LOGOUT, sessions::logout),
        Route::call(&api::sessions::LIST, sessions::list),
        Route::call(&api::sessions::END, sessions::end),
        Route::call(&api::sessions::END_OTHERS, sessions::end_others),
        Route::call(&api::sessions::STEP_UP, sessions::step_up),
        Route::call(&api::factors::LIST, factors::list),
        Route::call(&api::factors::ADD_TOTP, factors::add_totp),
        Route::call(&api::factors::CONFIRM, factors::confirm),
        Route::call(&api::factors::REMOVE, factors::remove),
        Route::call(&api::factors::EMAIL, factors::email),
        Route::call(&api::factors::RECOVERY, factors::recovery_codes),
        Route::call(&api::devices::LIST, devices::list),
        Route::call(&api::devices::FORGET, devices::forget),
        Route::call(&api::audit::OWN, audit::own),
        Route::call(&api::admin::ACCOUNTS, admin::accounts),
        Route::call(&api::admin::ACCOUNT, admin::account),
        Route::call(&api::admin::CHANGE_ACCOUNT, admin::change_account),
        Route::call(&api::admin::AUDIT, audit::search),
        Route::call(&api::policy::READ, policy::read),
        Route::call(&api::policy::CHANGE, policy::change),
        Route::call(&api::policy::DRY_RUN, policy::dry_run),
    ]
}

/// The id in a path. What is no text is nobody's id.
struct PathId(String);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let id: Result<axum::extract::Path<String>, PathRejection> =
            axum::extract::Path::from_request_parts(parts, state).await;
        id.map(|id| Self(id.0)).map_err(|_| ServiceError::NotFound.into())
    }
}

/// Nothing but that it was done.
fn done() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// A field that is wrong beyond its type and bound.
fn wrong(field: &str, message: &str) -> Refused {
    let problem = FieldProblem {
        field: field.to_owned(),
        message: message.to_owned(),
    };
    Refusal::of_fields(vec![problem]).into()
}

/// Where a page begins: a number that a page before told.
fn cursor(text: Option<&str>) -> Result<Option<u64>, Refused> {
    text.map(|text| {
        text.parse()
            .map_err(|_| wrong("cursor", "must be next of a page before"))
    })
    .transpose()
}

fn rows(limit: Option<u64>) -> usize {
    usize::try_from(limit.unwrap_or(PAGE_ROWS)).unwrap_or(usize::MAX)
}

/// A refusal in words of this surface.
fn refuse(code: Code, detail: &str) -> Refused {
    Refusal::new(code, detail).into()
}
