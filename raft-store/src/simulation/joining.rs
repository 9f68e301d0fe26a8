//! A machine with an empty disk comes in the place of a member that lost its own: let in by the same entries, rows and steps
//! of the leader as in a node. Only who carries the question is simulated: no token, no greeting.
//!
//! Must not change the voters in another way than a node does.

use std::path::Path;

use tokio::sync::watch;

use super::member::{CLUSTER_ID, FOLDER, open};
use super::{ANSWER_MAX, Cluster};
use crate::Raft;
use crate::cluster::command::{Proof, System, SystemReply};
use crate::cluster::look::Look;
use crate::cluster::reconcile::{Next, next};
use crate::cluster::rows;
use crate::codec::wire::Message;
use crate::disk::Disk;
use crate::disk::sim::SimDisk;
use crate::identity::Identity;
use crate::limits::RECONCILE_PAUSE;
use crate::state::StateStore;
use crate::types::Proposal;

impl Cluster {
    /// A machine with this folder asks a leader to be let in, in the place of a member: its id, once that is known. May be
    /// asked for again.
    pub async fn let_in(&self, at: u64, old: u64, folder: [u8; 16]) -> Option<u64> {
        let raft = self.hub.raft(at).filter(Raft::is_leader)?;
        let command = System::Join {
            now_ms: 1,
            name: format!("node-{old}"),
            address: "simulated:1".into(),
            incarnation: folder,
            proof: Proof::Certificate { replaces: old },
        };
        let written = raft.client_write(Proposal::System(command.to_bytes()));
        let written = tokio::time::timeout(ANSWER_MAX, written).await.ok()?.ok()?;
        match SystemReply::from_bytes(written.data.0).ok()? {
            SystemReply::Joined { id } => Some(id),
            SystemReply::Done | SystemReply::Refused { .. } => None,
        }
    }

    /// Starts the machine under the id that it got.
    ///
    /// # Errors
    /// It did not open.
    pub async fn add(&self, id: u64, folder: [u8; 16], seed: u64) -> Result<(), String> {
        let simulated = SimDisk::new(seed);
        let (disk, path) = (Disk::Simulated(simulated.clone()), Path::new(FOLDER));
        disk.create_folder(path).map_err(|error| error.to_string())?;
        Identity::joined(&disk, path, CLUSTER_ID, id, folder).map_err(|error| error.to_string())?;
        let member = open(id, simulated, &self.hub, self.machine.clone()).await?;
        self.members.lock().insert(id, member);
        self.ids.lock().push(id);
        Ok(())
    }
}

/// What the leader's loop of a node does.
pub(super) async fn reconcile(me: u64, raft: Raft, state: StateStore, ending: watch::Receiver<bool>) {
    while !*ending.borrow() {
        step(me, &raft, &state).await;
        tokio::time::sleep(RECONCILE_PAUSE).await;
    }
}

async fn step(me: u64, raft: &Raft, state: &StateStore) {
    let look = Look::of(raft, me);
    let Ok(rows) = rows::nodes(&state.view()) else {
        return;
    };
    // What did not work is tried again from what is there then.
    match next(me, &look, &rows) {
        Next::Nothing => {}
        Next::HandOver => {
            if let Some(to) = look.successor(me) {
                let _asked = raft.trigger().transfer_leader(to).await;
            }
        }
        Next::Change { change, .. } => {
            let _tried = look.change(raft, change).await;
        }
    }
}
