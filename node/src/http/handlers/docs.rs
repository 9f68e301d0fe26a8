//! The OpenAPI document, and the same as a page that needs no script.

use super::pages;
use crate::http::routes::AppState;
use auth_api::body::{Field, Kind};
use auth_api::openapi::{document, example_of};
use auth_api::operation::{Operation, Shape, Surface};
use auth_api::operations;
use auth_api::problem::Code;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::StatusCode;
use http::header::CONTENT_TYPE;

/// `GET /openapi.json`.
pub async fn openapi(State(app): State<AppState>) -> Response {
    let server = app.config.public_origins.first().map_or("/", String::as_str);
    match document(server).to_json() {
        Ok(json) => ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response(),
        Err(error) => {
            tracing::error!(%error, "the OpenAPI document could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// `GET /docs`.
pub async fn docs() -> Response {
    pages::docs_page(&groups(), &common())
}

/// Calls under one heading.
pub struct Group {
    /// The heading.
    pub name: &'static str,
    /// The calls.
    pub calls: Vec<Call>,
}

/// One call, in words.
pub struct Call {
    /// Its method.
    pub method: &'static str,
    /// Its path.
    pub path: &'static str,
    /// Its verb, for links.
    pub id: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Who may make it.
    pub access: &'static str,
    /// Fields of its body and query.
    pub fields: Vec<DocField>,
    /// Answers.
    pub answers: Vec<(u16, String)>,
    /// Statuses and codes of its errors, without those that every call has.
    pub errors: Vec<String>,
    /// A body that it takes.
    pub example: Option<String>,
}

/// A field, in words.
pub struct DocField {
    /// Its name.
    pub name: &'static str,
    /// Type and bound.
    pub kind: String,
    /// Whether it must be there.
    pub required: bool,
    /// What it is.
    pub about: &'static str,
}

fn groups() -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for operation in operations::ALL {
        let call = call(operation);
        match groups.iter_mut().find(|group| group.name == operation.group) {
            Some(group) => group.calls.push(call),
            None => groups.push(Group {
                name: operation.group,
                calls: vec![call],
            }),
        }
    }
    groups
}

fn call(operation: &Operation) -> Call {
    let body = operation.body.map_or(&[][..], |body| body.fields);
    let errors = operation.errors().into_iter();
    let own = errors.filter(|status| operation.answers.iter().all(|answer| answer.status != *status));
    let told = own.filter_map(|status| errors_of(operation, status));
    let example = example_of(operation).filter(|example| example.as_object().is_some_and(|fields| !fields.is_empty()));
    Call {
        method: operation.method.as_str(),
        path: operation.path,
        id: operation.id,
        about: operation.about,
        access: operation.access.about(),
        fields: body.iter().chain(operation.query).map(field).collect(),
        answers: operation
            .answers
            .iter()
            .map(|answer| (answer.status, format!("{}{}", answer.about, shape(answer.shape))))
            .collect(),
        errors: told.collect(),
        example: example.map(|example| format!("{example:#}")),
    }
}

/// A status of an error with its codes, as far as not every call may answer so. Dialects have no codes of ours.
fn errors_of(operation: &Operation, status: u16) -> Option<String> {
    let is_own = |code: &Code| code.status() == status && !Operation::CODES_OF_EVERY_CALL.contains(code);
    let codes: Vec<&str> = operation
        .codes()
        .iter()
        .filter(|code| is_own(code))
        .map(|code| code.as_str())
        .collect();
    if codes.is_empty() {
        return None;
    }
    Some(match operation.surface() {
        Surface::V1 => format!("{status} {}", codes.join(", ")),
        Surface::Dialect002 | Surface::Dialect003 | Surface::Dialect004 => status.to_string(),
    })
}

/// What every call may answer, in words.
fn common() -> String {
    let told: Vec<String> = Operation::CODES_OF_EVERY_CALL
        .iter()
        .map(|code| format!("{} {}", code.status(), code.as_str()))
        .collect();
    told.join(", ")
}

fn shape(shape: Shape) -> String {
    match shape {
        Shape::Empty => String::new(),
        Shape::Json(typed) => format!(" ({})", (typed.name)()),
        Shape::OneOf(types) => {
            let names: Vec<_> = types.iter().map(|typed| (typed.name)()).collect();
            format!(" ({})", names.join(" or "))
        }
        Shape::Media(kinds) => format!(" ({})", kinds.join(", ")),
    }
}

fn field(field: &Field) -> DocField {
    let kind = match field.kind {
        Kind::Text { min, max } => format!("text, {min} to {max} characters"),
        Kind::Flag => "true or false".to_owned(),
        Kind::Count { min, max } => format!("whole number, {min} to {max}"),
        Kind::OneOf(words) => format!("one of {}", words.join(", ")),
        Kind::Counts { min, max, items_max } => format!("at most {items_max} whole numbers, {min} to {max}"),
        Kind::Object(_) => "object".to_owned(),
    };
    DocField {
        name: field.name,
        kind,
        required: field.required,
        about: field.about.trim(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_called_common_every_call_may_answer() {
        for operation in operations::ALL {
            let codes = operation.codes();
            assert!(
                Operation::CODES_OF_EVERY_CALL.iter().all(|code| codes.contains(code)),
                "{}",
                operation.id
            );
        }
    }
}
