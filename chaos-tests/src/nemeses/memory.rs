//! A node that gets no more memory: its address space is limited to what it has at that moment, so the next allocation that
//! needs more fails, and ends it at once. One that gets on with what it has is killed in the end, as the kernel kills whoever
//! it chooses when there is no memory. Needs no root, and takes nothing from the other processes of the machine.

use super::{Need, Nemesis, Strike};
use crate::chaos::field::{Field, text};
use futures_util::FutureExt as _;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(super) const ALL: &[Nemesis] = &[
    Nemesis {
        name: "out-of-memory",
        about: "a node gets no more memory",
        need: Need::Nothing,
        act: |field, hold| {
            async move {
                let victim = field.pick(field.network.nodes())?;
                starve(field, &victim, hold).await
            }
            .boxed()
        },
    },
    Nemesis {
        name: "out-of-memory-leader",
        about: "the leader gets no more memory",
        need: Need::Nothing,
        act: |field, hold| {
            async move {
                let leader = field.leader().await?;
                starve(field, &leader, hold).await
            }
            .boxed()
        },
    },
];

async fn starve(field: &Field, victim: &str, hold: Duration) -> Result<Strike, String> {
    let pid = field.pid(victim).ok_or("it does not run")?;
    let has_kib = address_space_kib(pid)?;
    let process = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or("no such process")?;
    let limit = Rlimit {
        current: Some(has_kib * 1024),
        // As ours, which it was started with: only root could raise a lower one again.
        maximum: getrlimit(Resource::As).maximum,
    };
    prlimit(Some(process), Resource::As, limit).map_err(text)?;
    let until = Instant::now() + hold;
    let mut ended = false;
    while !ended && Instant::now() < until {
        sleep(crate::limits::POLL).await;
        field.cluster.members().reap().await.map_err(text)?;
        ended = field.pid(victim).is_none();
    }
    if !ended {
        // It gets on with what it has: then as the kernel ends whoever it chooses.
        field.kill(victim).await?;
    }
    field.start(victim).await?;
    let how = if ended { "an allocation failed" } else { "it was killed" };
    Ok(Strike::on(
        &[victim.to_owned()],
        true,
        format!("at {has_kib} KiB {how}"),
    ))
}

/// What a process has mapped, which is what the limit counts.
fn address_space_kib(pid: u32) -> Result<u64, String> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| format!("{path} tells no VmSize"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_tells_how_much_it_has_mapped() {
        assert!(address_space_kib(std::process::id()).unwrap() > 1_000);
        assert!(address_space_kib(u32::MAX).is_err());
    }
}
