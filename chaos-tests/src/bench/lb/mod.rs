//! The load balancer beside HAProxy and nginx: the same job, the same backend, one core each, round about.
//!
//! The generator and the backend share the other core and are busier than the proxy, so requests per second alone would say
//! more about them. What is compared is requests per second of processor time that the proxy used.

pub mod handshakes;
mod idle;
mod jobs;
mod programs;
mod report;

use super::series::Series;
use super::{Plan, progress};
use serde::Serialize;

pub use report::markdown;

/// The proxies that are measured, as they are called in the report: ours, its peers, and the library that ours is made with, with
/// nothing of ours in it: what is left to win without another library.
pub const NAMES: [&str; 4] = ["tfauth-lb", "HAProxy", "nginx", "pingora alone"];

/// Which of [`NAMES`] are the peers.
pub const PEERS: std::ops::Range<usize> = 1..3;

/// Idle connections whose memory is measured.
pub const IDLE_CONNECTIONS: usize = 5_000;

/// What is done with each proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// HTTP/1.1, TLS 1.3, connections kept.
    Http1,
    /// HTTP/2, TLS 1.3, ten streams on each connection.
    Http2,
    /// A new connection with a full TLS handshake for every request.
    Handshakes,
}

impl Job {
    const ALL: [Self; 3] = [Self::Http1, Self::Http2, Self::Handshakes];

    /// As the report calls it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1 keep-alive",
            Self::Http2 => "HTTP/2, 16 connections, 10 streams each",
            Self::Handshakes => "a new connection each",
        }
    }
}

/// What one proxy did in one job.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    /// Requests answered 200 in each second of the round.
    pub per_second: Series,
    /// Requests for each second of processor time that the proxy used.
    pub per_cpu_second: Series,
    /// Processor seconds for 100,000 requests.
    pub cpu_seconds_per_100k: Series,
    /// Requests that were not answered 200, all rounds together.
    pub failed: u64,
}

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// How often each job was done with each proxy.
    pub rounds: usize,
    /// How long a job took, about.
    pub seconds: u64,
    /// What the other programs call themselves.
    pub versions: Vec<String>,
    /// For each job, a row for each of [`NAMES`].
    pub jobs: Vec<(Job, Vec<Row>)>,
    /// KiB in RAM with no connection, and with [`IDLE_CONNECTIONS`] idle ones, for each of [`NAMES`].
    pub memory_kib: Vec<(u64, u64)>,
}

/// Measures, interleaved: every round does each job with each proxy.
///
/// # Errors
/// A program is missing or does not start; the message says which and where its log is.
pub async fn run(plan: &Plan) -> Result<Figures, String> {
    let bench = programs::start(plan).await?;
    let mut jobs: Vec<(Job, Vec<Row>)> = Job::ALL
        .into_iter()
        .map(|job| (job, vec![Row::default(); NAMES.len()]))
        .collect();
    for round in 0..=plan.rounds {
        let warm_up = round == 0;
        progress(&if warm_up {
            "warming up".to_owned()
        } else {
            format!("round {round} of {}", plan.rounds)
        });
        for (job, rows) in &mut jobs {
            for (proxy, row) in bench.proxies.iter().zip(rows.iter_mut()) {
                let seconds = if warm_up { 1 } else { plan.seconds };
                let did = jobs::run(plan, *job, proxy, seconds).await?;
                if !warm_up {
                    row.add(&did);
                }
            }
        }
    }
    progress("measuring memory with idle connections");
    let mut memory_kib = Vec::new();
    for index in 0..NAMES.len() {
        let proxy = bench.start_fresh(index).await?;
        memory_kib.push(idle::memory(&proxy, &plan.work.join("ca.pem")).await?);
    }
    Ok(Figures {
        rounds: plan.rounds,
        seconds: plan.seconds,
        versions: programs::versions(),
        jobs,
        memory_kib,
    })
}

impl Row {
    fn add(&mut self, did: &jobs::Did) {
        self.per_second.push(did.answered / did.seconds);
        self.per_cpu_second.push(did.answered / did.cpu_seconds);
        self.cpu_seconds_per_100k
            .push(did.cpu_seconds * 100_000.0 / did.answered);
        self.failed += did.failed;
    }
}
