//! Errors of the native API: RFC 9457, with a stable code.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

/// Media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";
/// Base of a problem's `type`; the code follows. It is a name, not necessarily a page.
pub const TYPE_BASE: &str = "urn:tfauth:problem:";

macro_rules! codes {
    ($($(#[doc = $about:literal])+ $variant:ident = $code:literal $status:literal $title:literal;)*) => {
        /// What went wrong, for programs. Codes are never renamed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[doc = $about])+ #[serde(rename = $code)] $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// As it is written in bodies.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// Status that it is answered with in the native API.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// The same in few words, for people.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    /// Fields are wrong; `errors` tells which.
    InvalidRequest = "invalid_request" 400 "The request is not as expected";
    /// Name or password is wrong.
    InvalidCredentials = "invalid_credentials" 401 "Wrong name or password";
    /// The code is wrong, used or too old, or there is no live challenge for it.
    InvalidCode = "invalid_code" 401 "Wrong or expired code";
    /// No token, or not one that counts.
    Unauthenticated = "unauthenticated" 401 "Log in first";
    /// The session was ended.
    SessionRevoked = "session_revoked" 401 "The session has ended";
    /// The session must prove its owner again: `POST /v1/sessions/step-up`.
    StepUpRequired = "step_up_required" 403 "Prove who you are again";
    /// An administrator has not approved the account yet.
    AccountNotApproved = "account_not_approved" 403 "The account waits for approval";
    /// The account may not log in.
    AccountDisabled = "account_disabled" 403 "The account is disabled";
    /// Not for this caller.
    Forbidden = "forbidden" 403 "Not allowed";
    /// The account must add a second factor before it can log in.
    EnrolmentRequired = "enrolment_required" 403 "A second factor must be added first";
    /// Nothing is here.
    NotFound = "not_found" 404 "Not found";
    /// The path is there, the method is not.
    MethodNotAllowed = "method_not_allowed" 405 "Method not allowed";
    /// What exists stands in the way.
    Conflict = "conflict" 409 "In conflict with what exists";
    /// `If-Match` names another version.
    VersionMismatch = "version_mismatch" 412 "Somebody else changed it";
    /// The body is too large.
    BodyTooLarge = "body_too_large" 413 "The body is too large";
    /// Path and query together are longer than 4,096 bytes.
    UriTooLong = "uri_too_long" 414 "The address is too long";
    /// The body is not JSON.
    UnsupportedMediaType = "unsupported_media_type" 415 "The body must be JSON";
    /// The key was used with another body.
    IdempotencyKeyReused = "idempotency_key_reused" 422 "The idempotency key was used for something else";
    /// `If-Match` is missing.
    VersionRequired = "version_required" 428 "Say which version you change";
    /// Too many guesses or calls; `Retry-After` tells when the next is looked at.
    TooManyAttempts = "too_many_attempts" 429 "Too many attempts";
    /// A fault of the service.
    Internal = "internal" 500 "Internal error";
    /// Too much to do at the moment; nothing was done.
    Overloaded = "overloaded" 503 "Overloaded";
    /// No quorum within the deadline.
    Unavailable = "unavailable" 503 "Temporarily unavailable";
}

// Written by hand: the derive does not see a name that comes out of a macro.
impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let codes = Self::ALL.iter().map(|code| code.as_str());
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .description(Some("What went wrong, for programs. Codes are never renamed."))
            .enum_values(Some(codes))
            .build()
            .into()
    }
}

impl ToSchema for Code {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Code")
    }
}

/// Every error of the native API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem: `urn:tfauth:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same in few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// For programs.
    pub code: Code,
    /// This case, in a sentence.
    pub detail: String,
    /// Names the request in the logs, as `x-request-id` does.
    pub trace_id: String,
    /// Wrong fields, with `invalid_request`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// With `enrolment_required` at a login: good for adding a second factor and for nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolment_token: Option<String>,
    /// End of the enrolment token, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// A wrong field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldProblem {
    /// Its name; empty for the body itself.
    pub field: String,
    /// What is expected of it.
    pub message: String,
}

impl Problem {
    /// A problem of a kind.
    #[must_use]
    pub fn new(code: Code, detail: String, trace_id: String) -> Self {
        Self {
            kind: format!("{TYPE_BASE}{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            detail,
            trace_id,
            errors: Vec::new(),
            enrolment_token: None,
            expires_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_written_as_they_are_listed_and_are_unique() {
        let mut seen: Vec<&str> = Vec::new();
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert!(!seen.contains(&code.as_str()), "{}", code.as_str());
            assert!((400..600).contains(&code.status()));
            seen.push(code.as_str());
        }
    }

    #[test]
    fn a_problem_has_the_members_of_rfc_9457() {
        let problem = Problem::new(Code::NotFound, "There is no such session".into(), "00".into());
        let json = serde_json::to_value(&problem).unwrap();
        let expected = serde_json::json!({
            "type": "urn:tfauth:problem:not_found", "title": "Not found", "status": 404, "code": "not_found",
            "detail": "There is no such session", "trace_id": "00"
        });
        assert_eq!(json, expected);
    }
}
