//! Which errors a call can answer with: its own, and those that any call of its kind has.

use super::{Access, Method, Operation};
use crate::problem::Code;

impl Operation {
    /// Requests may be malformed, too large or too many, and the service may fail, be overloaded or without a quorum.
    pub const CODES_OF_EVERY_CALL: [Code; 6] = [
        Code::InvalidRequest,
        Code::BodyTooLarge,
        Code::TooManyAttempts,
        Code::Internal,
        Code::Overloaded,
        Code::Unavailable,
    ];

    /// Every error that it can answer with, in the order of [`Code::ALL`]: its own, and those that any call of its kind has.
    #[must_use]
    pub fn codes(&self) -> Vec<Code> {
        let mut all = Self::CODES_OF_EVERY_CALL.to_vec();
        all.extend_from_slice(self.refusals);
        if self.body.is_some() {
            all.push(Code::UnsupportedMediaType);
        }
        if self.method == Method::Post {
            all.push(Code::IdempotencyKeyReused);
        }
        if self.method != Method::Get {
            // Cookies from another site's page.
            all.push(Code::Forbidden);
        }
        match self.access {
            Access::Open => {}
            Access::Session => all.extend([Code::Unauthenticated, Code::SessionRevoked]),
            Access::StepUp | Access::Enrolment => {
                all.extend([Code::Unauthenticated, Code::SessionRevoked, Code::StepUpRequired]);
            }
            Access::Admin => all.extend([Code::Unauthenticated, Code::SessionRevoked, Code::Forbidden]),
            Access::AdminStepUp => all.extend([
                Code::Unauthenticated,
                Code::SessionRevoked,
                Code::Forbidden,
                Code::StepUpRequired,
            ]),
        }
        if self.if_match {
            all.extend([Code::VersionMismatch, Code::VersionRequired]);
        }
        if self.parameters().next().is_some() {
            all.push(Code::NotFound);
        }
        // The load balancer refuses what callers make too long.
        if self.parameters().next().is_some() || !self.query.is_empty() {
            all.push(Code::UriTooLong);
        }
        Code::ALL.iter().copied().filter(|code| all.contains(code)).collect()
    }

    /// Every status of an error that it can answer with, in order.
    #[must_use]
    pub fn errors(&self) -> Vec<u16> {
        let mut all: Vec<u16> = self.codes().into_iter().map(Code::status).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether an answer with this status is documented.
    #[must_use]
    pub fn has_status(&self, status: u16) -> bool {
        self.answers.iter().any(|answer| answer.status == status) || self.errors().contains(&status)
    }
}
