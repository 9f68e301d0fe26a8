//! The asking side of operations on the membership, on any member: finds the leader, asks, and asks again until it is
//! done or time is up.
//!
//! Must not change anything by itself: only the leader does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::info::ClusterInfo;
use super::lead::Lead;
use super::operation::{Operation, Outcome};
use super::token::JoinToken;
use crate::bootstrap;
use crate::codec::wire::{Kind, Message};
use crate::limits::{OPERATION_CALL_MAX, OPERATION_PAUSE, TOKEN_LIFE_MAX};
use crate::peer::{Class, Links};

/// An operation on the membership that was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// It must not be done; asking again does not help.
    #[error("refused: {0}")]
    Refused(String),
    /// It is not done yet; asking again is safe, and goes on where it stopped.
    #[error("not done yet: {0}; the same command again goes on from here")]
    Unfinished(String),
}

/// Asks the leader.
pub(crate) struct Operator {
    pub(crate) lead: Lead,
    pub(crate) links: Arc<Links>,
    pub(crate) leader: watch::Receiver<Option<u64>>,
}

impl Operator {
    /// The cluster as its leader sees it.
    pub(crate) async fn describe(&self, deadline: Instant) -> Result<ClusterInfo, OperationError> {
        match self.carry(Operation::Describe, deadline).await? {
            Outcome::Described(info) => Ok(info),
            other @ (Outcome::Done { .. }
            | Outcome::Joined { .. }
            | Outcome::Pending { .. }
            | Outcome::Refused { .. }
            | Outcome::NotLeader) => Err(OperationError::Unfinished(format!("the leader answered {other:?}"))),
        }
    }

    /// A token that lets one node in.
    pub(crate) async fn add_token(
        &self,
        life: Duration,
        replaces: Option<u64>,
        deadline: Instant,
    ) -> Result<JoinToken, OperationError> {
        if life.is_zero() || life > TOKEN_LIFE_MAX {
            let text = format!("a token is good for up to {} hours", TOKEN_LIFE_MAX.as_secs() / 3600);
            return Err(OperationError::Refused(text));
        }
        let token = JoinToken::fresh();
        let operation = Operation::AddToken {
            hash: token.hash(),
            valid_ms: u64::try_from(life.as_millis()).unwrap_or(u64::MAX),
            replaces,
        };
        self.carry(operation, deadline).await.map(|_| token)
    }

    /// Forms the cluster: all configured members have to be there, new, and configured alike.
    pub(crate) async fn form(
        &self,
        expect: usize,
        cluster_id: Option<[u8; 16]>,
        deadline: Instant,
    ) -> Result<String, OperationError> {
        let directory = &self.lead.directory;
        if cluster_id.is_some_and(|id| id != directory.me.cluster_id) {
            let ours = crate::identity::hex(&directory.me.cluster_id);
            return Err(OperationError::Refused(format!(
                "this node is configured for cluster {ours}"
            )));
        }
        let configured = directory.configured().len();
        if configured != expect {
            return Err(OperationError::Refused(format!(
                "{expect} members are expected, {configured} are configured on this node"
            )));
        }
        loop {
            let formed = bootstrap::try_to_form(&self.lead.raft, &self.links, directory).await;
            match formed {
                Ok(text) => return Ok(text),
                Err(error @ OperationError::Refused(_)) => return Err(error),
                Err(error @ OperationError::Unfinished(_)) if Instant::now() >= deadline => return Err(error),
                Err(OperationError::Unfinished(_)) => tokio::time::sleep(OPERATION_PAUSE).await,
            }
        }
    }

    /// Has leadership given to `to`, or away from whoever has it now.
    pub(crate) async fn transfer(&self, to: Option<u64>, deadline: Instant) -> Result<(), OperationError> {
        let before = *self.leader.borrow();
        loop {
            let leader = *self.leader.borrow();
            let done = leader.is_some() && (leader == to || (to.is_none() && before.is_some() && leader != before));
            if done {
                return Ok(());
            }
            let last = match self.ask_once(&Operation::Transfer { to }).await {
                Ok(Outcome::Refused { text }) => return Err(OperationError::Refused(text)),
                Ok(Outcome::Done { .. }) => return Ok(()),
                Ok(Outcome::Pending { text }) | Err(text) => text,
                Ok(Outcome::NotLeader | Outcome::Joined { .. } | Outcome::Described(_)) => {
                    "nobody has taken over leadership yet".into()
                }
            };
            if Instant::now() >= deadline {
                return Err(OperationError::Unfinished(last));
            }
            tokio::time::sleep(OPERATION_PAUSE).await;
        }
    }

    /// Has an operation carried out by whoever leads.
    pub(crate) async fn carry(&self, operation: Operation, deadline: Instant) -> Result<Outcome, OperationError> {
        let mut last = "no leader is known".to_owned();
        loop {
            match self.ask_once(&operation).await {
                Ok(Outcome::Refused { text }) => return Err(OperationError::Refused(text)),
                Ok(Outcome::Pending { text }) | Err(text) => last = text,
                Ok(Outcome::NotLeader) => {}
                Ok(done @ (Outcome::Done { .. } | Outcome::Joined { .. } | Outcome::Described(_))) => return Ok(done),
            }
            if Instant::now() >= deadline {
                return Err(OperationError::Unfinished(last));
            }
            let pause = OPERATION_PAUSE.min(deadline.saturating_duration_since(Instant::now()));
            tokio::time::sleep(pause).await;
        }
    }

    /// One try at the leader that is known.
    pub(crate) async fn ask_once(&self, operation: &Operation) -> Result<Outcome, String> {
        let leader = (*self.leader.borrow()).ok_or("no leader is known")?;
        if leader == self.lead.me() {
            return Ok(self.lead.perform(operation.clone()).await);
        }
        let link = self.links.get(leader, Class::Operate);
        let answer = link.call(Kind::Operate, operation.to_bytes(), OPERATION_CALL_MAX).await;
        let answer = answer.map_err(|error| format!("node {leader}: {error}"))?;
        Outcome::from_bytes(answer).map_err(|error| error.to_string())
    }
}
