//! The shape in which each surface writes its errors, so that a client need not know who answered. Pure.

use auth_api::problem::{Code, MEDIA_TYPE, TYPE_BASE};
use http::StatusCode;
use serde_json::json;

use super::answer::Answer;

/// A surface, as far as errors go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `/v1`: RFC 9457.
    Problem,
    /// `/auth` and `/users`: one sentence under `error`.
    Sentence,
    /// `/api/auth`: an envelope.
    Envelope,
    /// `/api/v1` and everything else: one sentence under `detail`.
    Detail,
}

impl Shape {
    /// The shape for a path.
    pub fn of(path: &str) -> Self {
        let is_under = |prefix: &str| {
            path.strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if is_under("/v1") {
            Self::Problem
        } else if is_under("/auth") || is_under("/users") {
            Self::Sentence
        } else if is_under("/api/auth") {
            Self::Envelope
        } else {
            Self::Detail
        }
    }

    /// Media type of the body.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Problem => MEDIA_TYPE,
            Self::Sentence | Self::Envelope | Self::Detail => "application/json",
        }
    }

    /// The body; `id` names the request.
    pub fn body(self, answer: &Answer, id: &str) -> String {
        let (status, detail, code) = (answer.status.as_u16(), answer.detail, code(answer.status));
        let value = match self {
            Self::Problem => json!({
                "type": format!("{TYPE_BASE}{}", code.as_str()),
                "title": code.title(),
                "status": status,
                "code": code.as_str(),
                "detail": detail,
                "trace_id": id,
            }),
            Self::Sentence => json!({"error": detail}),
            Self::Envelope => json!({
                "isSuccess": false,
                "error": {
                    "code": format!("auth.{}", code.as_str()),
                    "message": detail,
                    "type": if answer.status.is_server_error() { "Failure" } else { "Validation" },
                    "statusCode": status,
                },
            }),
            Self::Detail => json!({"detail": detail}),
        };
        value.to_string()
    }
}

/// The stable code for a status that the load balancer gives itself.
fn code(status: StatusCode) -> Code {
    match status {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
        StatusCode::TOO_MANY_REQUESTS => Code::TooManyAttempts,
        status if status.is_server_error() => Code::Unavailable,
        _ => Code::InvalidRequest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
                json!({"isSuccess": false, "error": {"code": "auth.too_many_attempts", "message": "Slowly.",
                    "type": "Validation", "statusCode": 429}}),
            ),
            ("/api/v1/auth-jwt/login", json!({"detail": "Slowly."})),
            ("/v1x", json!({"detail": "Slowly."})),
        ] {
            let body: serde_json::Value = serde_json::from_str(&Shape::of(path).body(&answer, "7")).expect("JSON");
            assert_eq!(body, expected, "{path}");
        }
    }
}
