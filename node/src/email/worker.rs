//! Empties the replicated outbox while this node leads: hand over, then record what came of it.
//!
//! Tries and pauses of a message are in the replicated state, so that a new leader goes on where the old one was. A
//! message may go out twice when the leader dies between handing it over and recording that; its Message-ID is the same
//! then. It never goes out less than once, unless it is refused for good, too often, or grows too old: then it is in
//! quarantine, where an operator finds it.

use super::channels::Channels;
use super::transport::SendError;
use crate::limits::{
    MAIL_BACKOFF_MAX, MAIL_BACKOFF_MIN, MAIL_MARK_MAX, MAIL_MARK_PAUSE, MAIL_MARK_TRIES, MAIL_PARALLEL_MAX,
    MAIL_READ_MAX, MAIL_ROUND_PAUSE, MAIL_STOP_MAX, MAIL_WAKE_PAUSE,
};
use crate::replication::Replication;
use crate::shutdown::Stop;
use crate::telemetry::metrics::Metrics;
use crate::{clock, entropy};
use auth_core::command::{Command, MarkMailFailed, MarkMailSent};
use auth_core::entry::{Client, Entry};
use auth_core::ids::RequestId;
use auth_core::outbox::Mail;
use auth_core::query;
use auth_core::reply::Reply;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Hands messages over.
pub struct Worker {
    shared: Shared,
    /// Keys that are being handed over by this process, or recorded.
    busy: HashSet<u64>,
    deliveries: JoinSet<u64>,
}

/// What deliveries share.
#[derive(Clone)]
struct Shared {
    replication: Replication,
    channels: Arc<Channels>,
    cluster_id: Arc<str>,
    metrics: Metrics,
}

impl Worker {
    /// A worker that has not begun.
    #[must_use]
    pub fn new(replication: Replication, channels: Channels, metrics: Metrics) -> Self {
        let cluster_id = replication.status().cluster_id.into();
        let shared = Shared {
            replication,
            channels: Arc::new(channels),
            cluster_id,
            metrics,
        };
        Self {
            shared,
            busy: HashSet::new(),
            deliveries: JoinSet::new(),
        }
    }

    /// Works until `stop`: whenever something was applied, and every second for what could not be sent before.
    pub async fn run(mut self, mut stop: Stop) {
        let mut applied = self.shared.replication.applied();
        loop {
            self.begin_due();
            // Under load something is applied all the time: the outbox is not read for each of it.
            let pause = async {
                tokio::time::sleep(MAIL_WAKE_PAUSE).await;
                let changed = async {
                    if applied.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                };
                // Nothing changed for a while is no error: it is time to look again.
                let _ = tokio::time::timeout(MAIL_ROUND_PAUSE, changed).await;
            };
            tokio::select! {
                () = stop.wait() => break,
                Some(ended) = self.deliveries.join_next() => self.end(ended),
                () = pause => {}
            }
        }
        // What is on its way to a server is recorded if that takes no longer than a node may take to stop.
        let ends = async { while self.deliveries.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(MAIL_STOP_MAX, ends).await;
    }

    /// Begins to hand over what is due, while this node leads and not too much is on its way.
    fn begin_due(&mut self) {
        let replication = &self.shared.replication;
        if !replication.is_leader() {
            return;
        }
        let view = replication.view();
        match query::outbox(&view, MAIL_READ_MAX) {
            Ok(waiting) => self.shared.metrics.mail_waiting.set(waiting.len() as i64),
            Err(error) => tracing::error!(%error, "the outbox cannot be read"),
        }
        match query::quarantine(&view, MAIL_READ_MAX) {
            Ok(kept) => self.shared.metrics.mail_quarantined.set(kept.len() as i64),
            Err(error) => tracing::error!(%error, "the quarantine cannot be read"),
        }
        // What this process is at, or cannot record, is among what is due: so many more are read.
        let due = query::log_clock(&view)
            .and_then(|log| query::due_mail(&view, clock::now().max(log), MAIL_READ_MAX + self.busy.len()));
        let due = match due {
            Ok(due) => due,
            Err(error) => return tracing::error!(%error, "the outbox cannot be read"),
        };
        for mail in due {
            if self.deliveries.len() >= MAIL_PARALLEL_MAX {
                return;
            }
            if self.busy.insert(mail.key) {
                self.deliveries.spawn(deliver(self.shared.clone(), mail));
            }
        }
    }

    fn end(&mut self, ended: Result<u64, tokio::task::JoinError>) {
        match ended {
            Ok(key) => {
                self.busy.remove(&key);
            }
            // Told by the panic hook. The message stays busy: trying it again would do the same.
            Err(error) => tracing::error!(%error, "handing a message over failed"),
        }
    }
}

/// Hands one message over and records what came of it; gives its key back.
async fn deliver(shared: Shared, mail: Mail) -> u64 {
    let key = mail.key;
    let began = clock::now();
    let outcome = shared.channels.hand_over(&shared.cluster_id, &mail, began).await;
    let count = |outcome| shared.metrics.mails.with_label_values(&[outcome]).inc();
    let (permanent, reason) = match outcome {
        Ok(()) => {
            count("sent");
            tracing::info!(key, "a message was handed over");
            record(&shared, Command::MarkMailSent(MarkMailSent { key })).await;
            return key;
        }
        Err(SendError::Server(reason)) => {
            count("nobody_there");
            tracing::warn!(key, reason, "a message waits until somebody takes it");
            tokio::time::sleep(MAIL_ROUND_PAUSE).await;
            return key;
        }
        Err(SendError::Later(reason)) => (false, reason),
        Err(SendError::Never(reason)) => (true, reason),
    };
    let pause = backoff(mail.attempts);
    let failed = Command::MarkMailFailed(MarkMailFailed {
        key,
        attempt: mail.attempts,
        permanent,
        retry_in_seconds: pause.as_secs(),
        reason: reason.clone(),
    });
    count("failed");
    match record(&shared, failed).await {
        Some(Reply::MailPostponed {
            quarantined: true,
            attempts,
        }) => {
            count("quarantined");
            tracing::error!(key, attempts, reason, "a message is in quarantine");
        }
        Some(_) | None => tracing::warn!(key, reason, retry_s = pause.as_secs(), "a message was not taken"),
    }
    key
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
