//! The command lines `infra/dev simulate` and `infra/dev mutations`.
//!
//! Exit codes: 0 nothing failed (every bug was caught), 1 something did, 2 it cannot be done as asked.

use crate::campaign::{Report, run};
use crate::rules;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Runs of the rules that one seed repeats.
#[derive(Parser, Debug)]
#[command(name = "tfauth-simulate", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Simulated nodes apply the log of simulated clients, with faults; every promise is checked.
    #[command(after_help = "Example: infra/dev simulate --seeds 5000\n\
                            Example: infra/dev simulate --reproduce 1234\n\
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
    /// So many seeds.
    #[arg(long, default_value_t = 1_000, conflicts_with = "reproduce")]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0, conflicts_with = "reproduce")]
    seed: u64,
    /// Only this seed, twice, with what it was.
    #[arg(long)]
    reproduce: Option<u64>,
    /// The outcome as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
#[must_use]
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Simulate(simulate) => match simulate.reproduce {
            Some(seed) => reproduce(seed, simulate.json),
            None => many(&simulate),
        },
        #[cfg(feature = "mutations")]
        Command::Mutations(mutations) => with_bugs::main(&mutations),
    }
}

fn many(simulate: &Simulate) -> ExitCode {
    let every = (simulate.seeds / 20).max(1);
    let report = run(simulate.seed, simulate.seeds, false, |done, failed| {
        if done.is_multiple_of(every) {
            eprintln!("{done} of {} seeds, {failed} failed", simulate.seeds);
        }
    });
    let never = report.never_happened();
    if simulate.json {
        println!("{}", serde_json::json!({ "rules": report, "never_happened": never }));
    } else {
        print(&report);
    }
    for name in &never {
        eprintln!("simulate: no seed had {name}: the run shows less than it should");
    }
    if report.failed == 0 && never.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn print(report: &Report) {
    let [done, refused, unknown] = report.calls;
    println!(
        "{} seeds from {} in {:.1} s: {} requests, {} entries, {} failed",
        report.seeds, report.first_seed, report.seconds, report.requests, report.entries, report.failed
    );
    println!("calls judged: {done} done, {refused} refused, {unknown} unknown");
    let faults: Vec<String> = report
        .faults
        .named()
        .iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    println!("faults: {}", faults.join(", "));
    for failure in &report.failures {
        println!("seed {}: {}\n  repeat: {}", failure.seed, failure.why, failure.repeat);
    }
}

fn reproduce(seed: u64, json: bool) -> ExitCode {
    let (ran, again) = (rules::run(seed), rules::run(seed));
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
        eprintln!("simulate: the same seed gave two different runs: {ran:?} and {again:?}");
    }
    if same && ran.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
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
    use crate::campaign::with_bugs::{OF_THE_RULES, catch};
    use std::process::ExitCode;

    pub(super) fn main(arguments: &Mutations) -> ExitCode {
        let wanted = |name: &str| arguments.only.as_deref().is_none_or(|only| only == name);
        let chosen: Vec<_> = OF_THE_RULES
            .into_iter()
            .filter(|mutation| wanted(mutation.name()))
            .collect();
        if chosen.is_empty() {
            let names: Vec<&str> = OF_THE_RULES.iter().map(|mutation| mutation.name()).collect();
            eprintln!("mutations: known are {}", names.join(", "));
            return ExitCode::from(2);
        }
        let mut table = Vec::new();
        for mutation in chosen {
            let caught = catch(mutation, arguments.seeds);
            if !arguments.json {
                let check = caught.check.as_deref().unwrap_or("NOT CAUGHT");
                println!(
                    "{:<26} {:<14} {:>6} seeds  {}",
                    caught.mutation, check, caught.seeds, caught.what
                );
            }
            table.push(caught);
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
}
