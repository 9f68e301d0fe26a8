//! The one table from errors to HTTP: vague to the caller, exact in the log.
//!
//! [`Refusal`] is the table's row. The JSON dialects write it with [`Refusal::into_json`]; pages put their own body
//! into [`Refusal::dress`], so that status and headers cannot differ between the two.

use crate::clock;
use crate::service::ServiceError;
use auth_api::dialect_003::ErrorBody;
use auth_api::headers::NOT_EXECUTED;
use auth_core::reply::Denial;
use auth_core::time::Timestamp;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};

/// Seconds after which a client may try again while there is no quorum.
const UNAVAILABLE_RETRY_SECONDS: u64 = 1;

/// How an error leaves the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status.
    pub status: StatusCode,
    /// What the caller is told.
    pub detail: String,
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<u64>,
    /// Whether the load balancer may send the request elsewhere, whatever its method.
    pub not_executed: bool,
}

impl Refusal {
    /// A refusal without more to say.
    #[must_use]
    pub fn new(status: StatusCode, detail: &str) -> Self {
        Self {
            status,
            detail: detail.to_owned(),
            retry_after_s: None,
            not_executed: false,
        }
    }

    /// The row of an error.
    #[must_use]
    pub fn of(error: &ServiceError) -> Self {
        match error {
            ServiceError::Denied(denial) => Self::of_denial(*denial),
            ServiceError::Invalid(fields) => {
                let told: Vec<String> = fields.iter().map(|f| format!("{}: {}", f.field, f.message)).collect();
                Self::new(StatusCode::BAD_REQUEST, &told.join("; "))
            }
            ServiceError::Unauthenticated => Self::new(StatusCode::UNAUTHORIZED, "Not authenticated"),
            ServiceError::Overloaded { retry_after_s } => Self {
                retry_after_s: Some((*retry_after_s).max(1)),
                not_executed: true,
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "Overloaded, try again later")
            },
            ServiceError::Unavailable { not_executed } => Self {
                retry_after_s: Some(UNAVAILABLE_RETRY_SECONDS),
                not_executed: *not_executed,
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Temporarily unavailable, try again later",
                )
            },
            ServiceError::Fault(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
        }
    }

    fn of_denial(denial: Denial) -> Self {
        match denial {
            Denial::UsernameTaken {} => Self::new(StatusCode::CONFLICT, "Username is already taken"),
            // One body for all of these: which part was wrong, or that the account is closed, is not told.
            Denial::InvalidCredentials {}
            | Denial::InvalidCode {}
            | Denial::ChallengeGone {}
            | Denial::AccountDisabled {}
            | Denial::FactorDisabled {}
            | Denial::AccountGone {} => Self::new(StatusCode::UNAUTHORIZED, "Invalid credentials"),
            Denial::SessionRevoked {} => Self::new(StatusCode::UNAUTHORIZED, "Not authenticated"),
            Denial::TooManyAttempts { until } => Self::too_many(clock::now(), until),
            Denial::EnrolmentRequired {} => Self::new(StatusCode::FORBIDDEN, "totp_enrolment_required"),
            Denial::AlreadyEnrolled {} => Self::new(StatusCode::FORBIDDEN, "totp_already_enrolled"),
            // The entry waited longer than repeats are remembered: it was refused without effect.
            Denial::TooOld {} => Self {
                retry_after_s: Some(UNAVAILABLE_RETRY_SECONDS),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Temporarily unavailable, try again later",
                )
            },
        }
    }

    fn too_many(now: Timestamp, until: Timestamp) -> Self {
        Self {
            retry_after_s: Some(now.seconds_until(until).max(1)),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many attempts, try again later")
        }
    }

    /// The answer in JSON: `{"detail": ...}`.
    #[must_use]
    pub fn into_json(self) -> Response {
        let body = Json(ErrorBody {
            detail: self.detail.clone(),
        })
        .into_response();
        self.dress(body)
    }

    /// Gives an answer this refusal's status and headers.
    #[must_use]
    pub fn dress(&self, mut response: Response) -> Response {
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.not_executed {
            headers.insert(HeaderName::from_static(NOT_EXECUTED), HeaderValue::from_static("1"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A refused call of a JSON dialect. Faults are logged when they become an answer, and nowhere else.
#[derive(Debug)]
pub struct Refused(Refusal);

impl From<ServiceError> for Refused {
    fn from(error: ServiceError) -> Self {
        log_fault(&error);
        Self(Refusal::of(&error))
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.0.into_json()
    }
}

/// Logs what an operator must know. To be called once for an error, where it becomes an answer.
pub fn log_fault(error: &ServiceError) {
    if let ServiceError::Fault(reason) = error {
        tracing::error!(%reason, "a request met a fault");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::FieldError;

    #[test]
    fn every_wrong_credential_has_the_same_answer() {
        let uniform = Refusal::of(&ServiceError::Denied(Denial::InvalidCredentials {}));
        for denial in [
            Denial::InvalidCode {},
            Denial::ChallengeGone {},
            Denial::AccountDisabled {},
            Denial::FactorDisabled {},
            Denial::AccountGone {},
        ] {
            assert_eq!(Refusal::of(&ServiceError::Denied(denial)), uniform, "{denial:?}");
        }
        assert_eq!(
            (uniform.status, uniform.detail.as_str()),
            (StatusCode::UNAUTHORIZED, "Invalid credentials")
        );
    }

    #[test]
    fn waiting_times_and_not_executed_become_headers() {
        let response = Refusal::of(&ServiceError::Overloaded { retry_after_s: 3 }).into_json();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "3");
        assert_eq!(response.headers()[NOT_EXECUTED], "1");
        let unknown = Refusal::of(&ServiceError::Unavailable { not_executed: false }).into_json();
        assert!(unknown.headers().contains_key(RETRY_AFTER));
        assert!(!unknown.headers().contains_key(NOT_EXECUTED));
        let now = Timestamp::from_seconds(100);
        let blocked = Refusal::too_many(now, now.plus_seconds(30));
        assert_eq!(
            (blocked.status, blocked.retry_after_s),
            (StatusCode::TOO_MANY_REQUESTS, Some(30))
        );
    }

    #[test]
    fn faults_tell_the_caller_nothing_and_fields_are_named() {
        let fault = Refusal::of(&ServiceError::Fault("row 7 of /data/x".into()));
        assert_eq!(fault.detail, "Internal error");
        let fields = vec![FieldError {
            field: "email",
            message: "is not an address".into(),
        }];
        assert_eq!(
            Refusal::of(&ServiceError::Invalid(fields)).detail,
            "email: is not an address"
        );
    }
}
