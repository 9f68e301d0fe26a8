//! Forms the cluster, once: one member, told to by its configuration, when all members answer that they are new.
//!
//! Must not form a second cluster beside an existing one: a single member that is not new is reason enough to stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::Raft;
use crate::codec::own::Pristine;
use crate::codec::wire::{Kind, Message};
use crate::peer::{Class, Directory, Links};
use crate::types::PeerNode;

const ASK_TIMEOUT: Duration = Duration::from_millis(800);
const ASK_PAUSE: Duration = Duration::from_millis(100);
/// How often what is being waited for is logged again.
const REPORT_EVERY: u32 = 50;

/// What asking all members came to.
enum Census {
    /// All are new; their records for the membership.
    New(BTreeMap<u64, PeerNode>),
    /// Some do not answer yet.
    Waiting(String),
    /// The cluster exists already, or existed.
    NotNew(u64),
}

/// Runs until this member is in a cluster, or the store closes.
pub(crate) async fn run(raft: Raft, links: Arc<Links>, directory: Arc<Directory>, mut closing: watch::Receiver<bool>) {
    let work = async {
        let mut tries = 0_u32;
        while matches!(raft.is_initialized().await, Ok(false)) {
            match census(&links, &directory).await {
                Census::New(members) => form(&raft, members).await,
                Census::Waiting(what) => {
                    if tries.is_multiple_of(REPORT_EVERY) {
                        tracing::info!(%what, "waiting for all members before forming the cluster");
                    }
                }
                Census::NotNew(id) => {
                    if tries.is_multiple_of(REPORT_EVERY) {
                        tracing::error!(
                            node = id,
                            "this node is told to form the cluster, but another member is in one already; \
                             this data folder is new: let this machine join as a new node"
                        );
                    }
                }
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

async fn census(links: &Links, directory: &Directory) -> Census {
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
    for (id, answer) in futures_util::future::join_all(asked).await {
        match answer {
            Ok(Pristine {
                pristine: true,
                incarnation,
            }) => {
                if let Some(member) = members.get_mut(&id) {
                    member.incarnation = incarnation;
                }
            }
            Ok(Pristine { pristine: false, .. }) => return Census::NotNew(id),
            Err(error) => return Census::Waiting(format!("node {id}: {error}")),
        }
    }
    Census::New(members)
}

async fn form(raft: &Raft, members: BTreeMap<u64, PeerNode>) {
    let ids: Vec<u64> = members.keys().copied().collect();
    match raft.initialize(members).await {
        Ok(()) => tracing::info!(?ids, "cluster formed"),
        Err(error) => tracing::error!(%error, "the cluster could not be formed"),
    }
}
