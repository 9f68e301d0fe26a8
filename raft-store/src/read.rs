//! Read indexes: after one, this member's tables show every change acknowledged before the read began.
//!
//! The leader confirms by a round of heartbeats that it still leads; no clock is trusted. All callers that wait share
//! one round. A caller that comes while a round is running must wait for the next one.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use openraft::ReadPolicy;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

use crate::codec::wire::{Kind, Message};
use crate::limits::{BARRIER_WAITERS_MAX, RETRY_PAUSE};
use crate::metrics::Counters;
use crate::peer::{Class, Links};
use crate::{Raft, ReadError};

/// How long one round may take before it is tried again.
const ROUND_MAX: Duration = Duration::from_millis(700);

type Waiter = oneshot::Sender<u64>;

/// Asks for read indexes on behalf of all callers.
pub(crate) struct Barriers {
    waiters: mpsc::Sender<Waiter>,
    last_error: watch::Receiver<String>,
    seen: watch::Receiver<u64>,
}

struct Rounds {
    me: u64,
    raft: Raft,
    links: Arc<Links>,
    leader: watch::Receiver<Option<u64>>,
    closing: watch::Receiver<bool>,
    counters: Arc<Counters>,
    last_error: watch::Sender<String>,
}

impl Barriers {
    pub(crate) fn start(
        me: u64,
        raft: Raft,
        links: Arc<Links>,
        leader: watch::Receiver<Option<u64>>,
        closing: watch::Receiver<bool>,
        seen: watch::Receiver<u64>,
        counters: Arc<Counters>,
    ) -> Self {
        let (waiters, queue) = mpsc::channel(BARRIER_WAITERS_MAX);
        let (last_error, errors) = watch::channel("no leader is known".to_owned());
        let rounds = Rounds {
            me,
            raft,
            links,
            leader,
            closing,
            counters,
            last_error,
        };
        tokio::spawn(rounds.run(queue));
        Self {
            waiters,
            last_error: errors,
            seen,
        }
    }

    /// Waits until this member's tables are current, and tells up to which entry.
    pub(crate) async fn wait(&self, deadline: Instant) -> Result<u64, ReadError> {
        let (waiter, index) = oneshot::channel();
        if let Err(error) = self.waiters.try_send(waiter) {
            let reason = match error {
                TrySendError::Full(_) => "too many reads are waiting",
                TrySendError::Closed(_) => "this node is shutting down",
            };
            return Err(ReadError::Unavailable { reason: reason.into() });
        }
        let mut seen = self.seen.clone();
        let current = async {
            let index = index.await.map_err(|_| "this node is shutting down".to_owned())?;
            seen.wait_for(|seen| *seen > index)
                .await
                .map_err(|_| "this node is shutting down".to_owned())?;
            Ok(index)
        };
        match tokio::time::timeout_at(deadline.into(), current).await {
            Ok(result) => result.map_err(|reason| ReadError::Unavailable { reason }),
            Err(_) => Err(ReadError::Unavailable {
                reason: self.last_error.borrow().clone(),
            }),
        }
    }
}

impl Rounds {
    /// Serves until the store closes or consensus has ended; whoever waits then is told by the end of the queue.
    async fn run(self, queue: mpsc::Receiver<Waiter>) {
        let mut closing = self.closing.clone();
        tokio::select! {
            () = self.serve(queue) => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
    }

    async fn serve(mut self, mut queue: mpsc::Receiver<Waiter>) {
        let mut waiting = Vec::new();
        while queue.recv_many(&mut waiting, BARRIER_WAITERS_MAX).await > 0 {
            loop {
                waiting.retain(|waiter| !waiter.is_closed());
                if waiting.is_empty() {
                    break;
                }
                // Whoever came during a failed try can share the next one.
                while let Ok(waiter) = queue.try_recv() {
                    waiting.push(waiter);
                }
                match self.round().await {
                    Ok(index) => {
                        for waiter in waiting.drain(..) {
                            let _gone = waiter.send(index);
                        }
                    }
                    Err(reason) => {
                        self.last_error.send_replace(reason);
                        // Nobody tells any more who leads: no pause would last, and no leader would be found.
                        if self.leader.has_changed().is_err() {
                            return;
                        }
                        self.pause().await;
                    }
                }
            }
        }
    }

    /// Asks the leader once.
    async fn round(&mut self) -> Result<u64, String> {
        self.counters.read_rounds.fetch_add(1, Relaxed);
        let leader = (*self.leader.borrow_and_update()).ok_or("no leader is known")?;
        if leader == self.me {
            let confirmed = tokio::time::timeout(ROUND_MAX, confirm(&self.raft)).await;
            return confirmed.map_err(|_| "no quorum answered in time")?;
        }
        let link = self.links.get(leader, Class::Control);
        let mut watched = self.leader.clone();
        tokio::select! {
            answer = link.call(Kind::ReadIndex, ().to_bytes(), ROUND_MAX) => {
                let answer = answer.map_err(|error| error.to_string())?;
                u64::from_bytes(answer).map_err(|error| error.to_string())
            }
            _ = watched.wait_for(|known| known.is_some_and(|known| known != leader)) => {
                Err("the leader changed".to_owned())
            }
        }
    }

    async fn pause(&mut self) {
        let changed = self.leader.changed();
        let _either = tokio::time::timeout(RETRY_PAUSE, changed).await.map(|_| ());
    }
}

/// On the leader: a quorum confirms that it still leads, and up to where a read must see.
pub(crate) async fn confirm(raft: &Raft) -> Result<u64, String> {
    #[cfg(feature = "mutations")]
    if mutations::on(mutations::Mutation::LeaseRead) && raft.is_leader() {
        return Ok(0);
    }
    let linearizer = raft.get_read_linearizer(ReadPolicy::ReadIndex).await;
    Ok(linearizer.map_err(|error| error.to_string())?.read_log_id().index())
}
