//! Empties the replicated outbox while this node leads: send, then record that it was sent.
//!
//! A mail may go out twice when the leader dies in between; its Message-ID is the same then. It never goes out less than
//! once, unless the mail server refuses it for good or it grows too old.

use super::message::{Sender, compose};
use super::transport::{SendError, Transport};
use crate::clock;
use crate::limits::{
    MAIL_AGE_SECONDS_MAX, MAIL_BACKOFF_MAX, MAIL_BACKOFF_MIN, MAIL_MARK_MAX, MAIL_READ_MAX, MAIL_ROUND_MAX,
    MAIL_ROUND_PAUSE, MAIL_WAKE_PAUSE,
};
use crate::replication::Replication;
use crate::shutdown::Stop;
use crate::telemetry::metrics::Metrics;
use auth_core::command::{Command, MarkMailSent};
use auth_core::entry::{Client, Entry};
use auth_core::ids::RequestId;
use auth_core::outbox::Mail;
use auth_core::query;
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// Sends mail.
pub struct Worker {
    replication: Replication,
    transport: Transport,
    sender: Sender,
    cluster_id: String,
    metrics: Metrics,
    /// Handed over by this process and perhaps not recorded yet.
    handed_over: HashSet<u64>,
    failures: HashMap<u64, Failure>,
}

/// A mail that could not be sent, so far.
struct Failure {
    count: u32,
    not_before: Instant,
}

impl Worker {
    /// A worker that has not begun.
    #[must_use]
    pub fn new(replication: Replication, transport: Transport, sender: Sender, metrics: Metrics) -> Self {
        let cluster_id = replication.status().cluster_id;
        Self {
            replication,
            transport,
            sender,
            cluster_id,
            metrics,
            handed_over: HashSet::new(),
            failures: HashMap::new(),
        }
    }

    /// Works until `stop`: whenever something was applied, and every second for what could not be sent before.
    pub async fn run(mut self, mut stop: Stop) {
        let mut applied = self.replication.applied();
        loop {
            tokio::select! {
                () = stop.wait() => return,
                () = self.round() => {}
            }
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
                () = stop.wait() => return,
                () = pause => {}
            }
        }
    }

    /// Sends what is due. Ends early when the mail server seems to be away, or when another node leads.
    pub(super) async fn round(&mut self) {
        if !self.replication.is_leader() {
            // What this node handed over, the next leader sees as recorded or sends again.
            self.handed_over.clear();
            self.failures.clear();
            return;
        }
        let waiting = match query::outbox(&self.replication.view(), MAIL_READ_MAX) {
            Ok(waiting) => waiting,
            Err(error) => return tracing::error!(%error, "the outbox cannot be read"),
        };
        self.forget_all_but(&waiting);
        let now = clock::monotonic();
        let is_due = |mail: &&Mail| {
            self.failures
                .get(&mail.key)
                .is_none_or(|failure| failure.not_before <= now)
        };
        let due: Vec<Mail> = waiting.iter().filter(is_due).take(MAIL_ROUND_MAX).cloned().collect();
        for mail in due {
            if !self.replication.is_leader() || !self.deliver(&mail).await {
                return;
            }
        }
    }

    /// Sends one mail and records it. False when the next one need not be tried now.
    async fn deliver(&mut self, mail: &Mail) -> bool {
        if !self.handed_over.contains(&mail.key) {
            match self.hand_over(mail).await {
                Ok(outcome) => {
                    self.metrics.mails.with_label_values(&[outcome]).inc();
                    self.handed_over.insert(mail.key);
                }
                Err(reason) => {
                    self.metrics.mails.with_label_values(&["failed"]).inc();
                    self.postpone(mail.key, &reason);
                    return false;
                }
            }
        }
        self.record(mail.key).await
    }

    /// The outcome's name when the mail needs no further try; what went wrong when it does.
    async fn hand_over(&self, mail: &Mail) -> Result<&'static str, String> {
        let key = mail.key;
        if mail.created_at.seconds_until(clock::now()) > MAIL_AGE_SECONDS_MAX {
            tracing::error!(key, "a mail could not be sent for so long that it is given up");
            return Ok("given_up");
        }
        let message = match compose(&self.sender, &self.cluster_id, mail) {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(key, %error, "a mail is given up");
                return Ok("given_up");
            }
        };
        match self.transport.send(key, message).await {
            Ok(()) => {
                tracing::info!(key, "a mail was handed over");
                Ok("sent")
            }
            Err(SendError::Never(reason)) => {
                tracing::error!(key, reason, "a mail was refused for good");
                Ok("refused")
            }
            Err(SendError::Later(reason)) => Err(reason),
        }
    }

    /// Takes a mail out of the outbox.
    async fn record(&mut self, key: u64) -> bool {
        let entry = Entry {
            request_id: request_id(key),
            at: clock::now(),
            client: Client::default(),
            command: Command::MarkMailSent(MarkMailSent { key }),
        };
        match self
            .replication
            .propose(&entry, clock::monotonic() + MAIL_MARK_MAX)
            .await
        {
            Ok(_) => {
                self.handed_over.remove(&key);
                self.failures.remove(&key);
                true
            }
            Err(error) => {
                tracing::warn!(key, %error, "that a mail was sent could not be recorded yet");
                false
            }
        }
    }

    fn postpone(&mut self, key: u64, reason: &str) {
        let count = self
            .failures
            .get(&key)
            .map_or(0, |failure| failure.count)
            .saturating_add(1);
        let pause = backoff(count);
        self.failures.insert(
            key,
            Failure {
                count,
                not_before: clock::monotonic() + pause,
            },
        );
        tracing::warn!(
            key,
            count,
            retry_ms = pause.as_millis() as u64,
            reason,
            "a mail could not be sent"
        );
    }

    fn forget_all_but(&mut self, waiting: &[Mail]) {
        let keys: HashSet<u64> = waiting.iter().map(|mail| mail.key).collect();
        self.failures.retain(|key, _| keys.contains(key));
        self.handed_over.retain(|key| keys.contains(key));
    }
}

/// The pause after the `count`th failure.
fn backoff(count: u32) -> Duration {
    let factor = 1_u32.checked_shl(count.saturating_sub(1)).unwrap_or(u32::MAX);
    MAIL_BACKOFF_MIN.saturating_mul(factor).min(MAIL_BACKOFF_MAX)
}

/// Every leader records the same mail under the same id.
fn request_id(key: u64) -> RequestId {
    let digest: [u8; 32] = Sha256::new()
        .chain_update("mark_mail_sent")
        .chain_update(key.to_be_bytes())
        .finalize()
        .into();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    RequestId(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound() {
        assert_eq!(backoff(1), MAIL_BACKOFF_MIN);
        assert_eq!(backoff(2), MAIL_BACKOFF_MIN * 2);
        assert_eq!(backoff(30), MAIL_BACKOFF_MAX);
        assert_eq!(backoff(u32::MAX), MAIL_BACKOFF_MAX);
    }

    #[test]
    fn each_mail_is_recorded_under_its_own_id() {
        assert_eq!(request_id(1), request_id(1));
        assert_ne!(request_id(1), request_id(2));
    }
}
