//! The membership in effect as one member sees it, and a change of what was seen.
//!
//! Must not decide what to change: see `reconcile`.

use std::collections::{BTreeMap, BTreeSet};

use openraft::async_runtime::watch::WatchReceiver;
use openraft::raft::Precondition;
use openraft::{ChangeMembers, Instant as _};

use crate::Raft;
use crate::limits::{MEMBER_SILENCE_MAX, OPERATION_STEP_MAX};
use crate::types::{LogId, Membership, PeerNode};

/// A change of the membership.
pub(crate) type Change = ChangeMembers<u64, PeerNode>;

/// The membership in effect, as consensus reports it at one moment.
pub(crate) struct Look {
    pub(crate) leads: bool,
    pub(crate) membership: Membership,
    pub(crate) at: Option<LogId>,
    pub(crate) last_log: u64,
    pub(crate) matched: BTreeMap<u64, Option<u64>>,
    /// Members that have answered a short while ago.
    pub(crate) alive: BTreeSet<u64>,
}

impl Look {
    /// What a member's consensus says now.
    pub(crate) fn of(raft: &Raft, me: u64) -> Self {
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        let replication = metrics.replication.iter().flatten();
        let heard = metrics.heartbeat.iter().flatten();
        let alive = heard.filter(|(_, at)| at.as_ref().is_some_and(|at| at.elapsed() < MEMBER_SILENCE_MAX));
        let mut alive: BTreeSet<u64> = alive.map(|(id, _)| *id).collect();
        alive.insert(me);
        Self {
            leads: metrics.current_leader == Some(me),
            membership: metrics.membership_config.membership().clone(),
            at: *metrics.membership_config.log_id(),
            last_log: metrics.last_log_index.unwrap_or(0),
            matched: replication.map(|(id, at)| (*id, at.map(|at| at.index))).collect(),
            alive,
        }
    }

    /// Changes the membership from the one that was looked at, and no other.
    pub(crate) async fn change(&self, raft: &Raft, change: Change) -> Result<(), String> {
        let unchanged = Precondition::LastMembershipLogId {
            last_membership_log_id: self.at,
        };
        let changed = raft.change_membership_if(change, false, [unchanged]);
        match tokio::time::timeout(OPERATION_STEP_MAX, changed).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no quorum has agreed yet".into()),
        }
    }

    /// Who should lead next, as far as this one can see.
    pub(crate) fn successor(&self, me: u64) -> Option<u64> {
        let others = self.membership.voter_ids().filter(|id| *id != me);
        others.max_by_key(|id| (self.alive.contains(id), self.matched.get(id).copied().flatten()))
    }

    pub(crate) fn votes(&self, id: u64) -> bool {
        self.membership.voter_ids().any(|voter| voter == id)
    }
}
