//! `/signup`: name, address, password; then to the login.

use super::answers::{failure, html, see_other, texts, told_in_form};
use super::is_signed_in;
use super::view::{EMAIL, Field, Form, Layout, NEW_PASSWORD, Signup, USERNAME};
use crate::http::context::RequestContext;
use crate::http::forms::{Ticket, VerifiedForm};
use crate::http::refusal::Refusal;
use crate::http::respond::dress;
use crate::http::routes::AppState;
use crate::service::{FieldError, NewAccount, ServiceError};
use auth_core::reply::Denial;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use secrecy::ExposeSecret as _;

const ACTION: &str = "/signup";

/// What the form shows again after an error. Never a password.
#[derive(Default)]
struct Filled {
    username: String,
    email: String,
    alert: Option<String>,
    errors: Vec<FieldError>,
}

pub(super) async fn show(State(app): State<AppState>, ctx: RequestContext, headers: HeaderMap) -> Response {
    if is_signed_in(&app, &ctx, &headers).await {
        return see_other("/welcome");
    }
    page(&app, &headers, StatusCode::OK, Filled::default())
}

pub(super) async fn submit(
    State(app): State<AppState>,
    ctx: RequestContext,
    headers: HeaderMap,
    mut form: VerifiedForm,
) -> Response {
    let username = form.text("username");
    let email = form.text("email");
    let password = form.secret("password");
    let again = form.secret("password_again");
    let registered = if password.expose_secret() == again.expose_secret() {
        let new = NewAccount {
            username: username.clone(),
            email: email.clone(),
            password,
        };
        app.auth.register_account(&ctx, new).await
    } else {
        let message = texts().signup.passwords_differ.to_owned();
        Err(ServiceError::Invalid(vec![FieldError {
            field: "password_again",
            message,
        }]))
    };
    let error = match registered {
        Ok(_) => return see_other("/login?notice=account_created"),
        Err(error) => error,
    };
    let Some(alert) = told_in_form(&error, texts().refusals.fields) else {
        return failure(&error, &ctx, ACTION);
    };
    let refusal = Refusal::of(&error).uniform();
    let filled = Filled {
        username,
        email,
        alert: Some(alert),
        errors: field_errors(error),
    };
    dress(&refusal, page(&app, &headers, refusal.status(), filled))
}

/// The errors by field as sentences, the taken name and different passwords among them.
fn field_errors(error: ServiceError) -> Vec<FieldError> {
    let text = &texts().signup;
    let sentence = |error: FieldError| {
        let label = match error.field {
            "username" => text.username,
            "email" => text.email,
            "password" => text.password,
            // Written on this page, as a sentence.
            _ => return error,
        };
        FieldError {
            field: error.field,
            message: format!("{label} {}.", error.message),
        }
    };
    match error {
        ServiceError::Invalid(fields) => fields.into_iter().map(sentence).collect(),
        ServiceError::Denied(Denial::UsernameTaken {}) => {
            vec![FieldError {
                field: "username",
                message: texts().refusals.username_taken.to_owned(),
            }]
        }
        ServiceError::Denied(_)
        | ServiceError::Unauthenticated
        | ServiceError::StepUpRequired
        | ServiceError::Forbidden
        | ServiceError::NotFound
        | ServiceError::Replaced
        | ServiceError::Overloaded { .. }
        | ServiceError::Unavailable { .. }
        | ServiceError::Fault(_) => Vec::new(),
    }
}

fn page(app: &AppState, headers: &HeaderMap, status: StatusCode, filled: Filled) -> Response {
    let text = &texts().signup;
    let ticket = Ticket::new(&app.key_ring, headers, ACTION);
    let mut fields = vec![
        Field::new("username", text.username, &USERNAME)
            .hint(text.username_hint)
            .value(&filled.username),
        Field::new("email", text.email, &EMAIL).value(&filled.email),
        Field::new("password", text.password, &NEW_PASSWORD).hint(text.password_hint),
        Field::new("password_again", text.password_again, &NEW_PASSWORD),
    ];
    for field in &mut fields {
        field.error = filled
            .errors
            .iter()
            .find(|error| error.field == field.name)
            .map(|error| error.message.clone());
    }
    let is_error = filled.alert.is_some();
    let form = Form {
        action: ACTION,
        token: ticket.token.clone(),
        notice: None,
        alert: filled.alert,
        fields,
        submit: text.submit,
    };
    let layout = Layout::new(texts(), text.title).marked(is_error);
    let mut response = html(status, &Signup { layout, text, form });
    ticket.attach(response.headers_mut());
    response
}
