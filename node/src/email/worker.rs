//! Empties the replicated outbox while this node leads: hand over, then record what came of it.
//!
//! Tries and pauses of a message are in the replicated state, so that a new leader goes on where the old one was. A
//! message may go out twice when the leader dies between handing it over and recording that; its Message-ID is the same
//! then. It never goes out less than once, unless it is refused for good, too often, or grows too old: then it is in
//! quarantine, where an operator finds it.

use super::channels::{Channels, is_void};
use super::counts::Counts;
use super::delivery::{Shared, deliver};
use super::lanes::{Candidate, Ended, Lane};
use crate::clock;
use crate::limits::{MAIL_ROUND_PAUSE, MAIL_STOP_MAX, MAIL_WAKE_PAUSE};
use crate::replication::Replication;
use crate::shutdown::Stop;
use crate::telemetry::metrics::Metrics;
use auth_core::error::Fault;
use auth_core::outbox::{Channel, Mail};
use auth_core::query;
use auth_core::time::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::{Id, JoinError, JoinSet};

/// Hands messages over.
pub struct Worker {
    shared: Shared,
    counts: Counts,
    mail: Lane,
    gateway: Lane,
    deliveries: JoinSet<Ended>,
    /// Which message each delivery has.
    keys: HashMap<Id, (Channel, u64)>,
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
            counts: Counts::new(),
            mail: Lane::default(),
            gateway: Lane::default(),
            deliveries: JoinSet::new(),
            keys: HashMap::new(),
        }
    }

    /// Works until `stop`: whenever something was applied, and every second for what could not be sent before.
    pub async fn run(mut self, mut stop: Stop) {
        let mut applied = self.shared.replication.applied();
        loop {
            self.begin_due();
            let counted = self
                .counts
                .keep(&self.shared.replication, &self.shared.metrics, clock::monotonic());
            counted.await;
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
                Some(ended) = self.deliveries.join_next_with_id() => self.end(ended),
                () = pause => {}
            }
            // What ended at the same time makes room for one look.
            while let Some(ended) = self.deliveries.try_join_next_with_id() {
                self.end(ended);
            }
        }
        // What is on its way to a server is recorded if that takes no longer than a node may take to stop.
        let ends = async { while self.deliveries.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(MAIL_STOP_MAX, ends).await;
    }

    /// Begins to hand over what is due, by each way on its own, while this node leads.
    fn begin_due(&mut self) {
        if !self.shared.replication.is_leader() {
            self.mail.forget();
            self.gateway.forget();
            return;
        }
        for channel in [Channel::Mail, Channel::Gateway] {
            if let Err(error) = self.begin(channel) {
                tracing::error!(%error, ?channel, "the outbox cannot be read");
            }
        }
    }

    fn begin(&mut self, channel: Channel) -> Result<(), Fault> {
        let lane = self.lane(channel);
        if lane.is_full() {
            return Ok(());
        }
        let rows = lane.rows();
        let view = self.shared.replication.view();
        let now = clock::now();
        let due = query::due_mail(&view, channel, now.max(query::log_clock(&view)?), rows)?;
        for mail in due {
            self.begin_one(mail, now);
        }
        Ok(())
    }

    fn begin_one(&mut self, mail: Mail, now: Timestamp) {
        let (moment, is_void) = (clock::monotonic(), is_void(&mail, now).is_some());
        let rests = self.shared.channels.rests(mail.channel, moment);
        let (channel, key) = (mail.channel, mail.key);
        let candidate = Candidate {
            key,
            attempts: mail.attempts,
            is_void,
        };
        let lane = self.lane(channel);
        if (rests && !is_void) || !lane.begin(candidate, moment) {
            return;
        }
        let broke_off = lane.broke_off(key);
        let delivery = self.deliveries.spawn(deliver(self.shared.clone(), mail, broke_off));
        self.keys.insert(delivery.id(), (channel, key));
    }

    fn end(&mut self, ended: Result<(Id, Ended), JoinError>) {
        let (id, ended) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                // Told by the panic hook.
                tracing::error!(%error, "handing a message over failed");
                (error.id(), Ended::Fault)
            }
        };
        let Some((channel, key)) = self.keys.remove(&id) else {
            return;
        };
        let now = clock::monotonic();
        let lane = self.lane(channel);
        match ended {
            Ended::Gone | Ended::Counted | Ended::BrokeOff => lane.somebody_there(now),
            Ended::NobodyThere | Ended::Fault => {}
        }
        lane.end(key, ended, now);
    }

    fn lane(&mut self, channel: Channel) -> &mut Lane {
        match channel {
            Channel::Mail => &mut self.mail,
            Channel::Gateway => &mut self.gateway,
        }
    }
}
