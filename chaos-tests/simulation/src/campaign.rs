//! Many seeds of the rules, as many at a time as there are cores; and known bugs, put back one after the other, each of which
//! some seed must find.
//!
//! Must not know what a run does.

use crate::limits::{COVERED_SEEDS_MIN, FAILURES_SHOWN_MAX};
use crate::rules::{self, Faults, Ran};
use serde::Serialize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Instant;

/// What so many seeds came to.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Seeds that ran.
    pub seeds: u64,
    /// The first of them.
    pub first_seed: u64,
    /// Entries that were agreed on, in all.
    pub entries: u64,
    /// Requests of clients, in all.
    pub requests: u64,
    /// Calls that the checker judged: done, refused, unknown.
    pub calls: [u64; 3],
    /// How often each fault struck.
    pub faults: Faults,
    /// Seeds in which something did not hold, the first few.
    pub failures: Vec<Failure>,
    /// How many there were.
    pub failed: u64,
    /// How long it took.
    pub seconds: f64,
}

/// A seed in which something did not hold.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// Which.
    pub seed: u64,
    /// What did not hold; starts with the name of the check.
    pub why: String,
    /// The command that repeats it.
    pub repeat: String,
}

impl Report {
    fn add(&mut self, seed: u64, ran: Result<Ran, String>) {
        self.seeds += 1;
        match ran {
            Ok(ran) => {
                self.entries += ran.entries as u64;
                self.requests += ran.requests;
                for (sum, count) in self.calls.iter_mut().zip(ran.outcomes) {
                    *sum += count as u64;
                }
                self.faults.add(ran.faults);
            }
            Err(why) => {
                self.failed += 1;
                let repeat = format!("infra/dev simulate --reproduce {seed}");
                self.failures.push(Failure { seed, why, repeat });
                self.failures.sort_by_key(|failure| failure.seed);
                self.failures.truncate(FAILURES_SHOWN_MAX);
            }
        }
    }

    /// What never happened although there were seeds enough for it: then the run shows less than it seems to.
    #[must_use]
    pub fn never_happened(&self) -> Vec<&'static str> {
        if self.seeds < COVERED_SEEDS_MIN {
            return Vec::new();
        }
        let outcomes = [
            ("done calls", self.calls[0]),
            ("refused calls", self.calls[1]),
            ("unknown calls", self.calls[2]),
        ];
        let all = self.faults.named().into_iter().chain(outcomes);
        all.filter(|(_, count)| *count == 0).map(|(name, _)| name).collect()
    }
}

/// Runs seeds from the first one on; ends early when `until_failed` is set and one failed.
#[must_use]
pub fn run(first_seed: u64, seeds: u64, until_failed: bool, progress: impl Fn(u64, u64) + Sync) -> Report {
    let started = Instant::now();
    let next = AtomicU64::new(first_seed);
    let report = Mutex::new(Report {
        first_seed,
        ..Report::default()
    });
    let work = || loop {
        let seed = next.fetch_add(1, SeqCst);
        if seed >= first_seed.saturating_add(seeds) {
            return;
        }
        let ran = rules::run(seed);
        let Ok(mut report) = report.lock() else { return };
        if until_failed && report.failed > 0 {
            return;
        }
        report.add(seed, ran);
        progress(report.seeds, report.failed);
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let mut report = report.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    report.seconds = started.elapsed().as_secs_f64();
    report
}

#[cfg(feature = "mutations")]
pub mod with_bugs {
    //! Runs with known bugs put back.

    use super::run;
    use mutations::Mutation;
    use serde::Serialize;

    /// Which check found a known bug, and how long that took.
    #[derive(Debug, Serialize)]
    pub struct Caught {
        /// Name of the bug.
        pub mutation: &'static str,
        /// What is wrong with a program that has it.
        pub what: &'static str,
        /// Name of the check that found it; none when no seed did.
        pub check: Option<String>,
        /// Seeds that were needed.
        pub seeds: u64,
        /// The command that shows it.
        pub repeat: String,
    }

    /// The bugs of the rules, which this simulation must find.
    pub const OF_THE_RULES: [Mutation; 12] = [
        Mutation::NoDedup,
        Mutation::ReadThenWriteConsume,
        Mutation::BudgetPerNode,
        Mutation::GraceForOlder,
        Mutation::RevokeForgotten,
        Mutation::LockKeepsSessions,
        Mutation::ClockGoesBack,
        Mutation::NameTakenTwice,
        Mutation::ChallengeKept,
        Mutation::RecoveryCodeKept,
        Mutation::ResetTokenKept,
        Mutation::AmbientOrder,
    ];

    /// Puts one back and runs seeds until one fails.
    #[must_use]
    pub fn catch(mutation: Mutation, seeds_max: u64) -> Caught {
        mutations::set(Some(mutation));
        let report = run(0, seeds_max, true, |_, _| {});
        mutations::set(None);
        let found = report.failures.first();
        Caught {
            mutation: mutation.name(),
            what: mutation.what(),
            check: found.and_then(|failure| failure.why.split(':').next().map(str::to_owned)),
            seeds: report.seeds,
            repeat: format!("infra/dev mutations --only {}", mutation.name()),
        }
    }
}
