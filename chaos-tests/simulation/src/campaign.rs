//! Many seeds, as many at a time as there are cores; and known bugs, put back one after the other, each of which some seed
//! must find.
//!
//! Must not know what a run does.

use crate::history::Call;
use crate::limits::{COVERED_SEEDS_MIN, FAILURES_SHOWN_MAX, UNDECIDED_ONE_IN};
use crate::linearizable::UNDECIDED;
use crate::rules;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The rules of `auth-core` over a model of the log.
    Rules,
    /// Consensus and stores over simulated disks and a simulated network.
    #[cfg(feature = "store")]
    Store,
}

/// What one seed came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ran {
    /// Entries that were agreed on.
    pub entries: usize,
    /// Calls that the checker of linearizability judged: done, refused, unknown.
    pub outcomes: [usize; 3],
    /// How often each fault struck.
    pub faults: BTreeMap<&'static str, u64>,
    /// How long service took to come back, in simulated milliseconds.
    pub times_ms: BTreeMap<&'static str, u64>,
    /// SHA-256 over what happened: two runs with the same one were the same.
    pub fingerprint: [u8; 32],
}

impl Part {
    /// What it is called on command lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            #[cfg(feature = "store")]
            Self::Store => "store",
        }
    }

    /// Runs one seed.
    ///
    /// # Errors
    /// The first thing that did not hold; it starts with the name of the check.
    pub fn run(self, seed: u64) -> Result<Ran, String> {
        self.traced(seed).0
    }

    /// Runs one seed; the calls that clients made as well, also where something did not hold.
    pub fn traced(self, seed: u64) -> (Result<Ran, String>, Vec<Call>) {
        match self {
            Self::Rules => {
                let (ran, calls) = rules::traced(seed);
                let ran = ran.map(|ran| Ran {
                    entries: ran.entries,
                    outcomes: ran.outcomes,
                    faults: ran.faults.named().into_iter().collect(),
                    times_ms: BTreeMap::new(),
                    fingerprint: ran.fingerprint,
                });
                (ran, calls)
            }
            #[cfg(feature = "store")]
            Self::Store => {
                let (ran, calls) = crate::store::traced(seed);
                (ran.map(|ran| of_the_store(&ran)), calls)
            }
        }
    }
}

#[cfg(feature = "store")]
fn of_the_store(ran: &crate::store::StoreRan) -> Ran {
    let mut faults: BTreeMap<&'static str, u64> = ran.faults.named().into_iter().collect();
    faults.insert("snapshots installed", ran.installed);
    let [quorum, whole] = ran.served;
    let times_ms = [
        ("a leader of the quorum", quorum.leader_ms),
        ("an answer of the quorum", quorum.answer_ms),
        ("the next answer of the quorum", quorum.gap_ms),
        ("an answer once all is healed", whole.answer_ms),
    ];
    Ran {
        entries: ran.entries,
        outcomes: ran.outcomes,
        faults,
        times_ms: times_ms.into_iter().collect(),
        fingerprint: ran.fingerprint,
    }
}

/// What so many seeds came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// What was simulated.
    pub part: Part,
    /// Seeds that ran.
    pub seeds: u64,
    /// The first of them.
    pub first_seed: u64,
    /// Entries that were agreed on, in all.
    pub entries: u64,
    /// Calls that the checker judged: done, refused, unknown.
    pub calls: [u64; 3],
    /// How often each fault struck.
    pub faults: BTreeMap<String, u64>,
    /// The longest that service took to come back, in simulated milliseconds.
    pub longest_ms: BTreeMap<String, u64>,
    /// Seeds that ran twice, and how many of them were the same run bit for bit.
    pub twice: [u64; 2],
    /// Seeds in which something did not hold, the first few.
    pub failures: Vec<Failure>,
    /// How many there were.
    pub failed: u64,
    /// Seeds of which nobody knows, because the checker had too many orders to try; the first few. They neither held nor failed.
    pub without_verdict: Vec<Failure>,
    /// How many there were.
    pub undecided: u64,
    /// How long it took.
    pub seconds: f64,
}

/// A seed in which something did not hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// Which.
    pub seed: u64,
    /// What did not hold; starts with the name of the check.
    pub why: String,
    /// The command that repeats it.
    pub repeat: String,
}

impl Report {
    /// Of no seed so far.
    #[must_use]
    pub fn new(part: Part, first_seed: u64) -> Self {
        Self {
            part,
            seeds: 0,
            first_seed,
            entries: 0,
            calls: [0; 3],
            faults: BTreeMap::new(),
            longest_ms: BTreeMap::new(),
            twice: [0; 2],
            failures: Vec::new(),
            failed: 0,
            without_verdict: Vec::new(),
            undecided: 0,
            seconds: 0.0,
        }
    }

    fn add(&mut self, seed: u64, ran: Result<Ran, String>) {
        self.seeds += 1;
        match ran {
            Ok(ran) => {
                self.entries += ran.entries as u64;
                for (sum, count) in self.calls.iter_mut().zip(ran.outcomes) {
                    *sum += count as u64;
                }
                self.add_figures(
                    ran.faults.into_iter().map(|(name, count)| (name.to_owned(), count)),
                    ran.times_ms
                        .into_iter()
                        .map(|(name, time_ms)| (name.to_owned(), time_ms)),
                );
            }
            Err(why) => {
                let repeat = format!("infra/dev simulate --part {} --reproduce {seed}", self.part.name());
                let (count, shown) = if why.starts_with(UNDECIDED) {
                    (&mut self.undecided, &mut self.without_verdict)
                } else {
                    (&mut self.failed, &mut self.failures)
                };
                *count += 1;
                show(shown, [Failure { seed, why, repeat }]);
            }
        }
    }

    fn add_figures(
        &mut self,
        faults: impl IntoIterator<Item = (String, u64)>,
        times_ms: impl IntoIterator<Item = (String, u64)>,
    ) {
        for (name, count) in faults {
            *self.faults.entry(name).or_default() += count;
        }
        for (name, time_ms) in times_ms {
            let longest = self.longest_ms.entry(name).or_default();
            *longest = time_ms.max(*longest);
        }
    }

    /// Both together: the other one is of the seeds that follow.
    pub fn take_in(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.entries += other.entries;
        for (sum, count) in self.calls.iter_mut().zip(other.calls) {
            *sum += count;
        }
        self.add_figures(other.faults, other.longest_ms);
        for (sum, count) in self.twice.iter_mut().zip(other.twice) {
            *sum += count;
        }
        self.failed += other.failed;
        self.undecided += other.undecided;
        self.seconds += other.seconds;
        show(&mut self.failures, other.failures);
        show(&mut self.without_verdict, other.without_verdict);
    }

    /// Whether every seed held, and hardly any was left without a verdict.
    #[must_use]
    pub fn held(&self) -> bool {
        self.failed == 0 && self.undecided * UNDECIDED_ONE_IN <= self.seeds && self.twice[0] == self.twice[1]
    }

    /// What never happened although there were seeds enough for it: then the run shows less than it seems to.
    #[must_use]
    pub fn never_happened(&self) -> Vec<&str> {
        if self.seeds < COVERED_SEEDS_MIN {
            return Vec::new();
        }
        let outcomes = [
            ("done calls", self.calls[0]),
            ("refused calls", self.calls[1]),
            ("unknown calls", self.calls[2]),
        ];
        let faults = self.faults.iter().map(|(name, count)| (name.as_str(), *count));
        let all = faults.chain(outcomes);
        all.filter(|(_, count)| *count == 0).map(|(name, _)| name).collect()
    }
}

fn show(shown: &mut Vec<Failure>, more: impl IntoIterator<Item = Failure>) {
    shown.extend(more);
    shown.sort_by_key(|failure| failure.seed);
    shown.truncate(FAILURES_SHOWN_MAX);
}

/// How many seeds, and which.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The first one.
    pub first_seed: u64,
    /// So many.
    pub seeds: u64,
    /// Every so many seeds one runs twice; never for zero.
    pub twice_every: u64,
    /// Ends once one failed.
    pub until_failed: bool,
}

/// Runs seeds.
#[must_use]
pub fn run(part: Part, plan: Plan, progress: impl Fn(u64, u64) + Sync) -> Report {
    let started = Instant::now();
    let next = AtomicU64::new(plan.first_seed);
    let report = Mutex::new(Report::new(part, plan.first_seed));
    let work = || loop {
        let seed = next.fetch_add(1, SeqCst);
        if seed >= plan.first_seed.saturating_add(plan.seeds) {
            return;
        }
        let ran = part.run(seed);
        let again = (plan.twice_every > 0 && seed.is_multiple_of(plan.twice_every)).then(|| part.run(seed) == ran);
        let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
        if plan.until_failed && report.failed > 0 {
            return;
        }
        report.twice[0] += u64::from(again.is_some());
        report.twice[1] += u64::from(again == Some(true));
        report.add(seed, ran);
        progress(report.seeds, report.failed);
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.seconds = started.elapsed().as_secs_f64();
    report
}

#[cfg(feature = "mutations")]
pub mod with_bugs {
    //! Runs with known bugs put back.

    use super::{Part, Plan, run};
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

    /// The bugs of the store, which its simulation must find.
    #[cfg(feature = "store")]
    pub const OF_THE_STORE: [Mutation; 6] = [
        Mutation::AcknowledgeBeforeFlush,
        Mutation::FsyncOff,
        Mutation::VoteNotSaved,
        Mutation::OldIdRejoins,
        Mutation::LeaseRead,
        Mutation::MergeInstall,
    ];

    /// Every bug that a simulation must find, and which one.
    #[must_use]
    pub fn all() -> Vec<(Part, Mutation)> {
        let all = OF_THE_RULES.map(|mutation| (Part::Rules, mutation)).to_vec();
        #[cfg(feature = "store")]
        let all = [all, OF_THE_STORE.map(|mutation| (Part::Store, mutation)).to_vec()].concat();
        all
    }

    /// Puts one back and runs seeds until one fails.
    #[must_use]
    pub fn catch(part: Part, mutation: Mutation, seeds_max: u64) -> Caught {
        mutations::set(Some(mutation));
        let plan = Plan {
            first_seed: 0,
            seeds: seeds_max,
            twice_every: 0,
            until_failed: true,
        };
        let report = run(part, plan, |_, _| {});
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
