//! Packets that are really lost and really come twice, by nftables in a network namespace of the run's own: TCP of the kernel
//! mends it below everything. Only links between nodes are hit, behind the proxies.

use super::{Need, Nemesis, Strike};
use crate::chaos::field::Field;
use futures_util::FutureExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::time::sleep;

pub(super) const ALL: &[Nemesis] = &[
    nemesis(
        "packets-lost",
        "1 to 15 in a hundred packets between nodes are dropped",
        |field, hold| {
            async move {
                let percent = field.within(1..=15);
                rules(field, hold, &format!("numgen random mod 100 < {percent} counter drop")).await
            }
            .boxed()
        },
    ),
    nemesis(
        "packets-dropped",
        "all packets between nodes and one of them are dropped",
        |field, hold| async move { rules(field, hold, "counter drop").await }.boxed(),
    ),
];

const TABLE: &str = "tfauth_chaos";

const fn nemesis(name: &'static str, about: &'static str, act: super::Act) -> Nemesis {
    Nemesis {
        name,
        about,
        need: Need::Packets,
        act,
    }
}

/// Whether this process may change the rules of its network: not of the machine's.
#[must_use]
pub fn may() -> bool {
    std::env::var_os(super::OWN_NETWORK).is_some() && nft(&format!("table inet {TABLE} {{ }}\n")).is_ok()
}

async fn rules(field: &Field, hold: Duration, rule: &str) -> Result<Strike, String> {
    let victim = field.pick(field.network.nodes())?;
    let port = field.network.peer_port(&victim).ok_or("no such node")?;
    nft(&format!(
        "table inet {TABLE} {{\n chain output {{\n type filter hook output priority 0;\n tcp dport {port} {rule}\n tcp sport {port} {rule}\n }}\n}}\n"
    ))?;
    sleep(hold).await;
    let counted = counted();
    nft(&format!("delete table inet {TABLE}\n"))?;
    Ok(Strike::on(&[victim], counted > 0, format!("{rule}: {counted} packets")))
}

/// Packets that met a rule.
fn counted() -> u64 {
    let output = Command::new("nft").args(["list", "table", "inet", TABLE]).output();
    let text = output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let words: Vec<&str> = text.split_whitespace().collect();
    let counts = words.windows(2).filter(|pair| pair[0] == "packets");
    counts.filter_map(|pair| pair[1].parse::<u64>().ok()).sum()
}

fn nft(script: &str) -> Result<(), String> {
    use std::io::Write as _;
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("nft: {e}"))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(script.as_bytes()).map_err(|e| format!("nft: {e}"))?;
    }
    let status = child.wait().map_err(|e| format!("nft: {e}"))?;
    status
        .success()
        .then_some(())
        .ok_or_else(|| format!("nft refused: {script}"))
}
