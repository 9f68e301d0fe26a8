//! The command lines `infra/dev simulate` and `infra/dev mutations`.
//!
//! Exit codes: 0 nothing failed (every bug was caught), 1 something did, 2 it cannot be done as asked.

use crate::campaign::{Part, Plan, Report, run};
use crate::history::{Call, append};
use crate::kept::go_on;
use crate::limits::TWICE_EVERY;
use clap::{Parser, Subcommand};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Runs that one seed decides.
#[derive(Parser, Debug)]
#[command(name = "tfauth-simulate", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Simulated clients, nodes and faults; every promise is checked.
    #[command(after_help = "Example: infra/dev simulate --seeds 5000\n\
                            Example: infra/dev simulate --reproduce 1234\n\
                            Example: infra/dev simulate --part store --reproduce 7 --history seed-7.jsonl\n\
                            Example: infra/dev simulate --part store --seeds 10000 --keep figures.jsonl\n\
                            Exit codes: 0 nothing failed, 1 something did, 2 it cannot be done as asked.")]
    Simulate(Simulate),
    /// Puts known bugs back, one after the other: each must be caught.
    #[cfg(feature = "mutations")]
    #[command(after_help = "Example: infra/dev mutations\n\
                            Example: infra/dev mutations --only no-dedup\n\
                            Exit codes: 0 all were caught, 1 one was not, 2 it cannot be done as asked.")]
    Mutations(Mutations),
}

#[derive(Parser, Debug)]
struct Simulate {
    /// What is simulated: the rules over a model of the log, or consensus over simulated disks and network.
    #[arg(long, value_enum, default_value_t = Part::Rules)]
    part: Part,
    /// So many seeds.
    #[arg(long, default_value_t = 1_000, conflicts_with = "reproduce")]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0, conflicts_with = "reproduce")]
    seed: u64,
    /// A file that the figures of some seeds at a time are added to; a run that was stopped goes on behind its last line.
    #[arg(long, conflicts_with = "reproduce")]
    keep: Option<PathBuf>,
    /// Only this seed, twice, with what it was.
    #[arg(long)]
    reproduce: Option<u64>,
    /// Where to write what clients saw in the reproduced run: one JSON object per call and line.
    #[arg(long, requires = "reproduce")]
    history: Option<PathBuf>,
    /// The outcome as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
#[must_use]
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Simulate(simulate) => match simulate.reproduce {
            Some(seed) => reproduce(&simulate, seed),
            None => many(&simulate),
        },
        #[cfg(feature = "mutations")]
        Command::Mutations(mutations) => with_bugs::main(&mutations),
    }
}

fn many(simulate: &Simulate) -> ExitCode {
    let every = (simulate.seeds / 20).max(1);
    let plan = Plan {
        first_seed: simulate.seed,
        seeds: simulate.seeds,
        twice_every: TWICE_EVERY,
        until_failed: false,
    };
    let progress = |done: u64, failed| {
        if done.is_multiple_of(every) {
            eprintln!("{done} of {} seeds, {failed} failed", simulate.seeds);
        }
    };
    let report = match &simulate.keep {
        Some(file) => match go_on(simulate.part, plan, file, progress) {
            Ok(report) => report,
            Err(why) => {
                eprintln!("simulate: {why}");
                return ExitCode::from(2);
            }
        },
        None => run(simulate.part, plan, progress),
    };
    let never = report.never_happened();
    if simulate.json {
        println!("{}", serde_json::json!({ "report": report, "never_happened": never }));
    } else {
        print(&report);
    }
    for name in &never {
        eprintln!("simulate: no seed had {name}: the run shows less than it should");
    }
    if report.held() && never.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn print(report: &Report) {
    let ([done, refused, unknown], [twice, same]) = (report.calls, report.twice);
    println!(
        "{}: {} seeds from {} in {:.1} s: {} entries, {} failed, {} without a verdict",
        report.part.name(),
        report.seeds,
        report.first_seed,
        report.seconds,
        report.entries,
        report.failed,
        report.undecided
    );
    println!("calls judged: {done} done, {refused} refused, {unknown} unknown");
    let faults: Vec<String> = report
        .faults
        .iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    println!("faults: {}", faults.join(", "));
    for (name, longest_ms) in &report.longest_ms {
        println!("longest until {name}: {longest_ms} ms");
    }
    println!("{same} of {twice} seeds that ran twice were the same run bit for bit");
    for failure in report.failures.iter().chain(&report.without_verdict) {
        println!("seed {}: {}\n  repeat: {}", failure.seed, failure.why, failure.repeat);
    }
}

fn reproduce(simulate: &Simulate, seed: u64) -> ExitCode {
    let (part, json) = (simulate.part, simulate.json);
    let (ran, calls) = part.traced(seed);
    if let Some(path) = &simulate.history
        && let Err(error) = write_history(path, &calls)
    {
        eprintln!("simulate: cannot write {}: {error}", path.display());
        return ExitCode::from(2);
    }
    let again = part.run(seed);
    let same = ran == again;
    match &ran {
        Ok(ran) if json => println!(
            "{}",
            serde_json::json!({ "seed": seed, "ran": ran, "same_twice": same })
        ),
        Ok(ran) => println!("seed {seed}: nothing failed\n{ran:#?}"),
        Err(why) if json => println!(
            "{}",
            serde_json::json!({ "seed": seed, "why": why, "same_twice": same })
        ),
        Err(why) => println!("seed {seed}: {why}"),
    }
    if !same {
        eprintln!("simulate: the same seed gave another run the second time: {again:?}");
    }
    if ran.is_ok() && again.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn write_history(path: &Path, calls: &[Call]) -> std::io::Result<()> {
    let mut lines = BufWriter::new(File::create(path)?);
    for call in calls {
        append(call, &mut lines)?;
    }
    lines.flush()
}

#[cfg(feature = "mutations")]
#[derive(Parser, Debug)]
struct Mutations {
    /// Only this one.
    #[arg(long)]
    only: Option<String>,
    /// Seeds after which one counts as not caught.
    #[arg(long, default_value_t = 2_000)]
    seeds: u64,
    /// The outcome as one JSON array.
    #[arg(long)]
    json: bool,
}

#[cfg(feature = "mutations")]
mod with_bugs {
    //! The table of known bugs and what caught them.

    use super::Mutations;
    use crate::by_tests::{self, OF_PROGRAMS};
    use crate::campaign::with_bugs::{Caught, all, catch};
    use std::process::ExitCode;

    pub(super) fn main(arguments: &Mutations) -> ExitCode {
        let wanted = |name: &str| arguments.only.as_deref().is_none_or(|only| only == name);
        let chosen: Vec<_> = all()
            .into_iter()
            .filter(|(_, mutation)| wanted(mutation.name()))
            .collect();
        let by_tests: Vec<_> = OF_PROGRAMS
            .into_iter()
            .filter(|(mutation, ..)| wanted(mutation.name()))
            .collect();
        if chosen.is_empty() && by_tests.is_empty() {
            let programs = OF_PROGRAMS.into_iter().map(|(mutation, ..)| mutation);
            let names: Vec<&str> = all()
                .into_iter()
                .map(|(_, mutation)| mutation)
                .chain(programs)
                .map(|mutation| mutation.name())
                .collect();
            eprintln!("mutations: known are {}", names.join(", "));
            return ExitCode::from(2);
        }
        let mut table = Vec::new();
        for (part, mutation) in chosen {
            let caught = catch(part, mutation, arguments.seeds);
            tell(&caught, arguments.json);
            table.push(caught);
        }
        for (mutation, package, test) in by_tests {
            match by_tests::catch(mutation, package, test) {
                Ok(caught) => {
                    tell(&caught, arguments.json);
                    table.push(caught);
                }
                Err(why) => {
                    eprintln!("mutations: {}: {why}", mutation.name());
                    return ExitCode::FAILURE;
                }
            }
        }
        if arguments.json {
            println!("{}", serde_json::json!(table));
        }
        if table.iter().all(|caught| caught.check.is_some()) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn tell(caught: &Caught, is_json: bool) {
        if !is_json {
            let check = caught.check.as_deref().unwrap_or("NOT CAUGHT");
            println!(
                "{:<26} {:<14} {:>6} seeds  {}",
                caught.mutation, check, caught.seeds, caught.what
            );
        }
    }
}
