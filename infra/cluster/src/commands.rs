//! What the commands do, one function each. They print for people; `status --json` prints for programs.

use crate::binaries::{Binaries, Build};
use crate::config::Mail;
use crate::control::{self, Action, Reply, Request};
use crate::description::Description;
use crate::error::{Error, Result};
use crate::files;
use crate::layout::Layout;
use crate::limits::{CHILD_STOP_SECONDS_MAX, DOWN_SECONDS_MAX, POLL, START_SECONDS_MAX};
use crate::process;
use crate::screen;
use crate::serve::{self, FolderLock, Plan};
use crate::settings::{Settings, Wish};
use crate::status::{ClusterStatus, Prober};
use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::Instant;

/// What `up` was asked for.
#[derive(Clone, Debug, Default)]
pub struct Up {
    /// Size and ports.
    pub wish: Wish,
    /// `host:port` of a mail server.
    pub smtp: Option<String>,
    /// Delete what is there first.
    pub fresh: bool,
    /// Which build to run.
    pub build: Build,
}

/// Starts a cluster and stays with it until Ctrl-C.
///
/// # Errors
/// As [`serve::run`].
pub async fn up(layout: &Layout, up: &Up) -> Result<()> {
    let Some(lock) = FolderLock::take(layout)? else {
        return already_up(layout, up).await;
    };
    let progress = |what: &str| println!("… {what}");
    serve::run(plan(layout, up)?, lock, &progress, |supervisor| {
        println!("{}", screen::banner(&supervisor.description()));
        screen::live_table(supervisor)
    })
    .await
}

/// The supervisor in the background: a session of its own, its output in a file.
///
/// # Errors
/// As [`serve::run`].
pub async fn supervise(layout: &Layout, up: &Up) -> Result<()> {
    // Fails only for the leader of a group, which a fresh child is not.
    let _ = nix::unistd::setsid();
    let Some(lock) = FolderLock::take(layout)? else {
        return Err(busy(layout));
    };
    let progress = |what: &str| println!("… {what}");
    serve::run(plan(layout, up)?, lock, &progress, |_| std::future::pending()).await
}

/// Starts a supervisor in the background and waits until a login succeeds. `arguments` are those of this process.
///
/// # Errors
/// What kept the supervisor from starting the cluster.
pub async fn up_detached(layout: &Layout, up: &Up, arguments: &[OsString]) -> Result<()> {
    match FolderLock::take(layout)? {
        None => return already_up(layout, up).await,
        Some(lock) => drop(lock),
    }
    let mut child = spawn_supervisor(layout, arguments)?;
    let mut said = String::new();
    let deadline = Instant::now() + Duration::from_secs(2 * START_SECONDS_MAX);
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(supervisor_failure(layout, status.code()));
        }
        match control::ask(layout, &Request::Phase).await.ok().flatten() {
            Some(Reply::Done(_)) => break,
            Some(Reply::Starting(what)) if what != said => {
                println!("… {what}");
                said = what;
            }
            Some(_) | None => {}
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            process::stop_strays(layout, Duration::from_secs(CHILD_STOP_SECONDS_MAX)).await;
            return Err(Error::fault(format!(
                "the cluster did not come up in time: see {}",
                layout.supervisor_log().display()
            )));
        }
        tokio::time::sleep(POLL).await;
    }
    println!("{}", screen::banner(&Description::require(layout)?));
    println!("it runs in the background: `infra/dev status`, `infra/dev logs -f`, `infra/dev down`");
    Ok(())
}

/// Tells one member's supervisor what to do with it.
///
/// # Errors
/// There is no supervisor, or what it said.
pub async fn member(layout: &Layout, action: Action, name: String) -> Result<()> {
    let description = Description::require(layout)?;
    if !description.names().contains(&name) {
        return Err(Error::refused(format!(
            "there is no {name} in this cluster: its members are {}",
            description.names().join(", ")
        )));
    }
    let Some(reply) = control::ask(layout, &Request::Member { action, name }).await? else {
        let dir = layout.root().display();
        return Err(Error::refused(format!(
            "the cluster in {dir} does not run: start it with `infra/dev up --dir {dir}`"
        )));
    };
    println!("{}", reply.into_result()?);
    Ok(())
}

/// How everybody is.
///
/// # Errors
/// There is no cluster in the folder.
pub async fn status(layout: &Layout) -> Result<ClusterStatus> {
    let description = Description::require(layout)?;
    Ok(Prober::new()?.cluster(&description).await)
}

/// Stops everything that runs from the folder; says what it did.
///
/// # Errors
/// Something did not stop in order, and was killed.
pub async fn down(layout: &Layout) -> Result<String> {
    if !layout.root().exists() {
        return Ok(format!(
            "nothing runs in {}: there is no such folder",
            layout.root().display()
        ));
    }
    let asked = Instant::now();
    let reply = tokio::time::timeout(
        Duration::from_secs(DOWN_SECONDS_MAX),
        control::ask(layout, &Request::Down),
    )
    .await;
    let (ran, outcome) = match reply {
        Ok(Ok(Some(reply))) => (true, reply.into_result().map(|_| ())),
        Ok(Ok(None)) => (false, Ok(())),
        Ok(Err(e)) => (true, Err(e)),
        Err(_) => (
            true,
            Err(Error::fault(format!(
                "the supervisor did not stop the cluster within {DOWN_SECONDS_MAX} s and was killed"
            ))),
        ),
    };
    end_supervisor(
        layout,
        if outcome.is_ok() {
            asked + Duration::from_secs(DOWN_SECONDS_MAX)
        } else {
            Instant::now()
        },
    )
    .await?;
    let strays = process::stop_strays(layout, Duration::from_secs(CHILD_STOP_SECONDS_MAX)).await;
    forget_pids(layout)?;
    outcome?;
    let dir = layout.root().display();
    Ok(match (ran, strays) {
        (true, 0) => format!("the cluster in {dir} is stopped; its data stays for the next `up`"),
        (_, 0) => format!("nothing runs in {dir}"),
        (_, n) => format!("stopped {n} processes in {dir} that had no supervisor"),
    })
}

/// Waits until nobody holds the folder; kills a supervisor that holds on.
async fn end_supervisor(layout: &Layout, deadline: Instant) -> Result<()> {
    while FolderLock::take(layout)?.is_none() {
        if Instant::now() > deadline
            && let Some(pid) = files::read(&layout.pid_file())?.and_then(|text| text.trim().parse().ok())
            && process::is_supervisor(pid)
        {
            process::signal(pid, Signal::SIGKILL);
        }
        tokio::time::sleep(POLL).await;
    }
    control::unlisten(layout);
    let _ = std::fs::remove_file(layout.pid_file());
    Ok(())
}

fn forget_pids(layout: &Layout) -> Result<()> {
    let Some(mut description) = Description::load(layout)? else {
        return Ok(());
    };
    for name in description.names() {
        description.set_pid(&name, None);
    }
    description.save(layout)
}

async fn already_up(layout: &Layout, up: &Up) -> Result<()> {
    if up.fresh {
        return Err(busy(layout));
    }
    if let Some(settings) = Settings::load(layout)? {
        settings.must_satisfy(up.wish, layout)?;
    }
    let status = Prober::new()?.settled(&Description::require(layout)?).await;
    if status.healthy() {
        println!("the cluster in {} is up already", layout.root().display());
        println!("{}", screen::banner(&Description::require(layout)?));
        return Ok(());
    }
    let sick = if status.sick().is_empty() {
        "no leader".to_owned()
    } else {
        status.sick().join(", ")
    };
    Err(Error::fault(format!(
        "the cluster in {} runs already but is not well ({sick}): see `infra/dev status`, bring members back with `infra/dev restart NAME`",
        layout.root().display()
    )))
}

fn busy(layout: &Layout) -> Error {
    let dir = layout.root().display();
    Error::refused(format!(
        "a cluster runs in {dir}: stop it first with `infra/dev down --dir {dir}`"
    ))
}

fn plan(layout: &Layout, up: &Up) -> Result<Plan> {
    Ok(Plan {
        layout: layout.clone(),
        wish: up.wish,
        mail: mail(up.smtp.as_deref())?,
        fresh: up.fresh,
        binaries: Binaries::find(up.build)?,
    })
}

fn mail(smtp: Option<&str>) -> Result<Mail> {
    let Some(server) = smtp else { return Ok(Mail::Folder) };
    let is_server = server
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0));
    if is_server {
        return Ok(Mail::Smtp(server.to_owned()));
    }
    Err(Error::refused(format!(
        "--smtp {server} is no server: give host:port, e.g. --smtp 127.0.0.1:2525"
    )))
}

fn spawn_supervisor(layout: &Layout, arguments: &[OsString]) -> Result<Child> {
    let own = std::env::current_exe().map_err(|e| Error::fault(format!("cannot tell where this program lies: {e}")))?;
    let path = layout.supervisor_log();
    let open = || -> std::io::Result<(File, File)> {
        let log = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)?;
        Ok((log.try_clone()?, log))
    };
    let (out, errors) = open().map_err(|e| Error::file("open", &path, &e))?;
    let mut command = Command::new(own);
    command.args(arguments).stdin(Stdio::null()).stdout(out).stderr(errors);
    command
        .spawn()
        .map_err(|e| Error::fault(format!("cannot start a supervisor: {e}")))
}

/// The child ends with our own exit codes and its message after `error: `.
fn supervisor_failure(layout: &Layout, code: Option<i32>) -> Error {
    let log = files::read(&layout.supervisor_log()).ok().flatten().unwrap_or_default();
    let message = match log.split_once("error: ") {
        Some((_, message)) => message.trim_end().to_owned(),
        None => format!(
            "the supervisor ended without a word: see {}",
            layout.supervisor_log().display()
        ),
    };
    if code == Some(2) {
        Error::Refused(message)
    } else {
        Error::Fault(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_has_a_host_and_a_port() {
        assert_eq!(mail(None).unwrap(), Mail::Folder);
        assert_eq!(
            mail(Some("127.0.0.1:2525")).unwrap(),
            Mail::Smtp("127.0.0.1:2525".into())
        );
        for wrong in ["localhost", ":25", "localhost:", "localhost:0", "localhost:99999"] {
            let error = mail(Some(wrong)).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains(wrong), "{error}");
        }
    }

    #[test]
    fn the_message_of_a_supervisor_that_ended_is_handed_on() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path()).unwrap();
        std::fs::write(
            layout.supervisor_log(),
            "… starting\nerror: port 7101 is in use\nchoose another\n",
        )
        .unwrap();
        let error = supervisor_failure(&layout, Some(2));
        assert_eq!(
            (error.exit_code(), error.to_string().as_str()),
            (2, "port 7101 is in use\nchoose another")
        );
        std::fs::write(layout.supervisor_log(), "").unwrap();
        let error = supervisor_failure(&layout, None);
        assert!(
            error.exit_code() == 1 && error.to_string().contains("supervisor.log"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn down_of_nothing_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let there = Layout::new(dir.path()).unwrap();
        assert!(down(&there).await.unwrap().contains("nothing runs"));
        let nowhere = Layout::new(&dir.path().join("nowhere")).unwrap();
        assert!(down(&nowhere).await.unwrap().contains("no such folder"));
        assert!(!nowhere.root().exists(), "looking creates nothing");
    }
}
