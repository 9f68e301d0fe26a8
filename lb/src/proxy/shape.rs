//! The words in which each surface writes its errors, so that a client need not know who answered. Pure.
//!
//! The shapes and the sentences of dialects are the wire contract's, so they cannot differ from those of a node.

use auth_api::operation::Surface;
use auth_api::problem::{Code, MEDIA_TYPE, Problem};
use auth_api::{dialect_002, dialect_003, dialect_004};
use http::StatusCode;
use serde::Serialize;

use super::answer::Answer;

/// Media type of an error of a surface.
pub fn media_type(surface: Surface) -> &'static str {
    match surface {
        Surface::V1 => MEDIA_TYPE,
        Surface::Dialect002 | Surface::Dialect003 | Surface::Dialect004 => "application/json",
    }
}

/// The body of an error on a surface; `id` names the request.
pub fn body(surface: Surface, answer: &Answer, id: &str) -> String {
    let (status, detail, code) = (answer.status.as_u16(), answer.detail.to_owned(), code(answer.status));
    match surface {
        Surface::V1 => json(&Problem {
            status,
            ..Problem::new(code, detail, id.to_owned())
        }),
        Surface::Dialect002 => json(&dialect_002::ErrorBody { error: detail }),
        Surface::Dialect003 => json(&dialect_003::ErrorBody { detail }),
        Surface::Dialect004 => json(&dialect_004::Envelope::with_status(code, status)),
    }
}

fn json(body: &impl Serialize) -> String {
    // The shapes that are written here have no maps with keys that could fail.
    serde_json::to_string(body).unwrap_or_default()
}

/// The stable code for a status that the load balancer gives itself.
fn code(status: StatusCode) -> Code {
    match status {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
        StatusCode::URI_TOO_LONG => Code::UriTooLong,
        StatusCode::TOO_MANY_REQUESTS => Code::TooManyAttempts,
        status if status.is_server_error() => Code::Unavailable,
        _ => Code::InvalidRequest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn every_surface_gets_errors_in_its_own_shape() {
        let answer = Answer::new(StatusCode::TOO_MANY_REQUESTS, "Slowly.");
        for (path, expected) in [
            (
                "/v1/login",
                json!({"type": "urn:tfauth:problem:too_many_attempts", "title": "Too many attempts", "status": 429,
                    "code": "too_many_attempts", "detail": "Slowly.", "trace_id": "7"}),
            ),
            ("/auth/login/", json!({"error": "Slowly."})),
            (
                "/api/auth/login",
                json!({"isSuccess": false, "error": {"code": "auth.too_many_attempts",
                    "message": "Muitas tentativas. Tente novamente mais tarde.", "type": "Failure", "statusCode": 429}}),
            ),
            ("/api/v1/auth-jwt/login", json!({"detail": "Slowly."})),
            ("/v1x", json!({"detail": "Slowly."})),
        ] {
            let body: Value = serde_json::from_str(&body(Surface::of(path), &answer, "7")).expect("JSON");
            assert_eq!(body, expected, "{path}");
        }
    }

    #[test]
    fn an_address_that_is_too_long_is_told_by_the_documented_code() {
        let answer = Answer::new(StatusCode::URI_TOO_LONG, "The address is too long.");
        let told: Value = serde_json::from_str(&body(Surface::V1, &answer, "7")).expect("JSON");
        assert_eq!((&told["status"], &told["code"]), (&json!(414), &json!("uri_too_long")));
        let search = auth_api::operations::ALL.iter().find(|call| !call.query.is_empty());
        assert!(search.expect("a call with a query").codes().contains(&Code::UriTooLong));
    }

    #[test]
    fn the_envelope_says_what_kind_of_error_it_is() {
        for (status, code, kind) in [
            (400, "auth.invalid_request", "Validation"),
            (404, "auth.not_found", "NotFound"),
            (405, "auth.method_not_allowed", "NotFound"),
            (413, "auth.body_too_large", "Validation"),
            (414, "auth.invalid_request", "Validation"),
            (503, "auth.unavailable", "Failure"),
        ] {
            let answer = Answer::new(StatusCode::from_u16(status).expect("a status"), "x");
            let told: Value = serde_json::from_str(&body(Surface::Dialect004, &answer, "")).expect("JSON");
            let error = &told["error"];
            assert_eq!(
                (&error["code"], &error["type"], &error["statusCode"], &told["isSuccess"]),
                (&json!(code), &json!(kind), &json!(status), &json!(false)),
            );
        }
    }
}
