//! The one table from errors to HTTP: vague to the caller, exact in the log. How a refusal is worded on each surface is
//! [`super::respond`]'s matter.

use crate::clock;
use crate::service::ServiceError;
use auth_api::problem::{Code, FieldProblem};
use auth_core::reply::Denial;
use auth_core::time::Timestamp;
use http::StatusCode;

/// Seconds after which a client may try again while there is no quorum.
const UNAVAILABLE_RETRY_SECONDS: u64 = 1;

/// How an error leaves the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What went wrong, for programs.
    pub code: Code,
    /// What the caller is told.
    pub detail: String,
    /// Wrong fields.
    pub errors: Vec<FieldProblem>,
    /// A token that comes with `enrolment_required`, and its end.
    pub enrolment: Option<(String, Timestamp)>,
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<u64>,
    /// Whether the load balancer may send the request elsewhere, whatever its method.
    pub not_executed: bool,
}

impl Refusal {
    /// A refusal without more to say.
    #[must_use]
    pub fn new(code: Code, detail: &str) -> Self {
        Self {
            code,
            detail: detail.to_owned(),
            errors: Vec::new(),
            enrolment: None,
            retry_after_s: None,
            not_executed: false,
        }
    }

    /// Fields that cannot be taken as they are.
    #[must_use]
    pub fn of_fields(errors: Vec<FieldProblem>) -> Self {
        let told: Vec<String> = errors
            .iter()
            .map(|wrong| {
                if wrong.field.is_empty() {
                    wrong.message.clone()
                } else {
                    format!("{}: {}", wrong.field, wrong.message)
                }
            })
            .collect();
        Self {
            errors,
            ..Self::new(Code::InvalidRequest, &told.join("; "))
        }
    }

    /// The row of an error.
    #[must_use]
    pub fn of(error: &ServiceError) -> Self {
        match error {
            ServiceError::Denied(denial) => Self::of_denial(*denial),
            ServiceError::Invalid(fields) => Self::of_fields(
                fields
                    .iter()
                    .map(|wrong| FieldProblem {
                        field: wrong.field.to_owned(),
                        message: wrong.message.clone(),
                    })
                    .collect(),
            ),
            ServiceError::Unauthenticated => Self::new(Code::Unauthenticated, "Not authenticated"),
            ServiceError::StepUpRequired => Self::new(Code::StepUpRequired, "Prove who you are again first"),
            ServiceError::Forbidden => Self::new(Code::Forbidden, "Not allowed"),
            ServiceError::NotFound => Self::new(Code::NotFound, "Not found"),
            ServiceError::Replaced => Self::new(Code::Conflict, "It was confirmed or replaced meanwhile: begin again"),
            ServiceError::Overloaded { retry_after_s } => Self {
                retry_after_s: Some((*retry_after_s).max(1)),
                not_executed: true,
                ..Self::new(Code::Overloaded, "Overloaded, try again later")
            },
            ServiceError::Unavailable { not_executed } => Self {
                not_executed: *not_executed,
                ..Self::unavailable()
            },
            ServiceError::Fault(_) => Self::new(Code::Internal, "Internal error"),
        }
    }

    fn of_denial(denial: Denial) -> Self {
        match denial {
            Denial::UsernameTaken {} => Self::new(Code::Conflict, "Username is already taken"),
            Denial::InvalidCredentials {} | Denial::AccountGone {} => {
                Self::new(Code::InvalidCredentials, "Invalid credentials")
            }
            // A challenge that is gone looks like a wrong code: whether there ever was one is not told.
            Denial::InvalidCode {} | Denial::ChallengeGone {} | Denial::FactorDisabled {} => {
                Self::new(Code::InvalidCode, "Invalid or expired code")
            }
            Denial::AccountDisabled {} => Self::new(Code::AccountDisabled, "The account is disabled"),
            Denial::SessionRevoked {} => Self::new(Code::SessionRevoked, "Not authenticated"),
            Denial::TooManyAttempts { until } => Self::too_many(clock::now(), until),
            Denial::EnrolmentRequired {} => Self::new(Code::EnrolmentRequired, "totp_enrolment_required"),
            Denial::AlreadyEnrolled {} => Self::new(Code::Forbidden, "totp_already_enrolled"),
            Denial::NotApproved {} => Self::new(Code::AccountNotApproved, "The account waits for approval"),
            Denial::AddressUnconfirmed {} => Self::new(Code::AccountNotApproved, "The address must be confirmed first"),
            Denial::StepUpRequired {} => Self::new(Code::StepUpRequired, "Prove who you are again first"),
            Denial::RegistrationClosed {} => Self::new(Code::Forbidden, "Registration is closed"),
            Denial::Forbidden {} => Self::new(Code::Forbidden, "Not allowed"),
            Denial::AdminExists {} => Self::new(Code::Conflict, "There is an administrator already"),
            Denial::LastAdmin {} => Self::new(Code::Conflict, "There would be no administrator any more"),
            Denial::AdminNeedsFactor {} => Self::new(
                Code::Conflict,
                "An administrator must have an authenticator app: add one first, or take the role away first",
            ),
            Denial::NotFound {} => Self::new(Code::NotFound, "Not found"),
            // Whether the challenge takes another method is told by the challenge, not by guessing.
            Denial::MethodNotOffered {} | Denial::TokenGone {} => {
                Self::new(Code::InvalidCode, "Invalid or expired code")
            }
            Denial::SecondFactorRequired { .. } => {
                Self::new(Code::InvalidCode, "A code of the second factor is needed")
            }
            Denial::IdempotencyKeyReused {} => Self::new(
                Code::IdempotencyKeyReused,
                "Idempotency-Key was used for another request",
            ),
            Denial::TooManyMails { until } => Self::too_many(clock::now(), until),
            Denial::TooManyFactors {} => Self::new(Code::Conflict, "The account has as many factors as it may have"),
            Denial::VersionConflict { .. } => Self::new(Code::VersionMismatch, "The policy was changed meanwhile"),
            Denial::KeyPending {} => Self::new(Code::Conflict, "A signing key waits to become active already"),
            Denial::InvalidPolicy {} => Self::new(Code::InvalidRequest, "The policy contradicts itself"),
            // A bound that this node should have kept.
            Denial::InvalidCommand {} => Self::new(Code::Internal, "Internal error"),
            // The entry waited longer than repeats are remembered: it was refused without effect.
            Denial::TooOld {} => Self::unavailable(),
        }
    }

    /// There is no quorum at the moment.
    #[must_use]
    pub fn unavailable() -> Self {
        Self {
            retry_after_s: Some(UNAVAILABLE_RETRY_SECONDS),
            ..Self::new(Code::Unavailable, "Temporarily unavailable, try again later")
        }
    }

    /// The same, to be tried again in a minute.
    #[must_use]
    pub fn waiting_a_minute(self) -> Self {
        Self {
            retry_after_s: Some(60),
            ..self
        }
    }

    fn too_many(now: Timestamp, until: Timestamp) -> Self {
        Self {
            retry_after_s: Some(now.seconds_until(until).max(1)),
            ..Self::new(Code::TooManyAttempts, "Too many attempts, try again later")
        }
    }

    /// The same for surfaces on which every wrong credential has one answer, whatever part was wrong.
    #[must_use]
    pub fn uniform(mut self) -> Self {
        if matches!(self.code, Code::InvalidCode | Code::AccountDisabled) {
            self.code = Code::InvalidCredentials;
            "Invalid credentials".clone_into(&mut self.detail);
        }
        self
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::FieldError;

    #[test]
    fn every_wrong_credential_has_the_same_answer_where_it_must() {
        let uniform = Refusal::of(&ServiceError::Denied(Denial::InvalidCredentials {})).uniform();
        for denial in [
            Denial::InvalidCode {},
            Denial::ChallengeGone {},
            Denial::AccountDisabled {},
            Denial::FactorDisabled {},
            Denial::AccountGone {},
        ] {
            let refusal = Refusal::of(&ServiceError::Denied(denial));
            assert_eq!(refusal.uniform(), uniform, "{denial:?}");
        }
        assert_eq!(
            (uniform.status(), uniform.detail.as_str()),
            (StatusCode::UNAUTHORIZED, "Invalid credentials")
        );
    }

    #[test]
    fn a_challenge_that_is_gone_looks_like_a_wrong_code() {
        let wrong = Refusal::of(&ServiceError::Denied(Denial::InvalidCode {}));
        assert_eq!(Refusal::of(&ServiceError::Denied(Denial::ChallengeGone {})), wrong);
        assert_eq!(wrong.code, Code::InvalidCode);
    }

    #[test]
    fn a_block_tells_how_long_to_wait() {
        let now = Timestamp::from_seconds(100);
        let blocked = Refusal::too_many(now, now.plus_seconds(30));
        assert_eq!(
            (blocked.status(), blocked.retry_after_s),
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
        let refusal = Refusal::of(&ServiceError::Invalid(fields));
        assert_eq!(refusal.detail, "email: is not an address");
        assert_eq!(refusal.errors[0].field, "email");
    }
}
