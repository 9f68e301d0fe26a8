//! Hands one message over and records what came of it. Must not choose messages: that is the worker's.

use super::channels::Channels;
use super::lanes::Ended;
use super::transport::SendError;
use crate::limits::{
    MAIL_BACKOFF_MAX, MAIL_BACKOFF_MIN, MAIL_BREAKS_MAX, MAIL_MARK_MAX, MAIL_MARK_PAUSE, MAIL_MARK_TRIES,
};
use crate::replication::Replication;
use crate::telemetry::metrics::Metrics;
use crate::{clock, entropy};
use auth_core::command::{Command, MarkMailFailed, MarkMailSent};
use auth_core::entry::{Client, Entry};
use auth_core::ids::RequestId;
use auth_core::outbox::Mail;
use auth_core::reply::Reply;
use std::sync::Arc;
use std::time::Duration;

/// What deliveries share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) replication: Replication,
    pub(super) channels: Arc<Channels>,
    pub(super) cluster_id: Arc<str>,
    pub(super) metrics: Metrics,
}

impl Shared {
    fn count(&self, outcome: &str) {
        self.metrics.mails.with_label_values(&[outcome]).inc();
    }
}

/// Hands one message over and records what came of it. `broke_off` is how often a conversation did at it before.
pub(super) async fn deliver(shared: Shared, mail: Mail, broke_off: u32) -> Ended {
    let key = mail.key;
    let outcome = shared.channels.hand_over(&shared.cluster_id, &mail, clock::now()).await;
    match outcome {
        Ok(()) => {
            shared.count("sent");
            tracing::info!(key, "a message was handed over");
            record(&shared, Command::MarkMailSent(MarkMailSent { key })).await;
            Ended::Gone
        }
        Err(SendError::Server(reason)) => {
            shared.count("nobody_there");
            tracing::warn!(key, reason, "a message waits until somebody takes it");
            Ended::NobodyThere
        }
        Err(SendError::BrokeOff(reason)) => {
            shared.count("broke_off");
            if broke_off.saturating_add(1) < MAIL_BREAKS_MAX {
                tracing::warn!(key, reason, "a conversation broke off at a message; it is tried again");
                return Ended::BrokeOff;
            }
            failed(&shared, &mail, false, reason).await
        }
        Err(SendError::Later(reason)) => failed(&shared, &mail, false, reason).await,
        Err(SendError::Never(reason)) => failed(&shared, &mail, true, reason).await,
    }
}

/// Counts a failure of this message in the replicated state.
async fn failed(shared: &Shared, mail: &Mail, permanent: bool, reason: String) -> Ended {
    let (key, pause) = (mail.key, backoff(mail.attempts));
    let failed = Command::MarkMailFailed(MarkMailFailed {
        key,
        attempt: mail.attempts,
        permanent,
        retry_in_seconds: pause.as_secs(),
        reason: reason.clone(),
    });
    shared.count("failed");
    if let Some(Reply::MailPostponed {
        quarantined: true,
        attempts,
    }) = record(shared, failed).await
    {
        shared.count("quarantined");
        tracing::error!(key, attempts, reason, "a message is in quarantine");
        return Ended::Gone;
    }
    tracing::warn!(key, reason, retry_s = pause.as_secs(), "a message was not taken");
    Ended::Counted
}

/// Puts what became of a message into the log. While that fails the message is not tried again by this process.
async fn record(shared: &Shared, command: Command) -> Option<Reply> {
    for _ in 0..MAIL_MARK_TRIES {
        let entry = Entry {
            request_id: RequestId(entropy::bytes()),
            at: clock::now(),
            client: Client::default(),
            command: command.clone(),
        };
        let deadline = clock::monotonic() + MAIL_MARK_MAX;
        match shared.replication.propose(&entry, deadline).await {
            Ok(reply) => return Some(reply),
            Err(error) => tracing::warn!(%error, "what became of a message could not be recorded yet"),
        }
        tokio::time::sleep(MAIL_MARK_PAUSE).await;
    }
    None
}

/// The pause after a failure that so many others came before.
fn backoff(failures: u32) -> Duration {
    let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
    MAIL_BACKOFF_MIN.saturating_mul(factor).min(MAIL_BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound() {
        assert_eq!(backoff(0), MAIL_BACKOFF_MIN);
        assert_eq!(backoff(1), MAIL_BACKOFF_MIN * 2);
        assert_eq!(backoff(30), MAIL_BACKOFF_MAX);
        assert_eq!(backoff(u32::MAX), MAIL_BACKOFF_MAX);
    }
}
