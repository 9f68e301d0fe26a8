//! The life of a supervisor, in the foreground or behind: takes the folder, brings the cluster up, does what it is told,
//! stops everything in order.

use crate::binaries::Binaries;
use crate::bring_up::{self, Progress};
use crate::cluster::watch_children;
use crate::config::Mail;
use crate::control::{self, Action, Reply, Request};
use crate::error::{Error, Result};
use crate::files;
use crate::layout::Layout;
use crate::limits::{CHILD_READY_SECONDS_MAX, CHILD_STOP_SECONDS_MAX, POLL};
use crate::process;
use crate::replace;
use crate::settings::Wish;
use crate::supervisor::{Groups, Supervisor};
use std::fs::{File, TryLockError};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::BufReader;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// What to run.
pub struct Plan {
    /// Where.
    pub layout: Layout,
    /// What the user asked for.
    pub wish: Wish,
    /// How mail goes.
    pub mail: Mail,
    /// Whether to delete what is there first.
    pub fresh: bool,
    /// The programs.
    pub binaries: Binaries,
}

/// Held as long as the supervisor lives.
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// `None` when another process has it.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn take(layout: &Layout) -> Result<Option<Self>> {
        files::folder(layout.root())?;
        let path = layout.lock();
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| Error::file("open", &path, &e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(Error::file("lock", &path, &e)),
        }
    }
}

#[derive(Clone)]
enum Phase {
    Starting(String),
    Serving(Arc<Supervisor>),
}

/// Somebody who waits until everything is stopped.
type DownRequest = oneshot::Sender<Reply>;

/// Runs a cluster until a signal or `down`. `show` is polled while it serves; it must never end.
///
/// # Errors
/// As [`bring_up::prepare`] and [`bring_up::start`]; members that had to be killed.
pub async fn run<S, F>(plan: Plan, lock: FolderLock, progress: Progress<'_>, show: S) -> Result<()>
where
    S: FnOnce(Arc<Supervisor>) -> F,
    F: Future<Output = ()>,
{
    let _held = lock;
    let mut signals = Signals::new()?;
    let layout = plan.layout.clone();
    let (phase, phases) = watch::channel(Phase::Starting("begins".to_owned()));
    let (down, mut downs) = mpsc::channel(8);
    files::write(&layout.pid_file(), std::process::id().to_string().as_bytes())?;
    let ear = tokio::spawn(listen(control::listen(&layout)?, phases, down));
    let told = |what: &str| {
        progress(what);
        phase.send_replace(Phase::Starting(what.to_owned()));
    };
    let outcome = live(plan, &told, &phase, &mut signals, &mut downs, show).await;
    ear.abort();
    control::unlisten(&layout);
    let _ = std::fs::remove_file(layout.pid_file());
    outcome
}

async fn live<S, F>(
    plan: Plan,
    progress: Progress<'_>,
    phase: &watch::Sender<Phase>,
    signals: &mut Signals,
    downs: &mut mpsc::Receiver<DownRequest>,
    show: S,
) -> Result<()>
where
    S: FnOnce(Arc<Supervisor>) -> F,
    F: Future<Output = ()>,
{
    let strays = process::stop_strays(&plan.layout, Duration::from_secs(CHILD_STOP_SECONDS_MAX)).await;
    if strays > 0 {
        progress(&format!(
            "stopped {strays} processes that a dead supervisor left behind"
        ));
    }
    if plan.fresh {
        bring_up::wipe(&plan.layout)?;
    }
    let prepared = bring_up::prepare(&plan.layout, plan.wish, &plan.mail.clone().into(), progress)?;
    let supervisor = prepared.supervise(&plan.binaries, Groups::Apart)?;
    let watcher = tokio::spawn(watch_children(Arc::clone(&supervisor)));
    let serve = async {
        bring_up::start(&supervisor, progress).await?;
        phase.send_replace(Phase::Serving(Arc::clone(&supervisor)));
        show(Arc::clone(&supervisor)).await;
        Ok(())
    };
    let (asked_by, outcome) = tokio::select! {
        outcome = serve => (None, outcome),
        () = signals.next() => (None, Ok(())),
        Some(asker) = downs.recv() => (Some(asker), Ok(())),
    };
    progress("stopping: load balancers first, then nodes");
    let stopped = tokio::select! {
        stopped = supervisor.stop_all() => stopped,
        () = signals.next() => Err(Error::fault("interrupted again: what still ran was killed")),
    };
    watcher.abort();
    if stopped.is_err() {
        process::stop_strays(&plan.layout, Duration::ZERO).await;
    }
    supervisor.reap().await?;
    if let Some(asker) = asked_by {
        let reply = stopped
            .as_ref()
            .map(|()| "stopped".to_owned())
            .map_err(|e| Error::fault(e.to_string()));
        let _ = asker.send(Reply::from(reply));
        // The answer is on its way through the task that owns the connection.
        tokio::time::sleep(POLL).await;
    }
    outcome.and(stopped)
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).map_err(|e| Error::fault(format!("cannot listen for signals: {e}")));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

async fn listen(listener: UnixListener, phases: watch::Receiver<Phase>, down: mpsc::Sender<DownRequest>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(BufReader::new(stream), phases.clone(), down.clone()));
    }
}

async fn converse(mut stream: BufReader<UnixStream>, phases: watch::Receiver<Phase>, down: mpsc::Sender<DownRequest>) {
    let reply = match control::receive(&mut stream).await {
        Ok(request) => answer(request, phases, down).await,
        Err(e) => Reply::Refused(format!("not a request: {e}")),
    };
    let _ = control::send(&mut stream, &reply).await;
}

async fn answer(request: Request, phases: watch::Receiver<Phase>, down: mpsc::Sender<DownRequest>) -> Reply {
    if request == Request::Down {
        let (asker, stopped) = oneshot::channel();
        let _ = down.send(asker).await;
        return stopped
            .await
            .unwrap_or_else(|_| Reply::Fault("the supervisor ended while stopping".to_owned()));
    }
    let phase = phases.borrow().clone();
    match (phase, request) {
        (Phase::Starting(what), _) => Reply::Starting(what),
        (Phase::Serving(supervisor), Request::Member { action, name }) => {
            Reply::from(act(&supervisor, action, &name).await)
        }
        (Phase::Serving(_), Request::Phase | Request::Down) => Reply::Done("serving".to_owned()),
    }
}

async fn act(supervisor: &Supervisor, action: Action, name: &str) -> Result<String> {
    match action {
        Action::Stop => supervisor.stop(name).await.map(|()| format!("{name} is stopped")),
        Action::Kill => supervisor.kill(name).await.map(|()| format!("{name} is killed")),
        Action::Pause => supervisor
            .pause(name)
            .await
            .map(|()| format!("{name} is paused: it goes on with resume")),
        Action::Resume => supervisor.resume(name).await.map(|()| format!("{name} goes on")),
        Action::Replace => {
            let replaced = replace::replace(supervisor, name).await?;
            Ok(format!(
                "{name} is node {} now, in the place of node {}, whose id is refused for ever",
                replaced.new, replaced.old
            ))
        }
        Action::Restart => {
            supervisor.restart(name).await?;
            let pid = supervisor
                .description()
                .pid(name)
                .map_or_else(|| "-".to_owned(), |p| p.to_string());
            let ready = wait_ready(supervisor, name).await;
            Ok(format!(
                "{name} runs (pid {pid}){}",
                if ready {
                    " and is ready"
                } else {
                    ", not ready yet: see status"
                }
            ))
        }
    }
}

async fn wait_ready(supervisor: &Supervisor, name: &str) -> bool {
    let description = supervisor.description();
    let nodes = description.nodes.iter().map(|n| (&n.name, &n.ops));
    let Some((_, ops)) = nodes
        .chain(description.lbs.iter().map(|l| (&l.name, &l.ops)))
        .find(|(n, _)| *n == name)
    else {
        return false;
    };
    let deadline = Instant::now() + Duration::from_secs(CHILD_READY_SECONDS_MAX);
    while Instant::now() < deadline {
        if supervisor.prober().ready(ops).await {
            return true;
        }
        tokio::time::sleep(POLL).await;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_supervisor() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path()).unwrap();
        let held = FolderLock::take(&layout).unwrap();
        assert!(held.is_some());
        assert!(FolderLock::take(&layout).unwrap().is_none());
        drop(held);
        assert!(FolderLock::take(&layout).unwrap().is_some());
    }
}
