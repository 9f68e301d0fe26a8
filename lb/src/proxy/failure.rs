//! What an error of pingora means: whose fault it is, and what the client is told. Pure.

use http::StatusCode;
use pingora::{Error, ErrorSource, ErrorType};

use super::admit;
use super::answer::Answer;
use super::context::Context;
use super::retry::Cause;
use crate::limits::UNAVAILABLE_RETRY_AFTER_SECONDS;

/// The sentence for a request that no node answered.
pub(super) fn unavailable(context: &Context) -> Answer {
    let detail = if context.is_outcome_open {
        "The outcome of this request is not known yet. Look before you repeat it."
    } else {
        "The service is not available at the moment. Nothing was changed."
    };
    Answer::new(StatusCode::SERVICE_UNAVAILABLE, detail).after(UNAVAILABLE_RETRY_AFTER_SECONDS)
}

/// What the client is told about an error; nothing when it is gone.
pub(super) fn answer_to(context: &Context, error: &Error) -> Option<Answer> {
    match error.esource() {
        ErrorSource::Downstream => {
            let is_gone = matches!(
                error.etype(),
                ErrorType::WriteError
                    | ErrorType::ReadError
                    | ErrorType::ConnectionClosed
                    | ErrorType::WriteTimedout
                    | ErrorType::H2Error
            );
            // What a client sends on top does not undo what a node was told to do.
            let answer = if context.is_outcome_open {
                unavailable(context)
            } else {
                admit::bad("The request is malformed.")
            };
            (!is_gone).then_some(answer)
        }
        ErrorSource::Upstream | ErrorSource::Internal | ErrorSource::Unset => Some(unavailable(context)),
    }
}

/// Whose fault an error after the connection was made is.
pub(super) fn cause_of(error: &Error) -> Cause {
    match error.esource() {
        ErrorSource::Downstream => Cause::Client,
        ErrorSource::Upstream if matches!(error.etype(), ErrorType::ReadTimedout | ErrorType::WriteTimedout) => {
            Cause::Silent
        }
        ErrorSource::Upstream => Cause::Broken,
        // The pipe between both halves of a request breaks when the node's half ends first.
        ErrorSource::Internal | ErrorSource::Unset if *error.etype() == ErrorType::InternalError => Cause::Broken,
        ErrorSource::Internal | ErrorSource::Unset => Cause::Internal,
    }
}
