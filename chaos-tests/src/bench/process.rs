//! Programs that are measured: started on one core, ended with the value that holds them, asked for processor time and memory.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A running program.
pub struct Program {
    child: Child,
}

impl Program {
    /// Starts `command` on processor `core`; what it prints goes to `log`.
    ///
    /// # Errors
    /// The program, or `taskset`, is not there.
    pub fn start(core: usize, command: &[&str], log: &Path) -> Result<Self, String> {
        let file = fs::File::create(log).map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        let copy = file
            .try_clone()
            .map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        let child = Command::new("taskset")
            .args(["-c", &core.to_string()])
            .args(command)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(copy)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", command.join(" ")))?;
        Ok(Self { child })
    }

    /// Its process; `taskset` becomes the program that it starts.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Processor time of it and of the processes that it started, in clock ticks of a hundredth of a second.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        family(self.pid()).into_iter().map(ticks).sum()
    }

    /// Memory in RAM of it and of the processes that it started, in KiB. Shared pages count for each.
    #[must_use]
    pub fn resident_kib(&self) -> u64 {
        family(self.pid()).into_iter().map(resident_kib).sum()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        for pid in family(self.pid()).into_iter().rev() {
            if let Ok(pid) = i32::try_from(pid) {
                // It may have ended by itself.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on now.
///
/// # Errors
/// The system has none.
pub(crate) fn free_port() -> Result<u16, String> {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("cannot find a free port: {error}"))
}

/// A process and its children, as far as they have not been given away.
fn family(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    std::iter::once(pid).chain(children).collect()
}

fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field is the name in parentheses, which may hold spaces.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum()
}

pub(crate) fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_time() {
        let me = std::process::id();
        assert!(resident_kib(me) > 100);
        let mut sum = 0_u64;
        while ticks(me) == 0 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(family(me).contains(&me));
    }
}
