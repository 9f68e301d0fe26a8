//! Whether the time of a refused login tells if a name has an account (EN-1), and whether it costs the same work (EN-2).
//!
//! Names with an account and without are asked for in turn, A B B A, over one connection of a cluster that does nothing
//! else. Times are a client's, in front of the load balancer.

mod statistics;
mod work;

pub use statistics::{Comparison, median};
pub use work::Work;

use crate::api::{Api, Person};
use crate::native::Native;
use cluster_harness::cluster::Cluster;
use serde::Serialize;
use serde_json::json;
use std::fmt;
use std::time::Instant;
use tokio::task::JoinSet;

/// Wrong passwords that a name has free; the next one after them waits.
const FREE_FAILURES: usize = 4;
/// Answers of names that are locked for thirty seconds, before other names are locked.
const LOCKED_SAMPLES: usize = 100;
/// Accounts that are made at the same time.
const PARALLEL: usize = 4;

/// One kind of refused login: names with an account beside names without.
#[derive(Clone, Debug, Serialize)]
pub struct Pair {
    /// What is compared.
    pub what: &'static str,
    /// Status that all answers of names with an account had.
    pub status: u16,
    /// Status that all answers of names without had.
    pub other_status: u16,
    /// Answers of each.
    pub samples: usize,
    /// The times.
    pub comparison: Comparison,
    /// What one login with an account cost all nodes together.
    pub work: Work,
    /// And one without.
    pub other_work: Work,
}

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Wrong passwords, and names that are locked.
    pub pairs: Vec<Pair>,
}

impl Pair {
    /// Whether answers cost the same and say the same.
    #[must_use]
    pub fn is_equal_work(&self) -> bool {
        self.status == self.other_status && self.work == self.other_work
    }

    /// Whether nobody can tell them apart.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.is_equal_work() && self.comparison.is_alike()
    }
}

impl Report {
    /// The verdict on all of them.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.pairs.iter().all(Pair::holds)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for pair in &self.pairs {
            let Comparison {
                median_us,
                other_median_us,
                u,
                p,
            } = pair.comparison;
            writeln!(
                f,
                "{}: {} answers {} with an account, median {:.3} ms; {} without, median {:.3} ms; difference {:.3} ms; \
                 Mann-Whitney U {u:.0}, p {p:.4}",
                pair.what,
                pair.samples,
                pair.status,
                median_us / 1000.0,
                pair.other_status,
                other_median_us / 1000.0,
                pair.comparison.difference_us() / 1000.0,
            )?;
            writeln!(
                f,
                "  work of one login: {} with, {} without",
                pair.work, pair.other_work
            )?;
            let verdict = match (pair.is_equal_work(), pair.comparison.is_alike()) {
                (true, true) => "cannot be told apart",
                (true, false) => "TOLD APART BY TIME",
                (false, _) => "NOT THE SAME ANSWER OR WORK",
            };
            writeln!(f, "  verdict by EN-1 (p > 0.01, medians within 1 ms or 5 %): {verdict}")?;
        }
        Ok(())
    }
}

/// Measures `samples` refused logins of each kind.
///
/// # Errors
/// An account cannot be made, or a call has no answer.
pub async fn measure(cluster: &Cluster, samples: usize) -> Result<Report, String> {
    let native = Native::new(cluster)?;
    // One guess of each name is for counting work.
    let guesses = samples.div_ceil(FREE_FAILURES - 1);
    let locks = samples.div_ceil(LOCKED_SAMPLES);
    let known = accounts(cluster, guesses + locks).await?;
    let unknown: Vec<String> = (0..guesses + locks).map(|n| format!("nobody-{n}")).collect();
    let (known, locked) = known.split_at(guesses);
    let (unknown, locked_unknown) = unknown.split_at(guesses);
    let wrong = wrong_passwords(cluster, &native, known, unknown).await?;
    let locked = locked_names(cluster, &native, locked, locked_unknown, samples).await?;
    Ok(Report {
        pairs: vec![wrong, locked],
    })
}

async fn accounts(cluster: &Cluster, count: usize) -> Result<Vec<String>, String> {
    let client = cluster.client().map_err(|e| e.to_string())?;
    let url = cluster.urls().first().cloned().ok_or("no load balancer")?;
    let api = Api::new(client, &url);
    let mut tasks = JoinSet::new();
    let mut names = Vec::new();
    for number in 0..count {
        if tasks.len() >= PARALLEL {
            names.extend(tasks.join_next().await.transpose().map_err(|e| e.to_string())?);
        }
        let api = api.clone();
        // Of the same length as the names without an account.
        let name = format!("person-{number}");
        tasks.spawn(async move {
            api.create(&Person::new(&name))
                .await
                .map(|answer| (name, answer.status))
        });
    }
    while let Some(made) = tasks.join_next().await {
        names.push(made.map_err(|e| e.to_string())?);
    }
    let made = |named: Result<(String, u16), String>| match named? {
        (name, 201) => Ok(name),
        (name, status) => Err(format!("{name} could not be made: {status}")),
    };
    names.into_iter().map(made).collect()
}

/// Answers and times of one kind of name.
#[derive(Default)]
struct Answers {
    statuses: Vec<u16>,
    times_us: Vec<f64>,
}

impl Answers {
    async fn ask(&mut self, native: &Native, name: &str) -> Result<(), String> {
        let body = json!({"identifier": name, "password": "not the password of anybody"});
        let began = Instant::now();
        let answer = native.post("/v1/login", &body).await?;
        self.times_us.push(began.elapsed().as_secs_f64() * 1e6);
        self.statuses.push(answer.status);
        Ok(())
    }

    /// The status of all; zero when they differ.
    fn status(&self) -> u16 {
        let first = self.statuses.first().copied().unwrap_or_default();
        if self.statuses.iter().all(|status| *status == first) {
            first
        } else {
            0
        }
    }
}

/// Both kinds in turn, A B B A.
async fn in_turn(native: &Native, names: &[(&str, &str)]) -> Result<(Answers, Answers), String> {
    let (mut with, mut without) = (Answers::default(), Answers::default());
    for (at, (known, unknown)) in names.iter().enumerate() {
        if at % 2 == 0 {
            with.ask(native, known).await?;
            without.ask(native, unknown).await?;
        } else {
            without.ask(native, unknown).await?;
            with.ask(native, known).await?;
        }
    }
    Ok((with, without))
}

fn pair(what: &'static str, (with, without): &(Answers, Answers), work: Work, other_work: Work) -> Pair {
    Pair {
        what,
        status: with.status(),
        other_status: without.status(),
        samples: with.times_us.len(),
        comparison: Comparison::of(&with.times_us, &without.times_us),
        work,
        other_work,
    }
}

async fn wrong_passwords(
    cluster: &Cluster,
    native: &Native,
    known: &[String],
    unknown: &[String],
) -> Result<Pair, String> {
    let work = work::of_logins(cluster, native, known).await?;
    let other_work = work::of_logins(cluster, native, unknown).await?;
    let mut names = Vec::new();
    for _ in 1..FREE_FAILURES {
        names.extend(known.iter().map(String::as_str).zip(unknown.iter().map(String::as_str)));
    }
    let answers = in_turn(native, &names).await?;
    Ok(pair("wrong password", &answers, work, other_work))
}

async fn locked_names(
    cluster: &Cluster,
    native: &Native,
    known: &[String],
    unknown: &[String],
    samples: usize,
) -> Result<Pair, String> {
    let (mut all, mut work, mut other_work) = (
        (Answers::default(), Answers::default()),
        Work::default(),
        Work::default(),
    );
    for (known, unknown) in known.iter().zip(unknown) {
        for name in [known, unknown] {
            let mut answers = Answers::default();
            while answers.statuses.last() != Some(&429) {
                answers.ask(native, name).await?;
            }
        }
        work = work::of_logins(cluster, native, std::slice::from_ref(known)).await?;
        other_work = work::of_logins(cluster, native, std::slice::from_ref(unknown)).await?;
        let wanted = (samples - all.0.times_us.len()).min(LOCKED_SAMPLES);
        let names = vec![(known.as_str(), unknown.as_str()); wanted];
        let (with, without) = in_turn(native, &names).await?;
        all.0.statuses.extend(with.statuses);
        all.0.times_us.extend(with.times_us);
        all.1.statuses.extend(without.statuses);
        all.1.times_us.extend(without.times_us);
    }
    Ok(pair("locked name", &all, work, other_work))
}
