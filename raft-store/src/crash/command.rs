//! The command line over crash points: `infra/dev crash-points`.
//!
//! Exit codes: 0 nothing failed (with `--mutation`: it was caught), 1 something did, 2 it cannot be done as asked.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use clap::Parser;
use parking_lot::Mutex;

use super::{Mutation, Options, Report, run};
use crate::disk::sim::Loss;

/// Stops the stores of a member at every write and flush on a simulated disk, and judges what comes back.
#[derive(Parser, Debug)]
#[command(
    name = "infra/dev crash-points",
    after_help = "Example: infra/dev crash-points --seeds 200\n\
                  Example: infra/dev crash-points --mutation purge-before-checkpoint\n\
                  Exit codes: 0 nothing failed (with --mutation: it was caught), 1 something did, 2 it cannot be done as asked."
)]
struct Arguments {
    /// So many plans; the first one is the tour past everything.
    #[arg(long, default_value_t = 100, conflicts_with = "seed")]
    seeds: u64,
    /// Only the plan of this seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Torn losses per point, and as many out of order.
    #[arg(long, default_value_t = 4)]
    tears: u64,
    /// A second crash at every point of every so many recoveries; 0 for never.
    #[arg(long, default_value_t = 37)]
    nested_every: u64,
    /// Only the crash in the middle of this operation.
    #[arg(long, requires = "seed")]
    point: Option<u64>,
    /// How the disk comes back: lost, kept, killed, torn:SEED, scattered:SEED.
    #[arg(long, requires = "point")]
    loss: Option<Loss>,
    /// Only the second crash in the middle of this operation of the recovery.
    #[arg(long, requires = "loss")]
    then: Option<u64>,
    /// How the disk comes back from the second crash.
    #[arg(long, requires = "then")]
    then_loss: Option<Loss>,
    /// Make this mistake on purpose, and be content if it is noticed.
    #[arg(long, value_parser = mutation)]
    mutation: Option<Mutation>,
    /// The outcome as one JSON object.
    #[arg(long)]
    json: bool,
}

fn mutation(text: &str) -> Result<Mutation, String> {
    let found = Mutation::ALL.iter().find(|(_, name)| *name == text);
    found.map(|(mutation, _)| *mutation).ok_or_else(|| {
        let names: Vec<&str> = Mutation::ALL.iter().map(|(_, name)| *name).collect();
        format!("known are {}", names.join(", "))
    })
}

/// Runs the command.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let started = Instant::now();
    let report = match in_parallel(&arguments) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("crash-points: no runtime could be started: {error}");
            return ExitCode::from(1);
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    if arguments.json {
        println!("{}", json(&report, seconds));
    } else {
        println!("{report}, {seconds:.1} s");
    }
    match (arguments.mutation, report.failures.is_empty()) {
        (None, true) | (Some(_), false) => ExitCode::SUCCESS,
        (Some(_), true) => {
            eprintln!("crash-points: nobody noticed the mistake");
            ExitCode::from(1)
        }
        (None, false) => ExitCode::from(1),
    }
}

fn options(arguments: &Arguments, seed: u64) -> Options {
    Options {
        first_seed: seed,
        seeds: 1,
        tears: arguments.tears,
        nested_every: arguments.nested_every,
        point: arguments.point,
        loss: arguments.loss,
        then: arguments.then,
        then_loss: arguments.then_loss,
        mutation: arguments.mutation,
        failures_max: if arguments.mutation.is_some() { 1 } else { 10 },
    }
}

/// Seeds are independent of each other: as many at a time as there are cores.
fn in_parallel(arguments: &Arguments) -> std::io::Result<Report> {
    let (first, count) = arguments.seed.map_or((0, arguments.seeds), |seed| (seed, 1));
    let next = AtomicU64::new(first);
    let total = Mutex::new(Report::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || -> std::io::Result<()> {
        loop {
            let seed = next.fetch_add(1, Relaxed);
            let enough = arguments.mutation.is_some() && !total.lock().failures.is_empty();
            if seed >= first.saturating_add(count) || enough {
                return Ok(());
            }
            let report = run(&options(arguments, seed))?;
            total.lock().add(report);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            match thread.join() {
                Ok(outcome) => outcome?,
                Err(_) => return Err(std::io::Error::other("a thread panicked")),
            }
        }
        Ok::<(), std::io::Error>(())
    })?;
    Ok(total.into_inner())
}

fn json(report: &Report, seconds: f64) -> serde_json::Value {
    let failures = report.failures.iter().map(|failure| {
        serde_json::json!({
            "at": failure.at,
            "why": failure.why,
            "repeat": failure.case.to_string(),
        })
    });
    serde_json::json!({
        "plans": report.seeds,
        "crash_points": report.points,
        "cases": report.cases,
        "second_crashes": report.nested,
        "refused_out_of_order": report.refused,
        "failures": failures.collect::<Vec<_>>(),
        "seconds": seconds,
    })
}
