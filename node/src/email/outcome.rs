//! What became of a message, for requests whose answer depends on it: they wait for a bounded time and never for a mail
//! server itself.

use crate::clock;
use crate::replication::Replication;
use auth_core::error::Fault;
use auth_core::outbox::MailState;
use auth_core::query;
use std::time::Duration;

/// What is known of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// It was handed over; or that was settled so long ago that nobody knows any more.
    Done,
    /// It will not be handed over: refused for good, or too often.
    Refused,
    /// It is being handed over, or waits for its next try after one that failed.
    Pending,
}

/// What became of the outbox row `key`, as soon as that is known, or else after `within`. A first failure that is not for
/// good settles it as well: the next try is in the background.
///
/// # Errors
/// When the tables cannot be read.
pub async fn handover(replication: &Replication, key: u64, within: Duration) -> Result<Handover, Fault> {
    let deadline = clock::monotonic() + within;
    let mut applied = replication.applied();
    loop {
        // Marked before the look, so that nothing between look and wait is missed.
        applied.borrow_and_update();
        match query::mail_state(&replication.view(), key)? {
            MailState::Sent | MailState::Unknown => return Ok(Handover::Done),
            MailState::Quarantined => return Ok(Handover::Refused),
            MailState::Waiting { attempts } if attempts > 0 => return Ok(Handover::Pending),
            MailState::Waiting { .. } => {}
        }
        match tokio::time::timeout_at(deadline.into(), applied.changed()).await {
            Ok(Ok(())) => {}
            // Over, or the store is closing.
            Ok(Err(_)) | Err(_) => return Ok(Handover::Pending),
        }
    }
}
