//! Starts everything in order, and ends it in order. The only module that knows all the others.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, sleep};

use crate::admin::{self, Socket};
use crate::cluster::{Cluster, Node};
use crate::config::{Config, ConfigError, Drain};
use crate::drain::{Ask, Lifecycle, Signals};
use crate::front::{Bound, Crowd, Front, FrontError};
use crate::limits::CLOSE_LINGER_MS;
use crate::live::{Live, SharedLive};
use crate::metrics::Metrics;
use crate::ops::{self, Ops};
use crate::proxy::Proxy;
use crate::reload::Reloader;
use crate::tls::{self, FrontCertificates};
use crate::{clock, logging, open_files, probe, redirect};

/// Why the program ends without having been asked to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The front cannot be built.
    #[error(transparent)]
    Front(#[from] FrontError),
    /// The socket for operators cannot be bound.
    #[error("ops.socket = {}: {problem}", path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        problem: io::Error,
    },
    /// The certificate for the nodes is refused.
    #[error("backend.certificate, backend.key: {0}")]
    Identity(#[from] rustls::Error),
    /// The metrics contradict each other.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The system refuses something that it should not.
    #[error("the system refuses a runtime, socket or signal: {0}")]
    System(#[from] io::Error),
    /// A task ended by itself.
    #[error("{0} stopped by itself; see the log")]
    TaskStopped(&'static str),
}

impl ServeError {
    /// Whether nothing was served yet.
    pub fn is_before_serving(&self) -> bool {
        match self {
            Self::Config(_) | Self::Front(_) | Self::Socket { .. } | Self::Identity(_) | Self::Metrics(_) => true,
            Self::System(_) | Self::TaskStopped(_) => false,
        }
    }
}

/// Sockets that were bound before anything is served.
struct Sockets {
    front: Vec<Bound>,
    redirect: Vec<Bound>,
    ops: Bound,
    admin: Option<Socket>,
}

impl Sockets {
    fn bind(config: &Config) -> Result<Self, ServeError> {
        let redirect = config.redirect.as_ref().map_or(&[][..], |redirect| &redirect.listen);
        let admin = config.ops_socket.as_deref().map(|path| {
            Socket::bind(path).map_err(|problem| ServeError::Socket {
                path: path.into(),
                problem,
            })
        });
        Ok(Self {
            front: Bound::all("front.listen", &config.front.listen)?,
            redirect: Bound::all("redirect.listen", redirect)?,
            ops: Bound::new("ops.listen", config.ops_listen)?,
            admin: admin.transpose()?,
        })
    }
}

/// Serves until a signal asks to stop.
///
/// # Errors
/// What is wrong with the configuration or the system.
pub fn serve(path: &Path) -> Result<(), ServeError> {
    tls::install_provider();
    let config = Arc::new(Config::load(path)?);
    let sockets = Sockets::bind(&config)?;
    let metrics = Arc::new(Metrics::new()?);
    metrics.tell_expiry(&config);
    let cluster = Arc::new(Cluster::new(&config)?);
    let level = logging::start(config.log_level, Arc::clone(&metrics));
    for warning in config
        .warnings
        .iter()
        .chain(&open_files::shortage(&config, open_files::raise()))
    {
        tracing::warn!(warning, "configuration");
    }
    let live = Live::new(config).shared();
    let certificates = Arc::new(FrontCertificates::new(live.load().config.front.certificates.clone()));
    let reloader = Reloader::new(
        path,
        Arc::clone(&live),
        Arc::clone(&cluster),
        Arc::clone(&certificates),
        Arc::clone(&metrics),
        level,
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("lb")
        .build()?;
    let parts = Parts {
        live,
        cluster,
        certificates,
        metrics,
        lifecycle: Lifecycle::new(),
        crowd: Crowd::new(),
    };
    let outcome = runtime.block_on(run(parts, sockets, reloader));
    // What still runs at this point was given up.
    runtime.shutdown_background();
    outcome
}

/// What the tasks share.
struct Parts {
    live: SharedLive,
    cluster: Arc<Cluster>,
    certificates: Arc<FrontCertificates>,
    metrics: Arc<Metrics>,
    lifecycle: Arc<Lifecycle>,
    crowd: Arc<Crowd>,
}

/// How a task ended.
enum Ended {
    /// The node that it probed is no longer configured.
    Retired,
    /// It should have gone on.
    Wrongly,
}

impl Parts {
    fn front(&self) -> Result<Front, FrontError> {
        let proxy = Proxy::new(
            Arc::clone(&self.live),
            Arc::clone(&self.cluster),
            Arc::clone(&self.lifecycle),
            Arc::clone(&self.metrics),
        );
        Front::new(
            proxy,
            Arc::clone(&self.live),
            Arc::clone(&self.certificates),
            Arc::clone(&self.crowd),
            Arc::clone(&self.metrics),
        )
    }

    fn ops(&self) -> Arc<Ops> {
        Arc::new(Ops {
            cluster: Arc::clone(&self.cluster),
            live: Arc::clone(&self.live),
            crowd: Arc::clone(&self.crowd),
            lifecycle: Arc::clone(&self.lifecycle),
            metrics: Arc::clone(&self.metrics),
        })
    }

    fn probe(&self, tasks: &mut JoinSet<Ended>, nodes: Vec<Arc<Node>>) {
        for node in nodes {
            let (cluster, metrics) = (Arc::clone(&self.cluster), Arc::clone(&self.metrics));
            tasks.spawn(async move {
                probe::run(cluster, node, metrics).await;
                Ended::Retired
            });
        }
    }
}

/// Starts what answers operators and plain HTTP.
fn start_listeners(
    parts: &Parts,
    tasks: &mut JoinSet<Ended>,
    redirect: Vec<Bound>,
    ops: Bound,
    admin: Option<Socket>,
) -> io::Result<()> {
    for bound in redirect {
        let (live, listener) = (Arc::clone(&parts.live), bound.into_tokio()?);
        tasks.spawn(async move {
            redirect::run(live, listener).await;
            Ended::Wrongly
        });
    }
    let (shown, listener) = (parts.ops(), ops.into_tokio()?);
    tasks.spawn(async move {
        ops::run(shown, listener).await;
        Ended::Wrongly
    });
    if let Some(socket) = admin {
        let shown = parts.ops();
        tasks.spawn(async move {
            if let Err(error) = admin::run(shown, socket).await {
                tracing::error!(%error, "operators' socket");
            }
            Ended::Wrongly
        });
    }
    Ok(())
}

fn addresses(bound: &[Bound]) -> String {
    let addresses: Vec<String> = bound.iter().map(|bound| bound.address.to_string()).collect();
    addresses.join(" ")
}

async fn run(parts: Parts, sockets: Sockets, mut reloader: Reloader) -> Result<(), ServeError> {
    let mut signals = Signals::listen()?;
    let config = Arc::clone(&parts.live.load().config);
    let mut tasks = JoinSet::new();
    parts.probe(&mut tasks, parts.cluster.nodes());
    tracing::info!(
        name = config.name,
        front = addresses(&sockets.front),
        redirect = addresses(&sockets.redirect),
        ops = %sockets.ops.address,
        nodes = config.nodes.len(),
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );
    start_listeners(&parts, &mut tasks, sockets.redirect, sockets.ops, sockets.admin)?;
    let (shutdown, shutdown_watch) = watch::channel(false);
    let listeners = sockets
        .front
        .into_iter()
        .map(Bound::into_tokio)
        .collect::<Result<_, _>>()?;
    let mut front = tokio::spawn(parts.front()?.run(listeners, shutdown_watch));
    let mut polls = tokio::time::interval(config.reload);
    polls.set_missed_tick_behavior(MissedTickBehavior::Delay);

    loop {
        let ask = tokio::select! {
            ask = signals.next() => ask,
            _ = polls.tick() => {
                parts.probe(&mut tasks, reloader.look());
                continue;
            }
            _ = &mut front => return Err(ServeError::TaskStopped("front")),
            ended = tasks.join_next() => match ended {
                Some(Ok(Ended::Retired)) => continue,
                Some(Ok(Ended::Wrongly) | Err(_)) | None => {
                    return Err(ServeError::TaskStopped("probe or listener"));
                }
            },
        };
        match ask {
            Ask::Reload => parts.probe(&mut tasks, reloader.read_now()),
            Ask::Leave => {
                let drain = parts.live.load().config.drain;
                leave(drain, &parts.lifecycle, &mut signals, &shutdown, &mut front).await;
                break;
            }
            Ask::LeaveAtOnce => break,
        }
    }
    // The operators' socket goes with its task.
    tasks.shutdown().await;
    tracing::info!("stopped");
    Ok(())
}

/// Denies readiness and goes on serving until others have noticed; then takes no new connections, and serves those that it has
/// until they have ended.
async fn leave(
    drain: Drain,
    lifecycle: &Lifecycle,
    signals: &mut Signals,
    shutdown: &watch::Sender<bool>,
    front: &mut JoinHandle<()>,
) {
    let started = clock::now();
    lifecycle.start_draining();
    tracing::info!(in_flight = lifecycle.in_flight(), "draining");
    tokio::select! {
        () = sleep(drain.min) => {}
        ask = signals.next_to_leave() => if ask == Ask::LeaveAtOnce { return },
    }
    // Only a receiver that is gone could make this fail, and then there is nothing to stop.
    let _ = shutdown.send(true);
    let finish = async {
        let _ = front.await;
        lifecycle.empty().await;
    };
    let rest = drain
        .max
        .saturating_sub(clock::now().saturating_duration_since(started));
    tokio::select! {
        () = finish => {}
        () = sleep(rest.max(Duration::from_millis(CLOSE_LINGER_MS))) => {
            tracing::warn!(in_flight = lifecycle.in_flight(), "drain.max_ms is over: requests in flight are given up");
        }
        () = signals.next_at_once() => {}
    }
}
