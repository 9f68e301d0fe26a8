//! Proposals: batched into consensus on the leader, given to the leader elsewhere, held while there is none.
//!
//! The distinction that matters to callers is whether a command can have reached a log. It is decided here, and in
//! doubt the answer is "unknown".

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use openraft::errors::ClientWriteError;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::agreement::time::{Clock, Judgement};
use crate::codec::own::{Propose, Proposed};
use crate::codec::wire::{Kind, Message};
use crate::limits::{COMMAND_BYTES_MAX, PROPOSAL_BATCH_MAX, RETRY_PAUSE};
use crate::metrics::Counters;
use crate::peer::{CallError, Class, Links};
use crate::state::Pace;
use crate::types::{Command, Proposal};
use crate::{Applied, NotExecuted, ProposeError, Raft};

/// How long one try at a remote leader may take before it is given up for another.
const REMOTE_TRY_MAX: Duration = Duration::from_secs(2);

/// What became of a command given to this member's own consensus.
pub(crate) enum LocalOutcome {
    Applied {
        index: u64,
        reply: Bytes,
    },
    /// In no log.
    NotLeader,
    /// In no log.
    Busy,
    /// Maybe in a log.
    Unknown {
        reason: String,
    },
}

struct Job {
    proposal: Proposal,
    done: oneshot::Sender<LocalOutcome>,
}

/// The queue of this member's own consensus.
#[derive(Clone)]
pub(crate) struct LocalQueue {
    jobs: mpsc::Sender<Job>,
    room: Room,
}

/// The memory that entries of the log take, and the most that they may; and what holds commands back while memory has to
/// last until a snapshot has arrived.
#[derive(Clone)]
pub(crate) struct Room {
    pub(crate) bytes: Arc<AtomicU64>,
    pub(crate) bytes_max: u64,
    pub(crate) pace: Arc<Pace>,
}

impl Room {
    fn has_none_for(&self, command: &Command) -> bool {
        self.bytes.load(Relaxed) >= self.bytes_max || self.pace.holds_back(command.0.len())
    }
}

impl LocalQueue {
    /// Starts the task that drains the queue into consensus.
    pub(crate) fn start(raft: Raft, capacity: usize, room: Room) -> Self {
        let (jobs, mut queue) = mpsc::channel::<Job>(capacity);
        tokio::spawn(async move {
            let mut batch = Vec::with_capacity(PROPOSAL_BATCH_MAX);
            while queue.recv_many(&mut batch, PROPOSAL_BATCH_MAX).await > 0 {
                // Nobody waits any more: not worth a place in the log.
                batch.retain(|job| !job.done.is_closed());
                if !batch.is_empty() {
                    write_batch(&raft, std::mem::take(&mut batch)).await;
                }
            }
        });
        Self { jobs, room }
    }

    pub(crate) async fn submit(&self, proposal: Proposal) -> LocalOutcome {
        // Commands of the store itself are small, and mend what is wrong.
        if let Proposal::User(command) = &proposal
            && self.room.has_none_for(command)
        {
            return LocalOutcome::Busy;
        }
        let (done, outcome) = oneshot::channel();
        if self.jobs.try_send(Job { proposal, done }).is_err() {
            return LocalOutcome::Busy;
        }
        outcome.await.unwrap_or_else(|_| LocalOutcome::Unknown {
            reason: "consensus has stopped".into(),
        })
    }
}

async fn write_batch(raft: &Raft, batch: Vec<Job>) {
    let proposals: Vec<Proposal> = batch.iter().map(|job| job.proposal.clone()).collect();
    let written = raft.client_write_many(proposals).await;
    let mut results = match written {
        Ok(results) => results,
        Err(fatal) => {
            for job in batch {
                let _gone = job.done.send(LocalOutcome::Unknown {
                    reason: fatal.to_string(),
                });
            }
            return;
        }
    };
    tokio::spawn(async move {
        for job in batch {
            let outcome = match results.next().await {
                Some(Ok(Ok(written))) => LocalOutcome::Applied {
                    index: written.log_id.index,
                    reply: written.response.0,
                },
                Some(Ok(Err(ClientWriteError::ForwardToLeader(_)))) => LocalOutcome::NotLeader,
                Some(Ok(Err(error))) => LocalOutcome::Unknown {
                    reason: error.to_string(),
                },
                Some(Err(fatal)) => LocalOutcome::Unknown {
                    reason: fatal.to_string(),
                },
                None => LocalOutcome::Unknown {
                    reason: "consensus has stopped".into(),
                },
            };
            let _gone = job.done.send(outcome);
        }
    });
}

/// Carries proposals of this node through, wherever the leader is.
pub(crate) struct Proposer {
    pub(crate) me: u64,
    pub(crate) local: LocalQueue,
    pub(crate) links: Arc<Links>,
    /// The leader, as far as there is reason to believe in one.
    pub(crate) leader: watch::Receiver<Option<u64>>,
    pub(crate) seen: watch::Receiver<u64>,
    pub(crate) closing: watch::Receiver<bool>,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) permits_max: usize,
    pub(crate) counters: Arc<Counters>,
    pub(crate) judgement: Arc<Judgement>,
}

/// What one try came to.
enum Try {
    Applied(Applied),
    /// In no log.
    Not(NotExecuted),
    /// In no log, and it must not get there later.
    Never(NotExecuted),
    /// Maybe in a log.
    Maybe(String),
}

impl Proposer {
    pub(crate) fn in_flight(&self) -> u64 {
        self.permits_max.saturating_sub(self.permits.available_permits()) as u64
    }

    /// Returns when no proposal is in progress.
    pub(crate) async fn drained(&self) {
        let all = u32::try_from(self.permits_max).unwrap_or(u32::MAX);
        let _returned = self.permits.acquire_many(all).await;
    }

    pub(crate) async fn propose(&self, command: Bytes, deadline: Instant) -> Result<Applied, ProposeError> {
        if command.len() > COMMAND_BYTES_MAX {
            return Err(ProposeError::NotExecuted {
                reason: NotExecuted::TooLarge,
            });
        }
        if *self.closing.borrow() {
            return Err(ProposeError::NotExecuted {
                reason: NotExecuted::ShuttingDown,
            });
        }
        let Ok(_permit) = self.permits.try_acquire() else {
            return Err(ProposeError::NotExecuted {
                reason: NotExecuted::QueueFull,
            });
        };
        let mut watched = self.leader.clone();
        let mut not_executed = NotExecuted::NoLeader;
        let mut maybe: Option<String> = None;
        let mut tries = 0_u32;
        // The command carries the time of this machine as it was before this call. What was stamped by a clock that was off stays
        // wrong when the clock is right again, and would carry the time of the whole cluster away.
        while Instant::now() < deadline {
            if matches!(self.judgement.look(), Clock::Off(_)) {
                not_executed = NotExecuted::Clock;
                break;
            }
            if *self.closing.borrow() {
                not_executed = NotExecuted::ShuttingDown;
                break;
            }
            // Nobody tells any more who leads, and no wait below would last: a try would follow a try without a pause.
            if watched.has_changed().is_err() {
                not_executed = NotExecuted::ShuttingDown;
                break;
            }
            let leader = *watched.borrow_and_update();
            if let Some(leader) = leader {
                self.counters.proposals_retried.fetch_add(u64::from(tries > 0), Relaxed);
                tries += 1;
                match self.try_at(leader, &command, deadline).await {
                    Try::Applied(applied) => return self.wait_applied(applied, deadline).await,
                    Try::Not(reason) => not_executed = reason,
                    Try::Never(reason) => {
                        not_executed = reason;
                        break;
                    }
                    Try::Maybe(reason) => maybe = Some(reason),
                }
            }
            self.pause(&mut watched, deadline).await;
        }
        match maybe {
            Some(reason) => Err(ProposeError::Unknown { reason }),
            None => Err(ProposeError::NotExecuted { reason: not_executed }),
        }
    }

    /// One try at the believed leader, given up when another one is known.
    async fn try_at(&self, leader: u64, command: &Bytes, deadline: Instant) -> Try {
        match self.judgement.look() {
            Clock::Good => {}
            // Just started: it will be known soon.
            Clock::Unknown => return Try::Not(NotExecuted::Clock),
            Clock::Off(_) => return Try::Never(NotExecuted::Clock),
        }
        if leader != self.me {
            return self.try_there(leader, command.clone(), deadline).await;
        }
        tokio::select! {
            biased;
            outcome = self.local.submit(Proposal::User(Command(command.clone()))) => match outcome {
                LocalOutcome::Applied { index, reply } => Try::Applied(Applied { index, reply }),
                LocalOutcome::NotLeader => Try::Not(NotExecuted::NoLeader),
                LocalOutcome::Busy => Try::Not(NotExecuted::QueueFull),
                LocalOutcome::Unknown { reason } => Try::Maybe(reason),
            },
            reason = self.given_up(leader, deadline) => Try::Maybe(reason.into()),
        }
    }

    async fn try_there(&self, leader: u64, command: Bytes, deadline: Instant) -> Try {
        let link = self.links.get(leader, Class::Forward);
        // Until there is a connection, nothing can have left this process.
        let connection = tokio::select! {
            biased;
            connection = link.connection() => connection,
            reason = self.given_up(leader, deadline) => Err(CallError::NotSent(reason.into())),
        };
        let Ok(connection) = connection else {
            return Try::Not(NotExecuted::NoLeader);
        };
        let patience = deadline.saturating_duration_since(Instant::now()).min(REMOTE_TRY_MAX);
        let patience_ms = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
        let request = Propose {
            patience_ms,
            sent_ms: self.judgement.now_ms(),
            command,
        }
        .to_bytes();
        self.counters.proposals_forwarded.fetch_add(1, Relaxed);
        let answer = tokio::select! {
            biased;
            answer = connection.call(Kind::Propose, request, patience + RETRY_PAUSE) => answer,
            reason = self.given_up(leader, deadline) => Err(CallError::Lost(reason.into())),
        };
        match answer.map(Proposed::from_bytes) {
            Ok(Ok(Proposed::Applied { index, reply })) => Try::Applied(Applied { index, reply }),
            Ok(Ok(Proposed::NotLeader)) => Try::Not(NotExecuted::NoLeader),
            Ok(Ok(Proposed::Clock)) => Try::Never(NotExecuted::Clock),
            Ok(Ok(Proposed::Busy)) => Try::Not(NotExecuted::QueueFull),
            Ok(Ok(Proposed::Unknown { reason })) => Try::Maybe(reason),
            Ok(Err(error)) => Try::Maybe(error.to_string()),
            Err(CallError::NotSent(_)) => Try::Not(NotExecuted::NoLeader),
            Err(CallError::Lost(reason) | CallError::Refused(reason)) => Try::Maybe(reason),
        }
    }

    /// Returns when waiting for `leader` makes no sense any more, and why.
    async fn given_up(&self, leader: u64, deadline: Instant) -> &'static str {
        let mut watched = self.leader.clone();
        tokio::select! {
            () = tokio::time::sleep_until(deadline.into()) => "no answer before the deadline",
            _ = watched.wait_for(|known| known.is_some_and(|known| known != leader)) => {
                "the leader changed before it answered"
            }
        }
    }

    /// It is in the tables of the leader; the caller reads from ours.
    async fn wait_applied(&self, applied: Applied, deadline: Instant) -> Result<Applied, ProposeError> {
        let mut seen = self.seen.clone();
        let reached = tokio::time::timeout_at(deadline.into(), seen.wait_for(|seen| *seen > applied.index)).await;
        match reached {
            Ok(Ok(_)) => Ok(applied),
            Ok(Err(_)) | Err(_) => Err(ProposeError::Unknown {
                reason: format!(
                    "entry {} is applied by the leader, but not by this node yet",
                    applied.index
                ),
            }),
        }
    }

    /// Waits for a change of leader, or a moment when one is known already.
    async fn pause(&self, leader: &mut watch::Receiver<Option<u64>>, deadline: Instant) {
        let before = *leader.borrow();
        let until = if before.is_some() {
            deadline.min(Instant::now() + RETRY_PAUSE)
        } else {
            deadline
        };
        let mut closing = self.closing.clone();
        tokio::select! {
            () = tokio::time::sleep_until(until.into()) => {}
            _ = closing.wait_for(|closing| *closing) => {}
            _ = leader.wait_for(|known| known.is_some() && *known != before) => {}
        }
    }
}
