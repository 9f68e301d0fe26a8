//! What a verb can answer besides its result. Which of it a caller gets to see is decided in `http/respond.rs` alone.

use crate::hashing::HashError;
use crate::replication::Unavailable;
use crate::signing::SigningError;
use auth_core::error::{Fault, TableFault};
use auth_core::reply::{Denial, Reply};
use thiserror::Error;

/// One field of a request that cannot be taken as it is. Never holds the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Name of the field.
    pub field: &'static str,
    /// What is expected of it.
    pub message: String,
}

/// Why a verb has no result.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// The core refused: an expected answer.
    #[error("denied: {}", .0.code())]
    Denied(Denial),
    /// The input is not usable.
    #[error("invalid input in {} fields", .0.len())]
    Invalid(Vec<FieldError>),
    /// No token, or not one that counts.
    #[error("unauthenticated")]
    Unauthenticated,
    /// The owner must prove himself again first (SE-5).
    #[error("step-up required")]
    StepUpRequired,
    /// Not for this caller.
    #[error("forbidden")]
    Forbidden,
    /// What the caller names does not exist, or is not his.
    #[error("not found")]
    NotFound,
    /// What an earlier try of this request made was confirmed or replaced since.
    #[error("replaced meanwhile")]
    Replaced,
    /// Nothing was done, because there is too much to do.
    #[error("overloaded, retry in {retry_after_s} s")]
    Overloaded {
        /// When it may go better, in seconds.
        retry_after_s: u64,
    },
    /// No quorum within the deadline, or the node is not ready.
    #[error("unavailable, {}", if *.not_executed { "nothing was done" } else { "outcome unknown" })]
    Unavailable {
        /// Whether it is certain that the request had no effect.
        not_executed: bool,
    },
    /// Something that must not happen did. The text is for the log only.
    #[error("fault: {0}")]
    Fault(String),
}

/// The refusal in a reply; any other reply is not one that the verb can get.
pub(super) fn refusal(verb: &str, reply: &Reply) -> ServiceError {
    if let Reply::Denied(denial) = reply {
        return ServiceError::Denied(*denial);
    }
    ServiceError::Fault(format!("{verb} was answered with {}", reply.outcome()))
}

impl From<Unavailable> for ServiceError {
    fn from(error: Unavailable) -> Self {
        tracing::warn!(reason = %error.reason, not_executed = error.not_executed, "replication cannot answer");
        if error.overloaded && error.not_executed {
            return Self::Overloaded { retry_after_s: 1 };
        }
        Self::Unavailable {
            not_executed: error.not_executed,
        }
    }
}

impl From<Fault> for ServiceError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault.to_string())
    }
}

impl From<TableFault> for ServiceError {
    fn from(fault: TableFault) -> Self {
        Self::Fault(fault.to_string())
    }
}

impl From<HashError> for ServiceError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Overloaded { retry_after_s } => Self::Overloaded { retry_after_s },
            HashError::Stopped => Self::Unavailable { not_executed: true },
            HashError::BadRecord(reason) => Self::Fault(format!("password record: {reason}")),
        }
    }
}

impl From<SigningError> for ServiceError {
    fn from(error: SigningError) -> Self {
        match error {
            // Whether anything was proposed before is known to the verb, not here: claim nothing.
            SigningError::NoKey | SigningError::Deadline => Self::Unavailable { not_executed: false },
            SigningError::Failed(reason) => Self::Fault(format!("signing: {reason}")),
        }
    }
}
