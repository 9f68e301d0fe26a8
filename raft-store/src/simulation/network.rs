//! The network between simulated members: each message is late, lost, doubled or overtaken as the dice fall, and nothing
//! passes a cut. A message reaches the life of a member that it was sent to, not a later one.
//!
//! Must not look into messages.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use openraft::storage::Snapshot;
use openraft::type_config::alias::SnapshotOf;
use openraft::{OptionalSend, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::Raft;
use crate::disk::sim::Dice;
use crate::state::{SnapshotData, StateStore, encode_rows, successor};
use crate::types::{PeerNode, SnapshotMeta, Types, Vote};

type RpcError = RPCError<Types>;

/// Rows of a snapshot that are sent at a time.
const ROWS_PER_CHUNK: usize = 64;

/// How long a connection lives in one direction only.
const UNANSWERED_MAX: Duration = Duration::from_secs(1);

/// How the network is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Of a hundred messages, how many are lost; answers are messages.
    pub lost_percent: u64,
    /// Of a hundred, how many come twice.
    pub doubled_percent: u64,
    /// How late a message is at most, in milliseconds: later ones may overtake it.
    pub delay_ms: u64,
}

pub(super) struct Hub {
    inner: Mutex<Inner>,
}

struct Inner {
    dice: Dice,
    weather: Weather,
    /// What does not get through, and since when.
    cuts: BTreeMap<(u64, u64), Instant>,
    here: BTreeMap<u64, Live>,
    /// Which folder each id belongs to.
    folders: BTreeMap<u64, [u8; 16]>,
    lives: u64,
}

#[derive(Clone)]
struct Live {
    raft: Raft,
    state: StateStore,
    life: u64,
    /// Whether its folder is the one that its id belongs to.
    known: bool,
}

/// What happens to one message.
struct Fate {
    lost: bool,
    doubled: bool,
    delay: Duration,
}

impl Hub {
    pub(super) fn new(seed: u64) -> Self {
        let inner = Inner {
            dice: Dice::new(seed ^ 0xA5A5),
            weather: Weather::default(),
            cuts: BTreeMap::new(),
            here: BTreeMap::new(),
            folders: BTreeMap::new(),
            lives: 0,
        };
        Self {
            inner: Mutex::new(inner),
        }
    }

    pub(super) fn weather(&self, weather: Weather) {
        self.inner.lock().weather = weather;
    }

    pub(super) fn cut(&self, from: u64, to: u64) {
        self.inner.lock().cuts.entry((from, to)).or_insert_with(Instant::now);
    }

    pub(super) fn join(&self, ids: &[u64]) {
        let between = |(from, to): &(u64, u64)| ids.contains(from) && ids.contains(to);
        self.inner.lock().cuts.retain(|cut, _| !between(cut));
    }

    pub(super) fn cuts(&self) -> Vec<(u64, u64)> {
        self.inner.lock().cuts.keys().copied().collect()
    }

    /// A member is there; the number of its life.
    pub(super) fn here(&self, id: u64, raft: Raft, state: StateStore, incarnation: [u8; 16]) -> u64 {
        let mut inner = self.inner.lock();
        inner.lives += 1;
        let known = *inner.folders.entry(id).or_insert(incarnation) == incarnation;
        #[cfg(feature = "mutations")]
        let known = known || mutations::on(mutations::Mutation::OldIdRejoins);
        let live = Live {
            raft,
            state,
            life: inner.lives,
            known,
        };
        inner.here.insert(id, live);
        inner.lives
    }

    pub(super) fn gone(&self, id: u64) {
        self.inner.lock().here.remove(&id);
    }

    pub(super) fn raft(&self, id: u64) -> Option<Raft> {
        self.inner
            .lock()
            .here
            .get(&id)
            .filter(|live| live.known)
            .map(|live| live.raft.clone())
    }

    fn live(&self, id: u64) -> Option<Live> {
        self.inner.lock().here.get(&id).cloned()
    }

    /// Whether that life of a member is still the one.
    fn lives(&self, id: u64, life: u64) -> bool {
        self.inner.lock().here.get(&id).is_some_and(|live| live.life == life)
    }

    fn fate(&self, from: u64, to: u64) -> Fate {
        let mut inner = self.inner.lock();
        let weather = inner.weather;
        // Without answers a connection is given up, and a new one is not made.
        let given_up = |since: &Instant| since.elapsed() > UNANSWERED_MAX;
        let cut = inner.cuts.contains_key(&(from, to)) || inner.cuts.get(&(to, from)).is_some_and(given_up);
        let strangers = [from, to]
            .iter()
            .any(|id| inner.here.get(id).is_some_and(|live| !live.known));
        let lost = inner.dice.below(100) < weather.lost_percent;
        let doubled = inner.dice.below(100) < weather.doubled_percent;
        let delay = Duration::from_micros(200 + inner.dice.below(1 + weather.delay_ms * 1_000));
        Fate {
            lost: lost || cut || strangers,
            doubled,
            delay,
        }
    }
}

/// Makes clients for members.
pub(super) struct SimNetwork {
    me: u64,
    hub: Arc<Hub>,
}

impl SimNetwork {
    pub(super) fn new(me: u64, hub: Arc<Hub>) -> Self {
        Self { me, hub }
    }
}

impl RaftNetworkFactory<Types> for SimNetwork {
    type Network = SimClient;

    async fn new_client(&mut self, target: u64, _: &PeerNode) -> SimClient {
        SimClient {
            me: self.me,
            target,
            hub: self.hub.clone(),
        }
    }
}

/// Sends to one member.
pub(super) struct SimClient {
    me: u64,
    target: u64,
    hub: Arc<Hub>,
}

impl SimClient {
    /// Carries a message there and its answer back, or loses one of them.
    async fn carry<A, F>(
        &self,
        ttl: Duration,
        action: RPCTypes,
        ask: impl Fn(Raft) -> F + Send + Sync + 'static,
    ) -> Result<A, RpcError>
    where
        F: Future<Output = Option<A>> + Send + 'static,
        A: Send + 'static,
    {
        let carried = tokio::time::timeout(ttl, self.there_and_back(Arc::new(ask))).await;
        match carried {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(RPCError::Unreachable(Unreachable::from_string("nobody is there"))),
            Err(_) => Err(RPCError::Timeout(Timeout {
                action,
                id: self.me,
                target: self.target,
                timeout: ttl,
            })),
        }
    }

    async fn there_and_back<A, F>(&self, ask: Arc<impl Fn(Raft) -> F + Send + Sync + 'static>) -> Option<A>
    where
        F: Future<Output = Option<A>> + Send + 'static,
        A: Send + 'static,
    {
        let there = self.hub.fate(self.me, self.target);
        if there.lost {
            std::future::pending::<()>().await;
        }
        let live = self.hub.live(self.target)?;
        tokio::time::sleep(there.delay).await;
        if !self.hub.lives(self.target, live.life) {
            return None;
        }
        if there.doubled {
            let (again, raft, late) = (ask.clone(), live.raft.clone(), there.delay * 7);
            super::spawn(async move {
                tokio::time::sleep(late).await;
                let _unheard = again(raft).await;
            });
        }
        let answer = ask(live.raft).await;
        let back = self.hub.fate(self.target, self.me);
        if back.lost {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(back.delay).await;
        answer.filter(|_| self.hub.lives(self.target, live.life))
    }

    /// What the receiver of a snapshot does: rows into a folder of their own.
    fn stage(&self, meta: &SnapshotMeta, data: &SnapshotData, to: &StateStore) -> Result<SnapshotData, String> {
        let SnapshotData::View(view) = data else {
            return Err("only own tables can be sent".into());
        };
        let mut staged = to.stage(meta.clone()).map_err(|error| error.to_string())?;
        let mut from = bytes::Bytes::new();
        loop {
            let rows = view.page(&from, ROWS_PER_CHUNK).map_err(|error| error.to_string())?;
            let Some((last, _)) = rows.last() else { break };
            from = successor(last);
            staged.write(&encode_rows(&rows)).map_err(|error| error.to_string())?;
        }
        staged.seal().map_err(|error| error.to_string())?;
        Ok(SnapshotData::Staged(Box::new(staged)))
    }
}

impl RaftNetworkV2<Types> for SimClient {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RpcError> {
        let ttl = option.hard_ttl().max(Duration::from_millis(400));
        self.carry(ttl, RPCTypes::AppendEntries, move |raft| {
            let request = request.clone();
            async move { raft.append_entries(request).await.ok() }
        })
        .await
    }

    async fn vote(&mut self, request: VoteRequest<Types>, option: RPCOption) -> Result<VoteResponse<Types>, RpcError> {
        self.carry(option.soft_ttl(), RPCTypes::Vote, move |raft| {
            let request = request.clone();
            async move { raft.vote(request).await.ok() }
        })
        .await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RpcError> {
        self.carry(option.soft_ttl(), RPCTypes::Vote, move |raft| {
            let request = request.clone();
            async move { raft.pre_vote(request).await.ok() }
        })
        .await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<Types, SnapshotData>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let unreachable = |text: &str| StreamingError::Unreachable(Unreachable::from_string(text));
        let there = self.hub.live(self.target);
        let fate = self.hub.fate(self.me, self.target);
        tokio::time::sleep(fate.delay).await;
        let live = there
            .filter(|live| !fate.lost && self.hub.lives(self.target, live.life))
            .ok_or_else(|| unreachable("nobody is there"))?;
        let staged = self.stage(&snapshot.meta, &snapshot.snapshot, &live.state);
        let staged = staged.map_err(|error| unreachable(&error))?;
        let arrived = Snapshot {
            meta: snapshot.meta,
            snapshot: staged,
        };
        let installing = live.raft.install_full_snapshot(vote, arrived);
        let installed = tokio::select! {
            biased;
            closed = cancel => return Err(StreamingError::Closed(closed)),
            installed = installing => installed,
        };
        let back = self.hub.fate(self.target, self.me);
        tokio::time::sleep(back.delay).await;
        if back.lost || !self.hub.lives(self.target, live.life) {
            return Err(unreachable("its answer is lost"));
        }
        installed.map_err(|error| unreachable(&error.to_string()))
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RpcError> {
        self.carry(option.hard_ttl(), RPCTypes::TransferLeader, move |raft| {
            let request = request.clone();
            async move { raft.handle_transfer_leader(request).await.ok() }
        })
        .await
    }
}
