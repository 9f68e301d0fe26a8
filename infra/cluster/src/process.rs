//! Processes that are not, or no longer, our children: looked at through /proc, and never signalled by number alone.

use crate::layout::Layout;
use crate::limits::POLL;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// A process that runs a member of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stray {
    pub(crate) pid: u32,
    pub(crate) config: PathBuf,
}

/// Sends a signal; says whether there was somebody to get it.
pub(crate) fn signal(pid: u32, signal: Signal) -> bool {
    i32::try_from(pid).is_ok_and(|pid| pid > 0 && kill(Pid::from_raw(pid), signal).is_ok())
}

/// Arguments of a live process; empty for one that is gone or a zombie.
fn arguments(pid: u32) -> Vec<String> {
    let raw = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    raw.split(|b| *b == 0)
        .filter(|part| !part.is_empty())
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect()
}

/// Every process that was started with a configuration file of this folder, whoever started it.
pub(crate) fn strays(layout: &Layout) -> Vec<Stray> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|e| e.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| own_config(pid, layout.root()).map(|config| Stray { pid, config }))
        .collect()
}

fn own_config(pid: u32, root: &Path) -> Option<PathBuf> {
    let arguments = arguments(pid);
    let after = arguments.iter().skip_while(|a| *a != "--config").nth(1)?;
    let config = Path::new(after);
    (arguments.iter().any(|a| a == "serve") && config.starts_with(root)).then(|| config.to_owned())
}

/// Whether the process runs a member with this configuration.
pub(crate) fn runs(pid: u32, config: &Path) -> bool {
    arguments(pid).iter().any(|a| Path::new(a) == config)
}

/// Whether the process is a supervisor.
pub(crate) fn is_supervisor(pid: u32) -> bool {
    let arguments = arguments(pid);
    let named = arguments
        .first()
        .is_some_and(|a| Path::new(a).file_name().is_some_and(|n| n == "tfauth-cluster"));
    named && arguments.iter().any(|a| a == "supervise" || a == "up")
}

/// Stops what runs from this folder without a supervisor: asked first, then killed. Says how many there were.
pub(crate) async fn stop_strays(layout: &Layout, patience: Duration) -> usize {
    let found = strays(layout);
    for stray in &found {
        signal(stray.pid, Signal::SIGTERM);
        signal(stray.pid, Signal::SIGCONT);
    }
    let deadline = Instant::now() + patience;
    while !strays(layout).is_empty() && Instant::now() < deadline {
        tokio::time::sleep(POLL).await;
    }
    loop {
        let rest = strays(layout);
        if rest.is_empty() {
            break;
        }
        for stray in &rest {
            signal(stray.pid, Signal::SIGKILL);
        }
        tokio::time::sleep(POLL).await;
    }
    found.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    /// A program that ignores SIGTERM, started like a member with its configuration in `dir`. The kernel shows a new
    /// program's arguments a moment after it has been started: they are waited for.
    fn stubborn(dir: &Path) -> Child {
        let script = "trap '' TERM; while :; do sleep 0.1; done";
        let mut command = Command::new("sh");
        let config = dir.join("config.toml");
        command
            .args(["-c", script, "sh", "serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null());
        let child = command.spawn().unwrap();
        while !arguments(child.id())
            .iter()
            .any(|argument| Path::new(argument) == config)
        {
            std::thread::yield_now();
        }
        child
    }

    #[tokio::test]
    async fn only_processes_of_the_folder_are_found_and_stopped() {
        let (ours, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let layout = Layout::new(ours.path()).unwrap();
        let mut foreign = stubborn(other.path());
        let mut own = stubborn(ours.path());
        let reaper = std::thread::spawn(move || own.wait().unwrap());
        // The shell's own child looks like the shell until it becomes another program: there may be two.
        assert!(stop_strays(&layout, Duration::from_millis(10)).await > 0);
        assert!(strays(&layout).is_empty());
        reaper.join().unwrap();
        assert!(
            foreign.try_wait().unwrap().is_none(),
            "a process of another folder lives on"
        );
        foreign.kill().unwrap();
        foreign.wait().unwrap();
    }

    #[test]
    fn the_number_alone_does_not_make_a_member() {
        let me = std::process::id();
        assert!(!runs(me, Path::new("/nowhere/config.toml")));
        assert!(!is_supervisor(me));
        assert!(!signal(0, Signal::SIGTERM), "zero would signal our own group");
    }
}
