//! Answers held against the wire contract: every status and every code must be documented.

use super::Answer;
use auth_api::dialect_004;
use auth_api::operation::{Operation, Surface};
use auth_api::problem::Code;
use http::{Method, StatusCode};
use serde_json::Value;

/// Every answer of every test must be one that the document has.
pub(super) fn assert_documented(method: &Method, path: &str, answer: &Answer) {
    let path = path.split('?').next().unwrap_or_default();
    let path = if path.len() > 1 {
        path.trim_end_matches('/')
    } else {
        path
    };
    let matches = |pattern: &str| {
        let (parts, given): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
        parts.len() == given.len()
            && parts
                .iter()
                .zip(given)
                .all(|(part, given)| part.starts_with('{') || *part == given)
    };
    let found = auth_api::operations::ALL
        .iter()
        .filter(|operation| operation.method.as_str() == method.as_str() && matches(operation.path))
        // The literal path is before the one with a parameter.
        .min_by_key(|operation| operation.parameters().count());
    // No call at all: another one of the path was asked for.
    if answer.status == StatusCode::METHOD_NOT_ALLOWED {
        return;
    }
    if let Some(operation) = found {
        let status = answer.status.as_u16();
        assert!(
            operation.has_status(status),
            "{method} {path} answered {status}: {answer:?}"
        );
        assert_code_documented(operation, answer);
    }
}

/// So must the code be that an error has on the surfaces with codes.
fn assert_code_documented(operation: &Operation, answer: &Answer) {
    let is_answer = operation
        .answers
        .iter()
        .any(|known| known.status == answer.status.as_u16());
    if is_answer || answer.body.is_empty() {
        return;
    }
    let body = answer.json();
    let (said, known): (&Value, Vec<&str>) = match operation.surface() {
        Surface::V1 => (&body["code"], operation.codes().into_iter().map(Code::as_str).collect()),
        Surface::Dialect004 => {
            let words = operation.codes().into_iter().map(|code| dialect_004::words(code).0);
            (&body["error"]["code"], words.collect())
        }
        Surface::Dialect002 | Surface::Dialect003 => return,
    };
    assert!(
        said.as_str().is_some_and(|said| known.contains(&said)),
        "{} answered with a code that is not documented: {answer:?}",
        operation.id
    );
}
