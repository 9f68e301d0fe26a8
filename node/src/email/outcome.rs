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
    /// It was handed over.
    Done,
    /// It will not be handed over: refused for good, or unknown.
    Refused,
    /// It waits for its next try, or is being handed over.
    Pending,
}

/// What became of the outbox row `key`, as soon as that is known, or else after `within`.
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
            MailState::Sent => return Ok(Handover::Done),
            MailState::Quarantined | MailState::Unknown => return Ok(Handover::Refused),
            MailState::Waiting { .. } => {}
        }
        match tokio::time::timeout_at(deadline.into(), applied.changed()).await {
            Ok(Ok(())) => {}
            // Over, or the store is closing.
            Ok(Err(_)) | Err(_) => return Ok(Handover::Pending),
        }
    }
}
