//! Another machine in the place of one that lost its disk, while everything else goes on breaking.
//!
//! Must not help it along: it asks, and comes in once the log has given it an id.

use super::Run;
use super::clients::Shared;
use raft_store::simulation::{Facts, spawn};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

impl Run {
    /// Tells a machine to ask for the place of the wiped one.
    pub(super) fn replace(&mut self) {
        if let Some(old) = self.wiped {
            self.replaced = true;
            self.faults.replaced += 1;
            spawn(join(self.shared.clone(), old, self.dice.draw()));
        }
    }

    /// The machine that came in its place, once it did.
    pub(super) fn joiner(&self) -> Option<u64> {
        let mut ids = self.shared.cluster.ids().into_iter();
        ids.find(|id| !self.founders.contains(id))
    }

    /// Who votes in the end.
    pub(super) fn target(&self) -> BTreeSet<u64> {
        let mut voters = self.founders.clone();
        if let (Some(old), Some(new)) = (self.wiped, self.joiner()) {
            voters.remove(&old);
            voters.insert(new);
        }
        voters
    }

    /// Sets of voters of each of which a majority may be needed.
    pub(super) fn voters(&self) -> Vec<BTreeSet<u64>> {
        let target = self.target();
        let mut all = self.able().into_iter().map(|id| self.shared.cluster.facts(id));
        let reached = |facts: Facts| facts.voters_agreed && facts.voters == [target.clone()];
        if all.any(reached) {
            vec![target]
        } else {
            vec![self.founders.clone(), target]
        }
    }

    /// Nobody goes by other voters than in the end any more.
    pub(super) fn is_membership_settled(&self) -> bool {
        let target = self.target();
        let expected = !self.replaced || self.joiner().is_some();
        let settled = |id: u64| {
            let facts = self.shared.cluster.facts(id);
            facts.voters_agreed && facts.voters == [target.clone()]
        };
        expected && self.able().into_iter().all(settled)
    }
}

async fn join(shared: Arc<Shared>, old: u64, seed: u64) {
    let mut folder = [7; 16];
    folder[..8].copy_from_slice(&seed.to_be_bytes());
    loop {
        for at in shared.cluster.ids() {
            if let Some(id) = shared.cluster.let_in(at, old, folder).await {
                if let Err(why) = shared.cluster.add(id, folder, seed).await {
                    shared.accuse(format!("open: a joining machine: {why}"));
                }
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
}
