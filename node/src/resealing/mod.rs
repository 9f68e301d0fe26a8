//! Seals everything anew with the key ring's active key, through the log, while the cluster serves: how a key leaves.
//!
//! The leader walks the sealed values in batches and remembers in the replicated state how far it came, so that the next
//! leader goes on there. Nothing here decides which key is active: that is the key ring file of each node.

mod record;

use crate::limits::{RESEAL_BATCH, RESEAL_IDLE_PAUSE, RESEAL_LOOK_PAUSE, RESEAL_MARK_MAX, RESEAL_PAUSE};
use crate::replication::Replication;
use crate::secrets::{KeyRing, sealed_with};
use crate::shutdown::Stop;
use crate::telemetry::metrics::Metrics;
use crate::{clock, entropy};
use auth_core::command::{Command, Reseal, Resealed};
use auth_core::entry::{Client, Entry};
use auth_core::error::Fault;
use auth_core::ids::RequestId;
use auth_core::keys::{SealedAt, SealedRow};
use auth_core::query;
use auth_core::reply::Reply;
use auth_core::secret::Mac;
use auth_core::tables::TablesRead;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Why a batch could not be sealed anew.
#[derive(Debug, Error)]
pub enum ResealError {
    /// The tables cannot be read.
    #[error("the sealed values cannot be read: {0}")]
    Read(#[from] Fault),
    /// The log gave no answer.
    #[error("{0}")]
    Log(#[from] crate::replication::Unavailable),
    /// The core refused.
    #[error("the core refused a batch: {0}")]
    Refused(&'static str),
}

/// Values by the key that they are sealed with.
///
/// # Errors
/// When the tables cannot be read.
pub fn sealed_by_key(tables: &impl TablesRead) -> Result<BTreeMap<u32, u64>, Fault> {
    let mut found = BTreeMap::new();
    let mut cursor: Option<SealedAt> = None;
    loop {
        let rows = query::sealed_rows(tables, cursor.as_ref(), RESEAL_BATCH)?;
        for id in rows.iter().filter_map(|row| sealed_with(&row.sealed)) {
            *found.entry(id).or_insert(0) += 1;
        }
        match rows.last() {
            Some(last) if rows.len() == RESEAL_BATCH => cursor = Some(last.at.clone()),
            Some(_) | None => return Ok(found),
        }
    }
}

/// Values that this ring cannot open, by key: a key left too early.
///
/// # Errors
/// When the tables cannot be read.
pub fn orphans(tables: &impl TablesRead, ring: &KeyRing) -> Result<BTreeMap<u32, u64>, Fault> {
    let mut found = sealed_by_key(tables)?;
    found.retain(|id, _| !ring.ids().any(|known| known == *id));
    Ok(found)
}

/// The worker.
pub struct Resealer {
    replication: Replication,
    ring: Arc<KeyRing>,
    metrics: Metrics,
    /// When everything was last seen sealed with the active key, by this process.
    clean_since: Option<Instant>,
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing is to be done now, or another node leads.
    Idle,
    /// A batch was looked at; there is more.
    More,
    /// The last batch was looked at.
    Finished,
}

impl Resealer {
    /// A worker that has not begun.
    #[must_use]
    pub fn new(replication: Replication, ring: Arc<KeyRing>, metrics: Metrics) -> Self {
        Self {
            replication,
            ring,
            metrics,
            clean_since: None,
        }
    }

    /// Works until `stop`.
    pub async fn run(mut self, mut stop: Stop) {
        loop {
            let pause = match self.step().await {
                Ok(Step::More) => RESEAL_PAUSE,
                Ok(Step::Idle | Step::Finished) => RESEAL_IDLE_PAUSE,
                Err(error) => {
                    tracing::warn!(%error, "sealed values could not be sealed anew yet");
                    RESEAL_IDLE_PAUSE
                }
            };
            tokio::select! {
                () = stop.wait() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Looks at the next batch, while this node leads. Everything is walked when the active key is another than last
    /// time, and again from time to time: a node whose ring was older may have sealed something meanwhile.
    pub(crate) async fn step(&mut self) -> Result<Step, ResealError> {
        if !self.replication.is_leader() {
            self.clean_since = None;
            return Ok(Step::Idle);
        }
        let view = self.replication.view();
        let active = self.ring.active();
        let progress = query::reseal_progress(&view)?.filter(|progress| progress.key == active);
        let cursor = progress.as_ref().and_then(|progress| progress.cursor.clone());
        let looked = |since: Instant| clock::monotonic().saturating_duration_since(since) < RESEAL_LOOK_PAUSE;
        if progress.is_some() && cursor.is_none() && self.clean_since.is_some_and(looked) {
            return Ok(Step::Idle);
        }
        self.batches(&view, active, cursor).await
    }

    /// Walks on until a batch has something to seal anew, or the end.
    async fn batches(
        &mut self,
        view: &impl TablesRead,
        active: u32,
        mut cursor: Option<SealedAt>,
    ) -> Result<Step, ResealError> {
        loop {
            let rows = query::sealed_rows(view, cursor.as_ref(), RESEAL_BATCH)?;
            let last = rows.len() < RESEAL_BATCH;
            cursor = rows.last().map(|row| row.at.clone()).filter(|_| !last);
            let values: Vec<Resealed> = rows
                .iter()
                .filter(|row| sealed_with(&row.sealed).is_some_and(|id| id != active))
                .filter_map(|row| self.anew(view, row))
                .collect();
            if values.is_empty() && !last {
                // Millions of rows may need nothing: other tasks of this thread go on between batches.
                tokio::task::yield_now().await;
                continue;
            }
            self.propose(active, values, cursor).await?;
            if last {
                self.clean_since = Some(clock::monotonic());
                return Ok(Step::Finished);
            }
            return Ok(Step::More);
        }
    }

    /// The same value under the active key; none for one that does not open, which is told and left as it is.
    fn anew(&self, view: &impl TablesRead, row: &SealedRow) -> Option<Resealed> {
        let (purpose, record) = match record::of(view, &row.at) {
            Ok(Some(found)) => found,
            // Removed since it was listed.
            Ok(None) => return None,
            Err(error) => {
                tracing::error!(%error, table = row.at.table, "a sealed value cannot be found out about");
                return None;
            }
        };
        let resealed = self
            .ring
            .open(purpose, &record, &row.sealed)
            .and_then(|plain| self.ring.seal(purpose, &record, &plain));
        match resealed {
            Ok(new) => Some(Resealed {
                at: row.at.clone(),
                old: Mac(Sha256::digest(&row.sealed.0).into()),
                new,
            }),
            Err(error) => {
                self.metrics.resealed.with_label_values(&["unreadable"]).inc();
                tracing::error!(%error, table = row.at.table, "a sealed value cannot be sealed anew");
                None
            }
        }
    }

    async fn propose(&self, key: u32, values: Vec<Resealed>, cursor: Option<SealedAt>) -> Result<(), ResealError> {
        let finished = cursor.is_none();
        let entry = Entry {
            request_id: RequestId(entropy::bytes()),
            at: clock::now(),
            client: Client::default(),
            command: Command::Reseal(Reseal { key, values, cursor }),
        };
        let deadline = clock::monotonic() + RESEAL_MARK_MAX;
        let reply = self.replication.propose(&entry, deadline).await?;
        let Reply::Resealed { count, skipped } = reply else {
            return Err(ResealError::Refused(reply.outcome()));
        };
        let add = |outcome, number: u32| {
            self.metrics
                .resealed
                .with_label_values(&[outcome])
                .inc_by(number.into())
        };
        add("resealed", count);
        add("skipped", skipped);
        if finished {
            tracing::info!(key, "every value is sealed with the active key");
        }
        Ok(())
    }
}

const _: () = assert!(RESEAL_BATCH <= auth_core::limits::RESEALED_PER_ENTRY_MAX);
const _: () = assert!(RESEAL_PAUSE.as_millis() < Duration::from_secs(1).as_millis());

#[cfg(test)]
mod tests;
