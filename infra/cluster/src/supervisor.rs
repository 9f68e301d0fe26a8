//! Owns the child processes of one cluster: starts, stops, kills, pauses and resumes them by name, and keeps
//! `cluster.json` true. A child that dies stays dead until somebody restarts it: tests want to see that.

mod waiting;

use crate::binaries::Binaries;
use crate::child_log;
use crate::description::Description;
use crate::equipment::{self, Equipment};
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::limits::CHILD_STOP_SECONDS_MAX;
use crate::process;
use crate::status::Prober;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// How to start one member.
#[derive(Clone, Debug)]
struct Spec {
    program: PathBuf,
    config: PathBuf,
    log: PathBuf,
    ops: String,
}

/// The child processes of one cluster.
pub struct Supervisor {
    layout: Layout,
    specs: BTreeMap<String, Spec>,
    description: Mutex<Description>,
    children: tokio::sync::Mutex<BTreeMap<String, Child>>,
    last_exits: Mutex<BTreeMap<String, ExitStatus>>,
    prober: Prober,
    ctl: PathBuf,
    equipment: equipment::Store,
    own_group: bool,
}

/// Whether signals of the terminal reach the children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups {
    /// No: Ctrl-C is for the supervisor, which stops them in order.
    Apart,
    /// Yes: who kills the group of a test kills its cluster.
    Shared,
}

impl Supervisor {
    /// Nothing runs yet.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn new(layout: Layout, binaries: &Binaries, description: Description, groups: Groups) -> Result<Self> {
        let node = |n: &crate::description::NodeEntry| {
            let spec = Spec {
                program: binaries.node.clone(),
                config: n.config.clone(),
                log: n.log.clone(),
                ops: n.ops.clone(),
            };
            (n.name.clone(), spec)
        };
        let lb = |l: &crate::description::LbEntry| {
            let spec = Spec {
                program: binaries.lb.clone(),
                config: l.config.clone(),
                log: l.log.clone(),
                ops: l.ops.clone(),
            };
            (l.name.clone(), spec)
        };
        let specs = description
            .nodes
            .iter()
            .map(node)
            .chain(description.lbs.iter().map(lb))
            .collect();
        description.save(&layout)?;
        Ok(Self {
            layout,
            specs,
            description: Mutex::new(description),
            children: tokio::sync::Mutex::new(BTreeMap::new()),
            last_exits: Mutex::new(BTreeMap::new()),
            prober: Prober::new()?,
            ctl: binaries.ctl.clone(),
            equipment: equipment::Store::default(),
            own_group: groups == Groups::Apart,
        })
    }

    /// What runs now.
    #[must_use]
    pub fn description(&self) -> Description {
        self.described().clone()
    }

    /// The cluster's folder.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The operator's command line.
    #[must_use]
    pub fn ctl(&self) -> &std::path::Path {
        &self.ctl
    }

    /// Asks members how they are.
    #[must_use]
    pub fn prober(&self) -> &Prober {
        &self.prober
    }

    /// Changes `cluster.json`.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn describe(&self, change: impl FnOnce(&mut Description)) -> Result<()> {
        let mut description = self.described();
        let before = description.clone();
        change(&mut description);
        if *description == before {
            Ok(())
        } else {
            description.save(&self.layout)
        }
    }

    /// Starts a member that is down, and waits until it answers on its operations port.
    ///
    /// # Errors
    /// Refuses an unknown name and a member that runs; a fault when it does not come up, with the end of its log.
    pub async fn start(&self, name: &str) -> Result<()> {
        let spec = self.spec(name)?;
        self.spawn(name, spec).await?;
        self.wait_live(name, spec).await
    }

    /// Starts a member that is down, and does not wait for anything.
    ///
    /// # Errors
    /// Refuses an unknown name and a member that runs.
    pub async fn launch(&self, name: &str) -> Result<()> {
        self.spawn(name, self.spec(name)?).await
    }

    /// What a member is started with from its next start on.
    pub fn equip(&self, name: &str, equipment: Equipment) {
        self.equipment.set(name, equipment);
    }

    /// Starts every member, then waits for all of them.
    ///
    /// # Errors
    /// As [`Supervisor::start`].
    pub async fn start_all(&self) -> Result<()> {
        for (name, spec) in &self.specs {
            self.spawn(name, spec).await?;
        }
        for (name, spec) in &self.specs {
            self.wait_live(name, spec).await?;
        }
        Ok(())
    }

    /// SIGTERM, and SIGKILL when the member does not end in time.
    ///
    /// # Errors
    /// Refuses an unknown name and a member that is down; a fault when it had to be killed.
    pub async fn stop(&self, name: &str) -> Result<()> {
        self.signal(name, Signal::SIGTERM).await?;
        // A stopped process gets its signal when it goes on.
        let _ = self.signal(name, Signal::SIGCONT).await;
        self.wait_gone(name, Duration::from_secs(CHILD_STOP_SECONDS_MAX)).await
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// Refuses an unknown name and a member that is down.
    pub async fn kill(&self, name: &str) -> Result<()> {
        self.signal(name, Signal::SIGKILL).await?;
        self.wait_gone(name, Duration::from_secs(CHILD_STOP_SECONDS_MAX)).await
    }

    /// SIGKILL to several members at the same moment.
    ///
    /// # Errors
    /// As [`Supervisor::kill`].
    pub async fn kill_together(&self, names: &[&str]) -> Result<()> {
        for name in names {
            self.signal(name, Signal::SIGKILL).await?;
        }
        for name in names {
            self.wait_gone(name, Duration::from_secs(CHILD_STOP_SECONDS_MAX))
                .await?;
        }
        Ok(())
    }

    /// SIGSTOP: the member keeps its connections and answers nothing.
    ///
    /// # Errors
    /// Refuses an unknown name and a member that is down.
    pub async fn pause(&self, name: &str) -> Result<()> {
        self.signal(name, Signal::SIGSTOP).await
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// Refuses an unknown name and a member that is down.
    pub async fn resume(&self, name: &str) -> Result<()> {
        self.signal(name, Signal::SIGCONT).await
    }

    /// Stops the member if it runs, and starts it.
    ///
    /// # Errors
    /// As [`Supervisor::start`].
    pub async fn restart(&self, name: &str) -> Result<()> {
        self.spec(name)?;
        self.reap().await?;
        if self.description().pid(name).is_some() {
            self.stop(name).await?;
        }
        self.start(name).await
    }

    /// Load balancers first, so that no request is lost; then the nodes together.
    ///
    /// # Errors
    /// Names members that had to be killed.
    pub async fn stop_all(&self) -> Result<()> {
        let description = self.description();
        let lbs: Vec<String> = description.lbs.iter().map(|l| l.name.clone()).collect();
        let nodes: Vec<String> = description.nodes.iter().map(|n| n.name.clone()).collect();
        let lbs = self.stop_together(&lbs).await;
        let nodes = self.stop_together(&nodes).await;
        lbs.and(nodes)
    }

    async fn stop_together(&self, names: &[String]) -> Result<()> {
        self.reap().await?;
        let running: Vec<&String> = names.iter().filter(|n| self.described().pid(n).is_some()).collect();
        for name in &running {
            let _ = self.signal(name, Signal::SIGTERM).await;
            let _ = self.signal(name, Signal::SIGCONT).await;
        }
        let deadline = Instant::now() + Duration::from_secs(CHILD_STOP_SECONDS_MAX);
        let mut late = Vec::new();
        for name in running {
            if let Err(e) = self
                .wait_gone(name, deadline.saturating_duration_since(Instant::now()))
                .await
            {
                late.push(e.to_string());
            }
        }
        if late.is_empty() {
            Ok(())
        } else {
            Err(Error::fault(late.join("\n")))
        }
    }

    /// Notes children that ended since the last look.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub async fn reap(&self) -> Result<()> {
        let mut children = self.children.lock().await;
        let mut ended = Vec::new();
        for (name, child) in children.iter_mut() {
            if let Ok(Some(status)) = child.try_wait() {
                ended.push((name.clone(), status));
            }
        }
        for (name, _) in &ended {
            children.remove(name);
        }
        self.describe(|d| ended.iter().for_each(|(name, _)| d.set_pid(name, None)))?;
        self.exits().extend(ended);
        Ok(())
    }

    fn exits(&self) -> MutexGuard<'_, BTreeMap<String, ExitStatus>> {
        self.last_exits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn described(&self) -> MutexGuard<'_, Description> {
        self.description.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spec(&self, name: &str) -> Result<&Spec> {
        self.specs.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.specs.keys().map(String::as_str).collect();
            Error::refused(format!(
                "there is no {name} in this cluster: its members are {}",
                known.join(", ")
            ))
        })
    }

    async fn spawn(&self, name: &str, spec: &Spec) -> Result<()> {
        self.reap().await?;
        let mut children = self.children.lock().await;
        if let Some(pid) = children.get(name).and_then(Child::id) {
            return Err(Error::refused(format!(
                "{name} runs already (pid {pid}): stop or kill it first, or use restart"
            )));
        }
        let log = child_log::open(&spec.log)?;
        let errors = log.try_clone().map_err(|e| Error::file("write", &spec.log, &e))?;
        let equipment = self.equipment.of(name);
        let program = equipment.program.as_ref().unwrap_or(&spec.program);
        let mut command = Command::new(program);
        command.envs(&equipment.environment);
        command.arg("serve").arg("--config").arg(&spec.config);
        command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .kill_on_drop(true);
        if self.own_group {
            command.process_group(0);
        }
        let child = command.spawn().map_err(|e| Error::file("start", program, &e))?;
        self.describe(|d| d.set_pid(name, child.id()))?;
        children.insert(name.to_owned(), child);
        Ok(())
    }

    /// The child is ours and not yet waited for, so its number cannot belong to anybody else.
    async fn signal(&self, name: &str, signal: Signal) -> Result<()> {
        self.spec(name)?;
        self.reap().await?;
        let children = self.children.lock().await;
        match children.get(name).and_then(Child::id) {
            Some(pid) if process::signal(pid, signal) => Ok(()),
            None | Some(_) => Err(Error::refused(format!("{name} is down: start it with restart"))),
        }
    }
}
