//! From a checked configuration to a serving node, and to its end. The order is the point of this file: whatever can
//! refuse does so before anything is served.

mod storage;

use crate::config::Config;
use crate::email::{Channels, Transport, Worker};
use crate::gateway::Gateway;
use crate::hashing::HashPool;
use crate::http::admin_keys::{self, Custody};
use crate::http::ops::Ops;
use crate::http::pipeline::Pipeline;
use crate::http::routes::{AppState, HttpConfig, router};
use crate::http::server::{Patience, Server, bind};
use crate::http::status::Health;
use crate::http::{admin_socket, operators};
use crate::limits::{
    CLUSTER_VERSIONS, DRAIN_NOTICE, DRAIN_REQUESTS_MAX, OPS_CONNECTIONS_MAX, OPS_DRAIN_MAX, STORE_SHUTDOWN_MAX,
};
use crate::replication::Replication;
use crate::resealing::{self, Resealer};
use crate::secrets::KeyRing;
use crate::service::{Auth, AuthConfig};
use crate::shutdown::{self, Signals, Stop, Stopper};
use crate::signing::SigningKeys;
use crate::telemetry::hash_collector::HashCollector;
use crate::telemetry::logs::{self, Telemetry};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::store_collector::StoreCollector;
use crate::tls;
use auth_core::outbox::Channel;
use raft_store::Fault;
use std::fmt::Display;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How it ended.
pub enum Ended {
    /// As asked for by a signal.
    Orderly,
    /// Nothing was served; why, for the person who started it.
    Refused(String),
    /// The data folder must not be used; why, and what to do.
    Quarantined(String),
    /// A fault while running; the log tells which.
    Fault,
}

/// What is ready before the store opens: whatever can refuse at once has done so.
struct Prepared {
    telemetry: Telemetry,
    metrics: Metrics,
    signals: Signals,
    http: TcpListener,
    ops: TcpListener,
    http_tls: Arc<rustls::ServerConfig>,
    store: raft_store::Config,
    hashing: HashPool,
    channels: Channels,
}

/// What runs.
struct Running {
    replication: Replication,
    health: Health,
    signals: Signals,
    stop_requests: Stopper,
    stop_rest: Stopper,
    requests: JoinHandle<()>,
    ops: JoinHandle<()>,
    worker: JoinHandle<()>,
}

/// Serves until a signal or a fault.
pub async fn run(config: Config) -> Ended {
    let started = async {
        let prepared = prepare(&config).await?;
        start(&config, prepared).await
    };
    let (running, telemetry) = match started.await {
        Ok(started) => started,
        Err(ended) => {
            ended.tell();
            return ended;
        }
    };
    let ended = running.until_the_end(&config).await;
    // Blocks while the last spans are sent, so not on a thread of the runtime.
    let _ = tokio::task::spawn_blocking(|| telemetry.close()).await;
    ended
}

impl Ended {
    /// Writes to the log why nothing is served.
    fn tell(&self) {
        match self {
            Self::Refused(reason) => tracing::error!(reason, "refused to serve"),
            Self::Quarantined(reason) => tracing::error!(reason, "the data folder must not be used"),
            Self::Orderly | Self::Fault => {}
        }
    }
}

async fn prepare(config: &Config) -> Result<Prepared, Ended> {
    let telemetry = logs::start(config.log_level, &config.name, config.otlp_endpoint.as_deref()).map_err(words)?;
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(%panic, %backtrace, "a panic: this is a bug");
    }));
    tracing::info!(
        name = config.name,
        node_id = config.node_id,
        version = env!("CARGO_PKG_VERSION"),
        "starting"
    );
    let mut signals = Signals::catch().map_err(words)?;
    let http_tls = tls::http_server(&config.identity).map_err(words)?;
    let mut store = store_config(config).map_err(words)?;
    let transport = config
        .mail
        .as_ref()
        .map(|mail| Transport::new(&mail.transport))
        .transpose()
        .map_err(words)?;
    let gateway = config.gateway.as_ref().map(Gateway::new).transpose().map_err(words)?;
    tokio::select! {
        usable = storage::make_usable(config, &mut store) => usable?,
        signal = signals.next() => {
            tracing::info!(signal, "stopped before anything was served");
            return Err(Ended::Orderly);
        }
    }
    let http = bind("http.listen", config.http.listen).await.map_err(words)?;
    let ops = bind("ops.listen", config.ops_listen).await.map_err(words)?;
    let hashing = HashPool::start(config.hashing).map_err(words)?;
    let metrics = Metrics::new().map_err(words)?;
    Ok(Prepared {
        telemetry,
        metrics,
        signals,
        http,
        ops,
        http_tls,
        store,
        hashing,
        channels: channels(config, transport, gateway),
    })
}

fn store_config(config: &Config) -> Result<raft_store::Config, rustls::Error> {
    Ok(raft_store::Config {
        node_id: config.node_id,
        name: config.name.clone(),
        cluster_id: config.cluster.id,
        initialize: config.cluster.initialize,
        members: config.cluster.members.clone(),
        data_dir: config.data_dir.clone(),
        listen: config.peer_listen,
        advertise: config.peer_advertise,
        join: config.cluster.join_token.clone().map(raft_store::Join::Token),
        versions: CLUSTER_VERSIONS,
        wall_clock: raft_store::WallClock::new(crate::clock::milliseconds),
        tls: raft_store::PeerTls {
            server: tls::peer_server(&config.identity)?,
            client: tls::peer_client(&config.identity)?,
            server_name_suffix: tls::NODE_SUFFIX.into(),
        },
        timing: config.timing,
        limits: raft_store::Limits::default(),
    })
}

/// Opens the store and serves at once: until a leader is known the node says that it is not ready.
async fn start(config: &Config, prepared: Prepared) -> Result<(Running, Telemetry), Ended> {
    let Prepared {
        telemetry,
        metrics,
        signals,
        http,
        ops,
        http_tls,
        store,
        hashing,
        channels,
    } = prepared;
    let replication = storage::open(config, store, metrics.clone()).await?;
    check_key_ring(&replication, &config.key_ring).await?;
    let collector = StoreCollector::new(replication.store().clone()).map_err(words)?;
    metrics.register(collector).map_err(words)?;
    let collector = HashCollector::new(hashing.clone()).map_err(words)?;
    metrics.register(collector).map_err(words)?;

    let (stop_requests, requests_stop) = shutdown::channel();
    let (stop_rest, rest_stop) = shutdown::channel();
    let keys = SigningKeys::default();
    let worker = spawn_workers(config, channels, &replication, &metrics, &keys, &rest_stop);
    let health = Health::new(replication.clone(), {
        let keys = keys.clone();
        move || keys.is_ready()
    });
    let custody = custody(config, &replication, &keys);
    let app = app_state(config, &replication, hashing, keys);
    let operators = admin_socket::router(replication.store().clone())
        .merge(operators::router(app.auth.clone()))
        .merge(admin_keys::router(custody));
    let pipeline = Pipeline::new(
        router(app),
        health.clone(),
        metrics.clone(),
        config.http.request_deadline,
        telemetry.spans_exported(),
    );
    let operations = Ops::new(health.clone(), metrics.clone());
    let http = Server {
        listener: http,
        tls: Some(http_tls),
        connections_max: config.http.connections_max,
        patience: Patience::default(),
        metrics: Some(metrics),
    };
    let ops = Server {
        listener: ops,
        tls: None,
        connections_max: OPS_CONNECTIONS_MAX,
        patience: Patience::default(),
        metrics: None,
    };
    let socket = operators_socket(config)?;
    tokio::spawn(admin_socket::serve(socket, operators, rest_stop.clone()));
    let requests = tokio::spawn(http.serve(pipeline, requests_stop, DRAIN_REQUESTS_MAX));
    let ops = tokio::spawn(ops.serve(operations, rest_stop, OPS_DRAIN_MAX));
    tracing::info!(http = %config.http.listen, peer = %config.peer_listen, ops = %config.ops_listen, "serving");
    let running = Running {
        replication,
        health,
        signals,
        stop_requests,
        stop_rest,
        requests,
        ops,
        worker,
    };
    Ok((running, telemetry))
}

fn operators_socket(config: &Config) -> Result<tokio::net::UnixListener, Ended> {
    admin_socket::bind(&config.data_dir).map_err(|error| {
        let folder = config.data_dir.display();
        words(format!("cannot listen for operators in {folder}: {error}"))
    })
}

fn custody(config: &Config, replication: &Replication, keys: &SigningKeys) -> Custody {
    Custody {
        replication: replication.clone(),
        ring: Arc::clone(&config.key_ring),
        signing: keys.clone(),
        rotation: config.rotation,
    }
}

fn app_state(config: &Config, replication: &Replication, hashing: HashPool, keys: SigningKeys) -> AppState {
    let tokens = AuthConfig {
        issuer: config.tokens.issuer.clone(),
        audience: config.tokens.audience.clone(),
        access_seconds: config.tokens.access_seconds,
        refresh_seconds: config.tokens.refresh_seconds,
        session_idle_seconds: config.tokens.session_idle_seconds,
    };
    let auth = Auth::new(tokens, replication.clone(), Arc::clone(&config.key_ring), hashing, keys);
    AppState {
        auth: auth
            .with_flood_limit(config.login_per_address_per_minute)
            .with_password_policy(config.passwords.clone())
            .with_code_channel(code_channel(config)),
        config: Arc::new(HttpConfig {
            public_origins: config.http.public_origins.clone(),
            public_profiles: config.dialects.public_profiles,
            legacy_cookie_names: config.dialects.legacy_cookie_names,
        }),
        key_ring: Arc::clone(&config.key_ring),
    }
}

fn code_channel(config: &Config) -> Channel {
    match &config.gateway {
        Some(gateway) if gateway.login_codes => Channel::Gateway,
        Some(_) | None => Channel::Mail,
    }
}

/// What works beside requests. Only the mail worker is waited for at the end: it may be sending.
fn spawn_workers(
    config: &Config,
    channels: Channels,
    replication: &Replication,
    metrics: &Metrics,
    keys: &SigningKeys,
    stop: &Stop,
) -> JoinHandle<()> {
    let ring = || Arc::clone(&config.key_ring);
    let rotating = keys
        .clone()
        .keep(replication.clone(), ring(), config.rotation, stop.clone());
    tokio::spawn(rotating);
    let resealer = Resealer::new(replication.clone(), ring(), metrics.clone());
    tokio::spawn(resealer.run(stop.clone()));
    tokio::spawn(replication.clone().keep_pulse(stop.clone()));
    if channels.mail.is_none() {
        tracing::warn!("no mail transport is configured: mail stays in the outbox");
    }
    let worker = Worker::new(replication.clone(), channels, metrics.clone());
    tokio::spawn(worker.run(stop.clone()))
}

fn channels(config: &Config, transport: Option<Transport>, gateway: Option<Gateway>) -> Channels {
    let sender = config.mail.as_ref().map(|mail| mail.from.clone());
    Channels {
        ring: Arc::clone(&config.key_ring),
        mail: sender.zip(transport),
        gateway,
    }
}

/// Refuses a key ring that has lost a key which still seals something here.
async fn check_key_ring(replication: &Replication, ring: &Arc<KeyRing>) -> Result<(), Ended> {
    let (view, ring) = (replication.view(), Arc::clone(ring));
    let orphans = tokio::task::spawn_blocking(move || resealing::orphans(&view, &ring)).await;
    let orphans = orphans.map_err(words)?.map_err(words)?;
    let Some((key, values)) = orphans.into_iter().next() else {
        return Ok(());
    };
    Err(words(format!(
        "keys.key_ring: key {key} is not in it and {values} values are sealed with it: add it again, and take it out \
         after the leader has logged that every value is sealed with the active key"
    )))
}

impl Running {
    async fn until_the_end(mut self, config: &Config) -> Ended {
        let signal = tokio::select! {
            signal = self.signals.next() => signal,
            fault = self.replication.failed() => return failed(config, &fault),
        };
        tracing::info!(signal, in_flight = self.health.in_flight(), "stopping");
        self.health.start_draining();
        let drained = async {
            // Load balancers learn it from their probes and send nothing new.
            tokio::time::sleep(DRAIN_NOTICE).await;
            self.stop_requests.stop();
            // The server bounds this itself; a panic in it has been told.
            let _ = (&mut self.requests).await;
        };
        tokio::select! {
            () = drained => {}
            fault = self.replication.failed() => return failed(config, &fault),
        }
        self.stop_rest.stop();
        let _ = self.worker.await;
        let closed = tokio::time::timeout(STORE_SHUTDOWN_MAX * 2, self.replication.shutdown(STORE_SHUTDOWN_MAX)).await;
        let _ = self.ops.await;
        match closed {
            Ok(Ok(())) => {
                tracing::info!("stopped");
                Ended::Orderly
            }
            Ok(Err(fault)) => failed(config, &fault),
            Err(_) => fail(&"the store did not close in time; nothing acknowledged is lost by that"),
        }
    }
}

/// A folder that other members refuse is no fault of this run: it must not be started again as it is.
fn failed(config: &Config, fault: &Fault) -> Ended {
    match fault {
        Fault::Restored { .. } => {
            let ended = Ended::Quarantined(storage::what_to_do(config, &fault.to_string()));
            ended.tell();
            ended
        }
        Fault::Storage(_) | Fault::Damaged(_) | Fault::Diverged { .. } | Fault::Consensus(_) => fail(fault),
    }
}

fn fail(fault: &impl Display) -> Ended {
    tracing::error!(%fault, "a fault: this node stops at once");
    Ended::Fault
}

fn words(error: impl Display) -> Ended {
    Ended::Refused(error.to_string())
}
