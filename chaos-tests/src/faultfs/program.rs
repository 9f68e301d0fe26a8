//! The process that serves one disk: mounts it, obeys lines on its standard input, and takes the mount away when the
//! input ends, which it does when whoever started it dies.

use super::control::Shared;
use super::limits::SERVING_THREADS;
use super::serve::Serve;
use fuser::{Config, MountOption};
use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// First part of the name of every mount of ours in `/proc/mounts`; the process id follows.
pub(super) const MOUNT_NAME: &str = "tfauth-faultfs-";

/// Serves until the input ends.
///
/// # Errors
/// The folder cannot be mounted on.
pub fn run(folder: &Path) -> Result<(), String> {
    let shared = Arc::new(Shared::default());
    let serve = Serve {
        shared: Arc::clone(&shared),
        owner: (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw()),
    };
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName(format!("{MOUNT_NAME}{}", std::process::id())),
        MountOption::NoDev,
        MountOption::NoSuid,
        MountOption::NoAtime,
    ];
    config.n_threads = Some(SERVING_THREADS);
    let session = fuser::spawn_mount2(serve, folder, &config).map_err(|e| {
        format!(
            "cannot mount on {}: {e}; is /dev/fuse there, and fuse3 installed?",
            folder.display()
        )
    })?;
    say("mounted");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        say(&shared.obey(&line));
    }
    // Lazily first: somebody may still hold a file. What is open then fails, and the session ends.
    shared.with(|state| state.faults.off = true);
    unmount(folder);
    // Not waited for: a file that is still open somewhere would keep it.
    drop(session);
    Ok(())
}

fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    // Whoever does not listen any more has closed the input, too.
    let _ = writeln!(output, "{}", line.trim_end()).and_then(|()| output.flush());
}

/// Takes a mount away although it is in use; says whether that worked.
pub(super) fn unmount(folder: &Path) -> bool {
    let attempts = [("fusermount3", ["-u", "-z", "-q"].as_slice()), ("umount", &["-l"])];
    attempts.iter().any(|(program, arguments)| {
        let mut command = Command::new(program);
        command
            .args(*arguments)
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}
