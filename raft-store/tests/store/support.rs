//! A cluster in one process, over real sockets and certificates, with a state machine that counts.
//!
//! Must not reach into the store: only what a node could do.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use raft_store::{
    ApplyError, Config, Join, Limits, Member, OpenError, PeerTls, Read, StateMachine, Store, TableId, Timing,
    Transaction, Versions, WallClock,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tempfile::TempDir;

pub(crate) const CLUSTER: [u8; 16] = [0xC1; 16];
/// What members of tests speak, if nothing else is said.
pub(crate) const VERSIONS: Versions = Versions { min: 1, max: 2 };
pub(crate) const SUFFIX: &str = "node.tfauth.internal";
/// Longer than any election on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const REQUESTS: TableId = TableId(1);
pub(crate) const REGISTERS: TableId = TableId(2);

/// A command is a request id and a key; it counts the key up, once per request id, and replies with the count.
pub(crate) struct Counting;

impl StateMachine for Counting {
    fn apply(&self, _: u64, command: &[u8], tables: &mut Transaction<'_>) -> Result<Bytes, ApplyError> {
        let Some((request, rest)) = command.split_first_chunk::<16>() else {
            return Err(ApplyError::refused("shorter than a request id"));
        };
        if let Some(reply) = tables.get(REQUESTS, request)? {
            return Ok(reply);
        }
        let key = &rest[..rest.len().min(16)];
        let count = tables.get(REGISTERS, key)?.map_or(0, |value| number(&value)) + 1;
        tables.put(REGISTERS, key, &count.to_be_bytes())?;
        tables.put(REQUESTS, request, &count.to_be_bytes())?;
        Ok(Bytes::copy_from_slice(&count.to_be_bytes()))
    }
}

pub(crate) fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

pub(crate) fn command(request: u128, key: &str) -> Bytes {
    large_command(request, key, 0)
}

/// A command with so many bytes that mean nothing.
pub(crate) fn large_command(request: u128, key: &str, filler: usize) -> Bytes {
    Bytes::from([request.to_be_bytes().as_slice(), &row(key), &vec![b'.'; filler]].concat())
}

fn row(key: &str) -> [u8; 16] {
    let mut row = [b' '; 16];
    row[..key.len()].copy_from_slice(key.as_bytes());
    row
}

pub(crate) fn count_of(store: &Store, key: &str) -> u64 {
    store
        .view()
        .get(REGISTERS, &row(key))
        .unwrap()
        .map_or(0, |value| number(&value))
}

/// How many of `row-0` to `row-COUNT` are there, all at the same moment.
pub(crate) fn rows_of(store: &Store, count: u64) -> u64 {
    let view = store.view();
    let is_there = |number: &u64| view.get(REGISTERS, &row(&format!("row-{number}"))).unwrap().is_some();
    (0..count).filter(is_there).count() as u64
}

pub(crate) fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// A certificate authority that lives as long as the test.
pub(crate) struct Authority {
    root: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A member's certificate, its key, and the root it trusts, as DER.
#[derive(Clone)]
pub(crate) struct Papers {
    pub(crate) root: Vec<u8>,
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().der().clone();
        Self {
            root,
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for `name`, for a member that trusts the CA `trusted`.
    pub(crate) fn papers_trusting(&self, name: &str, trusted: &Self) -> Papers {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![format!("{name}.{SUFFIX}")]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Papers {
            root: trusted.root.to_vec(),
            certificate: certificate.der().to_vec(),
            key: key.serialize_der(),
        }
    }

    pub(crate) fn papers(&self, name: &str) -> Papers {
        self.papers_trusting(name, self)
    }

    pub(crate) fn tls(&self, name: &str) -> PeerTls {
        self.papers(name).tls()
    }
}

impl Papers {
    /// Both sides of TLS with these papers.
    pub(crate) fn tls(&self) -> PeerTls {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.root.clone())).unwrap();
        let roots = Arc::new(roots);
        let chain = || vec![CertificateDer::from(self.certificate.clone())];
        let key = || PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()));
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .unwrap();
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain(), key())
            .unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain(), key())
            .unwrap();
        PeerTls {
            server: Arc::new(server),
            client: Arc::new(client),
            server_name_suffix: SUFFIX.to_owned(),
        }
    }
}

/// Addresses that were free a moment ago.
pub(crate) fn free_addresses(count: usize) -> Vec<SocketAddr> {
    let listeners: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap())
        .collect()
}

/// Small enough that tests see checkpoints, purges and snapshots.
pub(crate) fn small_limits() -> Limits {
    Limits {
        checkpoint_entries: 200,
        log_kept_entries: 50,
        digest_entries: 20,
        log_segment_bytes: 1 << 20,
        state_cache_bytes: 8 << 20,
        ..Limits::default()
    }
}

/// Real fsync, and messages of failing tests.
pub(crate) fn prepare() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        raft_store::install_real_fsync().unwrap();
        if std::env::var_os("RAFT_STORE_LOG").is_some() {
            let filter = tracing_subscriber::EnvFilter::from_env("RAFT_STORE_LOG");
            tracing_subscriber::fmt()
                .with_env_filter(filter)
                .with_writer(std::io::stderr)
                .init();
        }
    });
}

/// Members that can be stopped and started again on their folders.
pub(crate) struct Cluster {
    pub(crate) authority: Authority,
    pub(crate) folder: TempDir,
    pub(crate) members: Vec<Member>,
    pub(crate) limits: Limits,
    pub(crate) running: BTreeMap<u64, Store>,
    /// Of nodes that joined, by the ids that they got.
    pub(crate) configs: BTreeMap<u64, Config>,
}

impl Cluster {
    pub(crate) fn new(size: u64) -> Self {
        prepare();
        let addresses = free_addresses(usize::try_from(size).unwrap());
        let member = |(id, peer_address): (u64, SocketAddr)| Member {
            id,
            name: format!("node-{id}"),
            peer_address,
        };
        Self {
            authority: Authority::new(),
            folder: tempfile::tempdir().unwrap(),
            members: (1..=size).zip(addresses).map(member).collect(),
            limits: small_limits(),
            running: BTreeMap::new(),
            configs: BTreeMap::new(),
        }
    }

    /// All members started, and a leader known to all.
    pub(crate) async fn formed(size: u64) -> Self {
        let mut cluster = Self::new(size);
        for id in 1..=size {
            cluster.start(id).await;
        }
        for store in cluster.running.values() {
            store.read_barrier(soon()).await.unwrap();
        }
        cluster
    }

    pub(crate) fn config(&self, id: u64) -> Config {
        let member = self.members.iter().find(|member| member.id == id).unwrap();
        Config {
            node_id: Some(id),
            name: member.name.clone(),
            cluster_id: CLUSTER,
            initialize: id == 1,
            members: self.members.clone(),
            data_dir: self.data_dir(id),
            listen: member.peer_address,
            advertise: member.peer_address,
            join: None,
            versions: VERSIONS,
            wall_clock: WallClock::system(),
            tls: self.authority.tls(&member.name),
            timing: Timing::default(),
            limits: self.limits,
        }
    }

    /// The configuration of a node that is none of those that formed the cluster.
    pub(crate) fn joiner(&self, name: &str, folder: &str, join: Option<Join>) -> Config {
        let address = free_addresses(1)[0];
        Config {
            node_id: None,
            name: name.to_owned(),
            initialize: false,
            data_dir: self.folder.path().join(folder),
            listen: address,
            advertise: address,
            join,
            tls: self.authority.tls(name),
            ..self.config(1)
        }
    }

    /// Starts a node and says which id it has.
    pub(crate) async fn run(&mut self, config: Config) -> u64 {
        self.run_machine(config, Arc::new(Counting)).await
    }

    pub(crate) async fn token(&self, replaces: Option<u64>) -> Join {
        let life = Duration::from_secs(60);
        Join::Token(self.any().add_join_token(life, replaces, soon()).await.unwrap())
    }

    /// Waits until every running member sees these voters.
    pub(crate) async fn wait_voters(&self, voters: &[u64]) {
        for store in self.running.values() {
            let what = format!("sees the voters {voters:?}");
            wait_status(store, &what, |status| status.voters == voters).await;
        }
    }

    pub(crate) fn data_dir(&self, id: u64) -> std::path::PathBuf {
        self.folder.path().join(format!("node-{id}"))
    }

    pub(crate) async fn start(&mut self, id: u64) {
        let store = Store::open(self.config(id), Arc::new(Counting)).await.unwrap();
        self.running.insert(id, store);
    }

    /// Starts a node with a state machine of its own.
    pub(crate) async fn run_machine(&mut self, config: Config, machine: Arc<dyn StateMachine>) -> u64 {
        let store = Store::open(config.clone(), machine).await.unwrap();
        let id = store.status().node_id;
        self.running.insert(id, store);
        self.configs.insert(id, config);
        id
    }

    pub(crate) async fn try_open(&self, config: Config) -> Result<Store, OpenError> {
        Store::open(config, Arc::new(Counting)).await
    }

    /// Stops without handing anything over; the others find out by themselves.
    pub(crate) async fn stop(&mut self, id: u64) {
        let store = self.running.remove(&id).unwrap();
        store.shutdown(Duration::ZERO).await.unwrap();
    }

    /// The leader that a majority of the running members agrees on.
    pub(crate) async fn leader(&self) -> u64 {
        let until = soon();
        loop {
            let known: Vec<u64> = self
                .running
                .values()
                .filter_map(|store| store.status().leader)
                .collect();
            let agreed = known.iter().find(|leader| {
                self.running.contains_key(leader)
                    && known.iter().filter(|other| other == leader).count() > self.members.len() / 2
            });
            if let Some(leader) = agreed {
                return *leader;
            }
            assert!(Instant::now() < until, "no leader: {known:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn store(&self, id: u64) -> &Store {
        &self.running[&id]
    }

    pub(crate) fn any(&self) -> &Store {
        self.running.values().next().unwrap()
    }

    pub(crate) fn follower_of(&self, leader: u64) -> u64 {
        *self.running.keys().find(|id| **id != leader).unwrap()
    }

    pub(crate) async fn stop_all(mut self) {
        for id in self.running.keys().copied().collect::<Vec<_>>() {
            self.stop(id).await;
        }
    }
}

/// Counts `key` up through `store`, and checks the answer is `expected`.
pub(crate) async fn count_up(store: &Store, request: u128, key: &str) -> u64 {
    number(&store.propose(command(request, key), soon()).await.unwrap().reply)
}

/// Waits until a status fits.
pub(crate) async fn wait_status(store: &Store, what: &str, fits: impl Fn(&raft_store::Status) -> bool) {
    let mut status = store.watch_status();
    let waited = tokio::time::timeout(PATIENCE, status.wait_for(|status| fits(status))).await;
    waited
        .unwrap_or_else(|_| panic!("{what}: {:?}", store.status()))
        .unwrap();
}

/// Looks until something holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < patience, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
