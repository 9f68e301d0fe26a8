//! A machine that dies sends nothing any more, not even a reset. Needs root and `nft`, to drop what goes to one port; says
//! so loudly where it cannot have them.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::skipping::skipped;
use crate::support::node::Conduct;
use crate::support::program::Options;
use crate::support::{cluster_with, until};

/// A table of packet filter rules; gone when it is dropped.
struct BlackHole(String);

impl BlackHole {
    /// Drops everything to and from a port of the loopback. None, told loudly, where the machine does not allow it.
    fn at(port: u16) -> Option<Self> {
        let table = format!("tfauth_lb_test_{}", std::process::id());
        let rules = format!(
            "table inet {table} {{\nchain silence {{\ntype filter hook input priority 0;\n\
             iif lo tcp dport {port} drop\niif lo tcp sport {port} drop\n}}\n}}\n"
        );
        let done = Command::new("nft").arg(&rules).output();
        let (why, is_not_installed) = match done {
            Ok(output) if output.status.success() => (None, false),
            Ok(output) => (Some(String::from_utf8_lossy(&output.stderr).into_owned()), false),
            Err(error) => (Some(error.to_string()), true),
        };
        let why = why.map(|why| format!("nothing can be made to fall silent here: nft: {why}"));
        (!skipped(why, is_not_installed)).then_some(Self(table))
    }
}

impl Drop for BlackHole {
    fn drop(&mut self) {
        let _ = Command::new("nft").args(["delete", "table", "inet", &self.0]).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_falls_silent_is_noticed_within_four_seconds_and_costs_no_request() {
    let options = Options {
        // Longer than the whole test may take: it must be the kernel that notices.
        try_ms: 14_000,
        ..Options::default()
    };
    let cluster = cluster_with(2, options).await;
    cluster.nodes[0].behave(Conduct::Wait);
    let client = cluster.lb.client().clone();
    let mut waiting = Vec::new();
    while cluster.nodes[0].seen().is_empty() {
        let client = client.clone();
        waiting.push(tokio::spawn(async move {
            let answer = client.post("/v1/accounts", "{\"a\":1}").await;
            (answer, Instant::now())
        }));
        until("the request arrived", || async {
            cluster.nodes.iter().map(|node| node.seen().len()).sum::<usize>() >= waiting.len()
        })
        .await;
    }
    let operation = cluster.nodes[0].seen()[0].headers["x-tfauth-operation"].clone();
    let Some(_hole) = BlackHole::at(cluster.nodes[0].address.port()) else {
        return;
    };
    let silent_since = Instant::now();
    let mut last = silent_since;
    for answer in waiting {
        let (answer, at) = answer.await.expect("no panic");
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "node-2"));
        last = last.max(at);
    }
    let took = last.saturating_duration_since(silent_since);
    println!("noticed after {} ms", took.as_millis());
    // The kernel counts in seconds; the machine may be busy.
    assert!(took <= Duration::from_millis(4_500), "noticed after {took:?}");
    let repeated = cluster.nodes[1].seen();
    assert!(
        repeated
            .iter()
            .any(|seen| seen.headers["x-tfauth-operation"] == operation)
    );
}
