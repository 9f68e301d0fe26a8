//! Starts everything in order, and ends it in order. The only module that knows all the others.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use tokio_rustls::TlsConnector;

use crate::cluster::Cluster;
use crate::config::{Config, ConfigError, Drain};
use crate::drain::{Ask, Lifecycle, Signals};
use crate::front::{Bound, Front, FrontError};
use crate::limits::CLOSE_LINGER_MS;
use crate::metrics::Metrics;
use crate::ops::{self, Ops};
use crate::proxy::Proxy;
use crate::tls::{self, FrontCertificate};
use crate::{clock, logging, probe};

/// Why the program ends without having been asked to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The front cannot be built.
    #[error(transparent)]
    Front(#[from] FrontError),
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
            Self::Config(_) | Self::Front(_) | Self::Identity(_) | Self::Metrics(_) => true,
            Self::System(_) | Self::TaskStopped(_) => false,
        }
    }
}

/// Serves until a signal asks to stop.
///
/// # Errors
/// What is wrong with the configuration or the system.
pub fn serve(path: &Path) -> Result<(), ServeError> {
    tls::install_provider();
    let config = Config::load(path)?;
    let bound = config
        .front
        .listen
        .iter()
        .map(|address| Bound::new("front.listen", *address))
        .collect::<Result<Vec<_>, _>>()?;
    let ops_bound = Bound::new("ops.listen", config.ops_listen)?;
    let metrics = Arc::new(Metrics::new()?);
    let connector = TlsConnector::from(Arc::new(tls::client_config(&config.backend)?));
    logging::start(config.log_level, Arc::clone(&metrics));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("lb")
        .build()?;
    let outcome = runtime.block_on(run(config, path, bound, ops_bound, metrics, connector));
    // What still runs at this point was given up.
    runtime.shutdown_background();
    outcome
}

async fn run(
    config: Config,
    path: &Path,
    bound: Vec<Bound>,
    ops_bound: Bound,
    metrics: Arc<Metrics>,
    connector: TlsConnector,
) -> Result<(), ServeError> {
    let mut signals = Signals::listen()?;
    let lifecycle = Lifecycle::new();
    let cluster = Arc::new(Cluster::new(&config));
    let front_addresses: Vec<String> = bound.iter().map(|bound| bound.address.to_string()).collect();
    let ops_address = ops_bound.address;

    let certificate = Arc::new(FrontCertificate::new(Arc::clone(&config.front.certificate)));
    let proxy = Proxy::new(
        &config,
        Arc::clone(&cluster),
        Arc::clone(&lifecycle),
        Arc::clone(&metrics),
    );
    let front = Front::new(&config, proxy, &certificate, bound)?;

    let mut tasks = JoinSet::new();
    for index in 0..config.nodes.len() {
        tasks.spawn(probe::run(Arc::clone(&cluster), index, connector.clone(), config.probe));
    }
    let ops = Ops {
        cluster,
        lifecycle: Arc::clone(&lifecycle),
        metrics,
    };
    tasks.spawn(ops::run(Arc::new(ops), ops_bound.into_tokio()?));
    let (shutdown, shutdown_watch) = watch::channel(false);
    let mut front = tokio::spawn(front.run(shutdown_watch));
    tracing::info!(
        name = config.name,
        front = front_addresses.join(" "),
        ops = %ops_address,
        nodes = config.nodes.len(),
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );

    loop {
        let ask = tokio::select! {
            ask = signals.next() => ask,
            _ = &mut front => return Err(ServeError::TaskStopped("front")),
            // None of them ends, unless it panicked.
            _ = tasks.join_next() => return Err(ServeError::TaskStopped("probe or operations listener")),
        };
        match ask {
            Ask::Reload => reload(path, &certificate),
            Ask::Leave => {
                leave(config.drain, &lifecycle, &mut signals, &shutdown, &mut front).await;
                break;
            }
            Ask::LeaveAtOnce => break,
        }
    }
    tracing::info!("stopped");
    Ok(())
}

/// Shows a new certificate to clients. A configuration that is wrong in any way changes nothing.
fn reload(path: &Path, certificate: &FrontCertificate) {
    match Config::load(path) {
        Ok(config) => {
            certificate.replace(config.front.certificate);
            tracing::info!("front certificate read again; other settings take effect at the next start");
        }
        Err(error) => tracing::error!(%error, "configuration is wrong: nothing was changed"),
    }
}

/// Denies readiness and goes on serving until others have noticed; then takes no new connections and finishes what it has.
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
        sleep(Duration::from_millis(CLOSE_LINGER_MS)).await;
    };
    let rest = drain
        .max
        .saturating_sub(clock::now().saturating_duration_since(started));
    tokio::select! {
        () = finish => {}
        () = sleep(rest.max(Duration::from_millis(CLOSE_LINGER_MS * 2))) => {
            tracing::warn!(in_flight = lifecycle.in_flight(), "drain.max_ms is over: requests in flight are given up");
        }
        () = signals.next_at_once() => {}
    }
}
