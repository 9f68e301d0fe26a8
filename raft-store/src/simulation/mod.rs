//! A whole cluster in one thread: real consensus over real stores on simulated disks, with a network and a power supply that
//! whoever runs it decides about, in time that passes as fast as there is nothing to do.
//!
//! Randomness of consensus comes from the seed (openraft's `DeterministicRng`), timers from tokio's paused clock. The order in
//! which tokio wakes several tasks that wait for the same thing comes from the seed with the feature `seeded` only, which asks
//! for a build with `--cfg tokio_unstable`. Must not be part of a node.

mod facts;
mod joining;
mod member;
mod network;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::AsyncRuntime as _;
use parking_lot::Mutex;

pub use self::facts::{Committed, Facts, LogLine};
use self::member::{Member, open};
use self::network::Hub;
pub use self::network::Weather;
use crate::disk::sim::{Loss, SimDisk};
use crate::types::{Command, PeerNode, Proposal, Runtime};
use crate::{StateMachine, View, read};

/// How long a proposal or a read is waited for.
pub const ANSWER_MAX: Duration = Duration::from_millis(1_500);

/// Runs a future in time that is not that of this machine, with all randomness of consensus from the seed.
///
/// # Errors
/// No runtime could be made.
pub fn run<T>(seed: u64, future: impl Future<Output = T>) -> std::io::Result<T> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true);
    #[cfg(feature = "seeded")]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_be_bytes()));
    Ok(builder.build()?.block_on(Runtime::scope(seed, future)))
}

/// Starts a task under the seed of the one that starts it.
pub fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    drop(Runtime::spawn(future));
}

/// What came of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// Done.
    Ok(T),
    /// Not done, for certain.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// How a member's machine comes back after it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// The process was killed: what it wrote is there.
    Killed,
    /// The power went: what was not synced is lost.
    Lost,
    /// The power went: of what was not synced, some is there.
    Torn(u64),
}

/// Members, their disks, and the network between them.
pub struct Cluster {
    hub: Arc<Hub>,
    machine: Arc<dyn StateMachine>,
    members: Mutex<BTreeMap<u64, Member>>,
    /// In the order in which they came.
    ids: Mutex<Vec<u64>>,
}

impl Cluster {
    /// A new cluster of so many members, of which the first asks for the first election.
    ///
    /// # Errors
    /// A member did not open, or the cluster was not formed.
    pub async fn start(seed: u64, members: u64, machine: Arc<dyn StateMachine>) -> Result<Arc<Self>, String> {
        let ids: Vec<u64> = (1..=members).collect();
        let hub = Arc::new(Hub::new(seed));
        let cluster = Arc::new(Self {
            hub,
            machine,
            members: Mutex::default(),
            ids: Mutex::new(ids.clone()),
        });
        for id in &ids {
            let disk = SimDisk::new(seed.wrapping_mul(31).wrapping_add(*id));
            let member = open(*id, disk, &cluster.hub, cluster.machine.clone()).await?;
            cluster.members.lock().insert(*id, member);
        }
        let named = ids.iter().map(|id| {
            (
                *id,
                PeerNode {
                    name: format!("node-{id}"),
                    ..PeerNode::default()
                },
            )
        });
        let nodes: BTreeMap<u64, PeerNode> = named.collect();
        let first = cluster.hub.raft(1).ok_or("nobody is up")?;
        first.initialize(nodes).await.map_err(|error| error.to_string())?;
        Ok(cluster)
    }

    /// Ids of all machines that ever were members.
    #[must_use]
    pub fn ids(&self) -> Vec<u64> {
        self.ids.lock().clone()
    }

    /// How the network is from now on.
    pub fn weather(&self, weather: Weather) {
        self.hub.weather(weather);
    }

    /// Nothing gets from the one to the other any more.
    pub fn cut(&self, from: u64, to: u64) {
        self.hub.cut(from, to);
    }

    /// Everything gets through again.
    pub fn join(&self) {
        self.hub.join(&self.ids());
    }

    /// Everything gets through again between these.
    pub fn join_among(&self, ids: &[u64]) {
        self.hub.join(ids);
    }

    /// What does not get through: from, to.
    #[must_use]
    pub fn cuts(&self) -> Vec<(u64, u64)> {
        self.hub.cuts()
    }

    /// How long each write of a member's log takes from now on.
    pub fn disk_pace(&self, id: u64, pace: Duration) {
        if let Some(member) = self.members.lock().get(&id) {
            member.pace(pace);
        }
    }

    /// The power of a member goes in the middle of one of its next writes.
    pub fn unplug_soon(&self, id: u64, writes: u64) {
        if let Some(member) = self.members.lock().get(&id) {
            member.disk.stop_at(member.disk.points() + writes);
        }
    }

    /// Stops a member at once.
    pub async fn stop(&self, id: u64, power: Power) {
        let running = self.members.lock().get_mut(&id).and_then(|member| {
            let loss = match power {
                Power::Killed => Loss::Killed,
                Power::Lost => Loss::Lost,
                Power::Torn(seed) => Loss::Torn(seed),
            };
            member.disk = member.disk.after(loss);
            member.durable = member.running.as_ref().map_or(member.durable, facts::durable);
            member.running.take()
        });
        self.hub.gone(id);
        if let Some(running) = running {
            running.end().await;
        }
    }

    /// Starts a member again, on what its disk holds.
    ///
    /// # Errors
    /// Its folder is not one that may be opened.
    pub async fn restart(&self, id: u64) -> Result<(), String> {
        let disk = self
            .members
            .lock()
            .get(&id)
            .filter(|member| member.running.is_none())
            .map(|member| member.disk.clone());
        let Some(disk) = disk else { return Ok(()) };
        let member = open(id, disk, &self.hub, self.machine.clone()).await?;
        self.members.lock().insert(id, member);
        Ok(())
    }

    /// A machine with an empty disk in the place of a member, under the old id. The greeting between peers knows the folder
    /// that each id belongs to; the simulated network applies that rule.
    ///
    /// # Errors
    /// It did not open.
    pub async fn wipe(&self, id: u64, seed: u64) -> Result<(), String> {
        self.stop(id, Power::Lost).await;
        let member = open(id, SimDisk::new(seed), &self.hub, self.machine.clone()).await?;
        self.members.lock().insert(id, member);
        Ok(())
    }

    /// Proposes at a member, which must lead.
    pub async fn propose(&self, at: u64, command: Bytes) -> Answer<Bytes> {
        let Some(raft) = self.hub.raft(at).filter(|raft| raft.is_leader()) else {
            return Answer::Refused;
        };
        let written = tokio::time::timeout(ANSWER_MAX, raft.client_write(Proposal::User(Command(command)))).await;
        match written {
            Ok(Ok(response)) => Answer::Ok(response.data.0),
            // Also where another one leads by now: the entry may have been sent before.
            Ok(Err(_)) | Err(_) => Answer::Unknown,
        }
    }

    /// The member that leads is asked to let another one lead.
    pub async fn hand_over(&self, from: u64, to: u64) {
        if let Some(raft) = self.hub.raft(from) {
            // One that has just stopped hands nothing over.
            let _asked = raft.trigger().transfer_leader(to).await;
        }
    }

    /// A view of everything that was acknowledged before it was asked for, at a member that leads.
    pub async fn read(&self, at: u64) -> Option<View> {
        let raft = self.hub.raft(at).filter(|raft| raft.is_leader())?;
        let state = self.members.lock().get(&at)?.running.as_ref()?.state.clone();
        let reading = async {
            let index = read::confirm(&raft).await.ok()?;
            state.seen().wait_for(|seen| *seen > index).await.ok()?;
            Some(state.view())
        };
        tokio::time::timeout(ANSWER_MAX, reading).await.ok().flatten()
    }

    /// Its own view, however old.
    #[must_use]
    pub fn view(&self, id: u64) -> Option<View> {
        Some(self.members.lock().get(&id)?.running.as_ref()?.state.view())
    }

    /// Stops everything.
    pub async fn end(&self) {
        for id in self.ids() {
            self.stop(id, Power::Killed).await;
        }
    }
}
