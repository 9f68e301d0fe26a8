//! Forms the cluster, once: one member, told to by its configuration or by an operator, when all members answer that
//! they are new and configured alike.
//!
//! Must not form a second cluster beside an existing one: a single member that is not new is reason enough to stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::codec::own::Pristine;
use crate::codec::wire::{Kind, Message};
use crate::peer::{Class, Directory, Links};
use crate::types::PeerNode;
use crate::{OperationError, Raft};

const ASK_TIMEOUT: Duration = Duration::from_millis(800);
const ASK_PAUSE: Duration = Duration::from_millis(100);
/// How often what is being waited for is logged again.
const REPORT_EVERY: u32 = 50;

/// Runs until this member is in a cluster, or the store closes.
pub(crate) async fn run(raft: Raft, links: Arc<Links>, directory: Arc<Directory>, mut closing: watch::Receiver<bool>) {
    let work = async {
        let mut tries = 0_u32;
        while matches!(raft.is_initialized().await, Ok(false)) {
            let report = tries.is_multiple_of(REPORT_EVERY);
            match try_to_form(&raft, &links, &directory).await {
                Ok(_) => return,
                Err(OperationError::Unfinished(what)) if report => {
                    tracing::info!(what, "waiting for all members before forming the cluster");
                }
                Err(OperationError::Refused(why)) if report => {
                    tracing::error!(why, "this node is told to form the cluster, and must not");
                }
                Err(OperationError::Unfinished(_) | OperationError::Refused(_)) => {}
            }
            tries = tries.wrapping_add(1);
            tokio::time::sleep(ASK_PAUSE).await;
        }
    };
    tokio::select! {
        () = work => {}
        _ = closing.wait_for(|closing| *closing) => {}
    }
}

/// Asks all members, and forms the cluster if all are new. What it says is for people.
pub(crate) async fn try_to_form(raft: &Raft, links: &Links, directory: &Directory) -> Result<String, OperationError> {
    let unfinished = |error: &dyn std::fmt::Display| OperationError::Unfinished(error.to_string());
    if raft.is_initialized().await.map_err(|error| unfinished(&error))? {
        let text = "this node is in a cluster already, or was".to_owned();
        return Err(OperationError::Refused(text));
    }
    if !directory.configured().contains_key(&directory.me.node_id) {
        let text = "this node is none of those that form the cluster: it joins with a token".to_owned();
        return Err(OperationError::Refused(text));
    }
    let members = census(links, directory).await?;
    let ids: Vec<u64> = members.keys().copied().collect();
    match raft.initialize(members).await {
        Ok(()) => {
            tracing::info!(?ids, "cluster formed");
            Ok(format!("cluster formed of nodes {ids:?}"))
        }
        Err(error) => Err(unfinished(&error)),
    }
}

/// The records of all configured members for the membership, if all of them are new.
async fn census(links: &Links, directory: &Directory) -> Result<BTreeMap<u64, PeerNode>, OperationError> {
    let mut members = directory.configured().clone();
    if let Some(me) = members.get_mut(&directory.me.node_id) {
        me.incarnation = directory.me.incarnation;
    }
    let asked = directory.others().into_iter().map(|id| async move {
        let answer = links
            .get(id, Class::Control)
            .call(Kind::Pristine, ().to_bytes(), ASK_TIMEOUT)
            .await;
        let answer = answer.map_err(|error| error.to_string());
        (
            id,
            answer.and_then(|bytes| Pristine::from_bytes(bytes).map_err(|error| error.to_string())),
        )
    });
    let mut missing = None;
    for (id, answer) in futures_util::future::join_all(asked).await {
        match answer {
            Ok(Pristine { pristine: false, .. }) => {
                return Err(OperationError::Refused(format!(
                    "node {id} is in a cluster already; this data folder is new: let this machine join as a new node"
                )));
            }
            Ok(Pristine { configured, .. }) if configured != directory.configured_digest() => {
                return Err(OperationError::Refused(format!(
                    "node {id} is configured with other members than this node; make cluster.members the same on all"
                )));
            }
            Ok(Pristine { incarnation, .. }) => {
                if let Some(member) = members.get_mut(&id) {
                    member.incarnation = incarnation;
                }
            }
            Err(error) => missing = Some(format!("node {id}: {error}")),
        }
    }
    match missing {
        Some(missing) => Err(OperationError::Unfinished(missing)),
        None => Ok(members),
    }
}
