//! Opening the store, in the order in which things can be refused: configuration, fsync, folder, port, then the data.
//!
//! Must not serve anybody before everything is checked.

mod data;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use openraft::SnapshotPolicy;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use self::data::Data;
use crate::agreement::divergence::Comparer;
use crate::agreement::time::{self, Judgement};
use crate::cluster::lead::Lead;
use crate::cluster::operator::Operator;
use crate::cluster::{join, reconcile, rows};
use crate::disk::{Disk, FolderLock};
use crate::fault::FaultCell;
use crate::identity::Identity;
use crate::limits::APPEND_ENTRIES_MAX;
use crate::lives::{self, Life};
use crate::log_store::{LogQueue, LogReader, LogStore};
use crate::metrics::Counters;
use crate::peer::{Dialer, Directory, Links, Listener, Network, Service};
use crate::propose::{LocalQueue, Proposer, Room};
use crate::read::Barriers;
use crate::scrub::Scrubber;
use crate::state::{Applier, CheckpointWait, StateStore};
use crate::status::{Contact, Whoami};
use crate::store::Inner;
use crate::{
    Config, OpenError, Raft, StateMachine, Status, StorageError, Store, Timing, Versions, bootstrap, fsync, purging,
    watchers,
};

pub(crate) async fn open(config: Config, machine: Arc<dyn StateMachine>) -> Result<Store, OpenError> {
    config.check()?;
    fsync::require_real_fsync()?;
    let folder = &config.data_dir;
    let disk = Disk::Real;
    disk.create_folder(folder)
        .map_err(OpenError::io("cannot create", folder))?;
    let lock = FolderLock::take(folder)?;
    let identity = join::identify(&disk, &config).await?;
    let listener = Listener::bind(config.listen, &config.tls).await?;
    let data = Data::open(&config, disk, identity).await?;
    let directory = Arc::new(Directory::new(&config, identity, data.lives.clone()));
    let links = Arc::new(Links::new(Dialer::new(config.tls.client.clone(), directory.clone())));
    Parts {
        config,
        data,
        identity,
        directory,
        links,
        listener,
        lock,
    }
    .start(machine)
    .await
}

/// Everything that was opened, before consensus runs over it.
struct Parts {
    config: Config,
    data: Data,
    identity: Identity,
    directory: Arc<Directory>,
    links: Arc<Links>,
    listener: Listener,
    lock: FolderLock,
}

impl Parts {
    async fn start(self, machine: Arc<dyn StateMachine>) -> Result<Store, OpenError> {
        let Self {
            config,
            data,
            identity,
            directory,
            links,
            listener,
            lock,
        } = self;
        let Data {
            log,
            state,
            counters,
            fault,
            lives: _,
        } = data;
        let (log_reader, log_queue) = (log.reader(), log.queue());
        let room = Room {
            bytes: log_reader.memory_bytes(),
            bytes_max: config.limits.log_memory_bytes,
            pace: state.pace(),
        };
        state.set_checkpoint_wait(CheckpointWait {
            time: config.limits.checkpoint_wait,
            bytes: config.limits.checkpoint_wait_bytes,
        });
        let network = network(&config, identity, &links, &counters);
        check_version(&config, &state)?;
        let (version, every) = (config.versions.max, config.limits.digest_entries);
        let applier = Applier::new(state.clone(), machine, version, every);
        let raft = start_consensus(&config, identity.node_id, network, log, applier).await?;
        state.announce_applied();
        let (closing, closed) = watch::channel(false);
        let local = LocalQueue::start(raft.clone(), config.limits.proposals_max, room);
        let whoami = whoami(&config, identity, directory.lives.now());
        let contact = Arc::new(Contact::new(config.timing.election_max * 2));
        let judgement = Arc::new(Judgement::new(config.wall_clock.clone()));
        let running = Running {
            config,
            raft,
            state,
            links,
            counters,
            fault,
            directory,
            whoami,
            contact,
            closed,
            local,
            judgement,
        };
        Ok(running.into_store(listener, lock, closing, (log_reader, log_queue)))
    }
}

fn network(config: &Config, identity: Identity, links: &Arc<Links>, counters: &Arc<Counters>) -> Network {
    Network {
        links: links.clone(),
        counters: counters.clone(),
        me: identity.node_id,
        append_timeout: config.timing.election_max,
    }
}

fn whoami(config: &Config, identity: Identity, life: Life) -> Whoami {
    Whoami {
        node_id: identity.node_id,
        name: config.name.clone(),
        incarnation: identity.incarnation,
        life: life.id,
        cluster_id: config.cluster_id,
    }
}

type LeaderWatch = watch::Receiver<Option<u64>>;

/// Consensus runs; what works around it shares these.
struct Running {
    config: Config,
    raft: Raft,
    state: StateStore,
    links: Arc<Links>,
    counters: Arc<Counters>,
    fault: FaultCell,
    directory: Arc<Directory>,
    whoami: Whoami,
    contact: Arc<Contact>,
    closed: watch::Receiver<bool>,
    local: LocalQueue,
    judgement: Arc<Judgement>,
}

impl Running {
    /// Starts everything that works around consensus.
    fn into_store(
        self,
        listener: Listener,
        lock: FolderLock,
        closing: watch::Sender<bool>,
        (log, log_queue): (LogReader, LogQueue),
    ) -> Store {
        let mut tasks = JoinSet::new();
        let (status, leader) = self.watch(&mut tasks);
        let operator = self.spawn_tasks(&mut tasks, listener, leader.clone());
        tasks.spawn(self.scrubber(log_queue.clone()).run());
        let (raft, state) = (self.raft.clone(), self.state.clone());
        tasks.spawn(purging::run(raft, state, log.clone(), self.config.limits));
        let inner = Inner {
            proposer: self.proposer(leader.clone()),
            barriers: self.barriers(leader.clone()),
            operator,
            raft: self.raft,
            whoami: self.whoami,
            contact: self.contact,
            state: self.state,
            log,
            log_queue,
            links: self.links,
            status,
            leader,
            closing,
            counters: self.counters,
            fault: self.fault,
            tasks: tokio::sync::Mutex::new(tasks),
            data_dir: self.config.data_dir,
            lock: parking_lot::Mutex::new(Some(lock)),
        };
        Store { inner: Arc::new(inner) }
    }

    /// Starts to publish what consensus says.
    fn watch(&self, tasks: &mut JoinSet<()>) -> (watch::Receiver<Status>, LeaderWatch) {
        let watch = watchers::StatusWatch {
            raft: self.raft.clone(),
            whoami: self.whoami.clone(),
            contact: self.contact.clone(),
            look_every: self.config.timing.heartbeat / 2,
            directory: self.directory.clone(),
            state: self.state.clone(),
            counters: self.counters.clone(),
            fault: self.fault.clone(),
            closing: self.closed.clone(),
        };
        watch.start(tasks)
    }

    fn scrubber(&self, log: LogQueue) -> Scrubber {
        Scrubber {
            log,
            state: self.state.clone(),
            counters: self.counters.clone(),
            fault: self.fault.clone(),
            data_dir: self.config.data_dir.clone(),
            pause: self.config.limits.scrub_pause,
        }
    }

    /// Starts everything else that runs until the store closes.
    fn spawn_tasks(&self, tasks: &mut JoinSet<()>, listener: Listener, leader: LeaderWatch) -> Arc<Operator> {
        let lead = Lead {
            raft: self.raft.clone(),
            state: self.state.clone(),
            directory: self.directory.clone(),
            local: self.local.clone(),
            judgement: self.judgement.clone(),
            changing: Arc::default(),
        };
        let operator = Arc::new(Operator {
            lead: lead.clone(),
            links: self.links.clone(),
            leader,
        });
        let data_dir: Arc<Path> = Arc::from(self.config.data_dir.as_path());
        let service = Service {
            lead: lead.clone(),
            operator: operator.clone(),
            contact: self.contact.clone(),
            fault: self.fault.clone(),
            data_dir: data_dir.clone(),
        };
        tasks.spawn(listener.run(service, self.links.clone()));
        let (lives, fault) = (self.directory.lives.clone(), self.fault.clone());
        tasks.spawn(lives::stop_when_restored(lives, fault, data_dir.clone()));
        let (judgement, links) = (self.judgement.clone(), self.links.clone());
        tasks.spawn(time::run(judgement, lead.clone(), links, self.closed.clone()));
        let comparer = Comparer {
            lead: lead.clone(),
            links: self.links.clone(),
            counters: self.counters.clone(),
            fault: self.fault.clone(),
            data_dir,
        };
        tasks.spawn(comparer.run(self.closed.clone()));
        tasks.spawn(reconcile::run(lead, self.closed.clone()));
        let (raft, state, counters) = (self.raft.clone(), self.state.clone(), self.counters.clone());
        tasks.spawn(watchers::save_tables(raft, state, counters, self.config.clone()));
        if self.config.initialize {
            let (raft, links, directory) = (self.raft.clone(), self.links.clone(), self.directory.clone());
            tasks.spawn(bootstrap::run(raft, links, directory, self.closed.clone()));
        }
        operator
    }

    fn proposer(&self, leader: LeaderWatch) -> Proposer {
        let permits_max = self.config.limits.proposals_max;
        Proposer {
            me: self.whoami.node_id,
            local: self.local.clone(),
            links: self.links.clone(),
            leader,
            seen: self.state.seen(),
            closing: self.closed.clone(),
            permits: Arc::new(Semaphore::new(permits_max)),
            permits_max,
            counters: self.counters.clone(),
            judgement: self.judgement.clone(),
        }
    }

    fn barriers(&self, leader: LeaderWatch) -> Barriers {
        let (raft, links) = (self.raft.clone(), self.links.clone());
        Barriers::start(
            self.whoami.node_id,
            raft,
            links,
            leader,
            self.closed.clone(),
            self.state.seen(),
            self.counters.clone(),
        )
    }
}

/// Tables of a newer cluster mean something that this program does not know.
fn check_version(config: &Config, state: &StateStore) -> Result<(), OpenError> {
    let damaged = |error: StorageError| OpenError::quarantine(&config.data_dir, error.to_string());
    let cluster = rows::cluster_version(&state.view()).map_err(damaged)?;
    let Versions { min, max } = config.versions;
    if (min..=max).contains(&cluster) {
        return Ok(());
    }
    Err(OpenError::ClusterVersion {
        path: config.data_dir.clone(),
        cluster,
        min,
        max,
    })
}

async fn start_consensus(
    config: &Config,
    node_id: u64,
    network: Network,
    log: LogStore,
    applier: Applier,
) -> Result<Raft, OpenError> {
    let settings = Arc::new(consensus_config(config)?);
    let raft = Raft::new(node_id, settings, network, log, applier).await;
    raft.map_err(|error| OpenError::Consensus(error.to_string()))
}

/// Consensus settings; the reasons are in the documentation of each of openraft's fields.
fn consensus_config(config: &Config) -> Result<openraft::Config, OpenError> {
    let Timing {
        heartbeat,
        election_min,
        election_max,
    } = config.timing;
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let limits = &config.limits;
    let settings = openraft::Config {
        cluster_name: crate::identity::hex(&config.cluster_id),
        heartbeat_interval: ms(heartbeat),
        election_timeout_min: ms(election_min),
        election_timeout_max: ms(election_max),
        // A restarted leader must be elected again: its tables may be older than what it had answered.
        enable_leader_restore: Some(false),
        // A member that was away must not force an election that it cannot win.
        enable_pre_vote: Some(true),
        // A leader without a quorum goes silent, so that others can elect.
        quorum_loss_probe_interval: Some(ms(election_max) * 2),
        max_payload_entries: APPEND_ENTRIES_MAX,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(limits.checkpoint_entries),
        // It is for us to say what may go.
        max_in_snapshot_log_to_keep: u64::MAX,
        replication_lag_threshold: limits.checkpoint_entries.saturating_add(limits.log_kept_entries),
        install_snapshot_timeout: ms(crate::limits::SNAPSHOT_STALL_MAX),
        backoff: "20ms 50ms 100ms ...200ms".to_owned(),
        ..openraft::Config::default()
    };
    settings
        .validate()
        .map_err(|error| OpenError::Config(error.to_string()))
}
