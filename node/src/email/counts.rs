//! How much mail waits and how much is in quarantine, for the metrics: counted by the leader, to the last one, and 0 on a
//! node that does not lead. Must not be asked more often than rows can be counted.

use crate::limits::{MAIL_COUNT_STEP, MAIL_ROUND_PAUSE};
use crate::replication::Replication;
use crate::telemetry::metrics::Metrics;
use auth_core::error::Fault;
use auth_core::query::{self, Shelf};
use std::time::Instant;

/// Keeps two metrics true.
pub(super) struct Counts {
    next: Option<Instant>,
}

impl Counts {
    pub(super) fn new() -> Self {
        Self { next: None }
    }

    /// Counts, once in each round.
    pub(super) async fn keep(&mut self, replication: &Replication, metrics: &Metrics, now: Instant) {
        if !replication.is_leader() {
            self.next = None;
            metrics.mail_waiting.set(0);
            metrics.mail_quarantined.set(0);
            return;
        }
        if self.next.is_some_and(|next| now < next) {
            return;
        }
        self.next = Some(now + MAIL_ROUND_PAUSE);
        for (shelf, gauge) in [
            (Shelf::Waiting, &metrics.mail_waiting),
            (Shelf::Quarantined, &metrics.mail_quarantined),
        ] {
            match count(replication, shelf).await {
                Ok(counted) => gauge.set(i64::try_from(counted).unwrap_or(i64::MAX)),
                Err(error) => tracing::error!(%error, ?shelf, "mail cannot be counted"),
            }
        }
    }
}

/// All rows, a bounded number at a time: others may work in between.
async fn count(replication: &Replication, shelf: Shelf) -> Result<usize, Fault> {
    let view = replication.view();
    let (mut sum, mut from) = (0_usize, Some(Vec::new()));
    while let Some(place) = from {
        let (counted, next) = query::count_mail(&view, shelf, &place, MAIL_COUNT_STEP)?;
        sum = sum.saturating_add(counted);
        from = next;
        tokio::task::yield_now().await;
    }
    Ok(sum)
}
