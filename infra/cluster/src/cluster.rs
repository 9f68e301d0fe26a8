//! A cluster for tests and benches: in a folder and on ports of its own, gone when it is dropped.

use crate::binaries::{Binaries, Build};
use crate::bring_up;
use crate::description::{Admin, Description};
use crate::error::{Error, Result};
use crate::http;
use crate::layout::Layout;
use crate::limits::{POLL, START_SECONDS_MAX};
use crate::ports::Ports;
use crate::settings::{LBS_DEFAULT, NODES_DEFAULT, Wish};
use crate::status::ClusterStatus;
use crate::supervisor::{Groups, Supervisor};
use crate::surroundings::Surroundings;
use auth_api::status::Role;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// What kind of cluster.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many nodes.
    pub nodes: u16,
    /// How many load balancers.
    pub lbs: u16,
    /// Folder of the programs; found as [`Binaries::find`] does when not given.
    pub bin_dir: Option<PathBuf>,
    /// What it is put into.
    pub surroundings: Surroundings,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: NODES_DEFAULT,
            lbs: LBS_DEFAULT,
            bin_dir: None,
            surroundings: Surroundings::default(),
        }
    }
}

/// The files of a cluster, before anything runs: the last moment to change something around them.
pub struct Staged {
    binaries: Binaries,
    prepared: bring_up::Prepared,
    dir: TempDir,
}

impl Staged {
    /// Makes the files.
    ///
    /// # Errors
    /// No folder, no free ports, a program that is missing.
    pub fn new(options: &Options) -> Result<Self> {
        let binaries = match &options.bin_dir {
            Some(dir) => Binaries::in_folder(dir)?,
            None => Binaries::find(Build::Own)?,
        };
        let (dir, prepared) = prepare_temporary(options)?;
        Ok(Self {
            binaries,
            prepared,
            dir,
        })
    }

    /// Where everything lies.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.prepared.layout
    }

    /// Where everybody will listen.
    ///
    /// # Errors
    /// Not expected.
    pub fn ports(&self) -> Result<Ports> {
        self.prepared.settings.ports()
    }

    /// Starts the processes and waits until a login succeeds.
    ///
    /// # Errors
    /// As [`bring_up::Prepared::supervise`] and [`bring_up::start`].
    pub async fn start(self) -> Result<Cluster> {
        self.start_with(|_| ()).await
    }

    /// The same, after something was changed about how members are started.
    ///
    /// # Errors
    /// As [`Staged::start`].
    pub async fn start_with(self, equip: impl FnOnce(&Supervisor)) -> Result<Cluster> {
        let supervisor = self.prepared.supervise(&self.binaries, Groups::Shared)?;
        equip(&supervisor);
        bring_up::start(&supervisor, &|_| ()).await?;
        let watcher = tokio::spawn(watch_children(Arc::clone(&supervisor)));
        Ok(Cluster {
            supervisor,
            watcher,
            dir: Some(self.dir),
        })
    }
}

/// A running cluster. Dropping it kills every process and deletes the folder; after a failed test the folder stays.
pub struct Cluster {
    supervisor: Arc<Supervisor>,
    watcher: JoinHandle<()>,
    dir: Option<TempDir>,
}

impl Cluster {
    /// Starts one and waits until a login succeeds.
    ///
    /// # Errors
    /// As [`bring_up::Prepared::supervise`] and [`bring_up::start`].
    pub async fn start(options: Options) -> Result<Self> {
        Staged::new(&options)?.start().await
    }

    /// What runs now, as in `cluster.json`.
    #[must_use]
    pub fn description(&self) -> Description {
        self.supervisor.description()
    }

    /// Where everything lies.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        self.supervisor.layout()
    }

    /// One origin per load balancer.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.description().urls
    }

    /// The authority to trust.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.layout().ca()
    }

    /// Where mails lie that would have been sent.
    #[must_use]
    pub fn mail_dir(&self) -> PathBuf {
        self.layout().mail()
    }

    /// The first account.
    ///
    /// # Errors
    /// Not expected: a started cluster has one.
    pub fn admin(&self) -> Result<Admin> {
        self.description()
            .admin
            .ok_or_else(|| Error::fault("the cluster has no first account"))
    }

    /// A client that trusts the cluster.
    ///
    /// # Errors
    /// Not expected.
    pub fn client(&self) -> Result<reqwest::Client> {
        http::front_client(&self.ca())
    }

    /// A client that comes from this address of the machine: another one to limits per address.
    ///
    /// # Errors
    /// Not expected.
    pub fn client_from(&self, address: std::net::IpAddr) -> Result<reqwest::Client> {
        http::front_client_of(&self.ca(), Some(address))
    }

    /// Everybody's state.
    pub async fn status(&self) -> ClusterStatus {
        self.supervisor.prober().cluster(&self.description()).await
    }

    /// Waits for a leader that a majority of the answering nodes could follow; returns its name.
    ///
    /// # Errors
    /// There is none for as long as a start may take.
    pub async fn find_leader(&self) -> Result<String> {
        self.find("a leader", |status| {
            let leaders = status.nodes.iter().filter(|n| n.role == Role::Leader);
            leaders.max_by_key(|n| n.term).map(|n| n.name.clone())
        })
        .await
    }

    /// Waits until every member is up and ready.
    ///
    /// # Errors
    /// One is not, for as long as a start may take.
    pub async fn wait_healthy(&self) -> Result<()> {
        self.find("every member ready", |status| status.healthy().then_some(()))
            .await
    }

    async fn find<T>(&self, what: &str, look: impl Fn(&ClusterStatus) -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
        loop {
            let status = self.status().await;
            if let Some(found) = look(&status) {
                return Ok(found);
            }
            if Instant::now() > deadline {
                return Err(Error::fault(format!(
                    "waited {START_SECONDS_MAX} s for {what} in vain:\n{}",
                    status.table()
                )));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Kills a node, deletes its data, and lets its machine join as a new node in the old one's place.
    ///
    /// # Errors
    /// As [`crate::replace::replace`].
    pub async fn replace_node(&self, name: &str) -> Result<crate::replace::Replaced> {
        crate::replace::replace(&self.supervisor, name).await
    }

    /// Everything that processes are told: kill, stop, pause, resume, restart, by name.
    #[must_use]
    pub fn members(&self) -> &Supervisor {
        &self.supervisor
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Ends the task that shares the supervisor; the children die with their handles.
        self.watcher.abort();
        let description = self.description();
        for name in description.names() {
            if let Some(pid) = description.pid(&name) {
                let config = self.layout().config(&name);
                if crate::process::runs(pid, &config) {
                    crate::process::signal(pid, nix::sys::signal::Signal::SIGKILL);
                }
            }
        }
        if let Some(dir) = self.dir.take()
            && std::thread::panicking()
        {
            eprintln!("the cluster's logs and data stay in {}", dir.keep().display());
        }
    }
}

/// The files of a cluster in a temporary folder, on free ports, not started.
///
/// # Errors
/// No folder, no free ports.
pub fn prepare_temporary(options: &Options) -> Result<(TempDir, bring_up::Prepared)> {
    let dir = tempfile::Builder::new()
        .prefix("tfauth-")
        .tempdir()
        .map_err(|e| Error::fault(format!("no temporary folder: {e}")))?;
    let (base, _) = Ports::find_free(options.nodes, options.lbs)?;
    let layout = Layout::new(dir.path())?;
    let wish = Wish {
        nodes: Some(options.nodes),
        lbs: Some(options.lbs),
        base_port: Some(base),
    };
    let prepared = bring_up::prepare(&layout, wish, &options.surroundings, &|_| ())?;
    Ok((dir, prepared))
}

/// Keeps `cluster.json` true when children die by themselves.
pub(crate) async fn watch_children(supervisor: Arc<Supervisor>) {
    let Ok(mut died) = signal(SignalKind::child()) else {
        return;
    };
    while died.recv().await.is_some() {
        // A full disk is told by the next command that needs the file.
        let _ = supervisor.reap().await;
    }
}
