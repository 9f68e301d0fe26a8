//! The program of the long proofs, and of the processes that they start. `infra/dev` is the door to it.

use chaos_tests::api_fuzz::{self, Effort};
use chaos_tests::damage;
use chaos_tests::entropy::fresh_seed;
use chaos_tests::faultfs;
use chaos_tests::member::{self, LeftOut, Task};
use chaos_tests::proofs::kill_loop::kill_loop;
use chaos_tests::proofs::power_loss::{Scene, power_loss};
use chaos_tests::proofs::replacement::kill_replacements;
use chaos_tests::proofs::{Run, Verdict, nodes};
use chaos_tests::{python, timing};
use clap::{Args, Parser, Subcommand};
use cluster_harness::cluster::{Cluster, Options};
use serde::Serialize;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::runtime::Builder;

/// Proofs about disks: kills and power losses lose nothing that was acknowledged.
#[derive(Parser)]
#[command(
    name = "tfauth-proofs",
    version,
    after_help = "Example: infra/dev power-loss --rounds 200\nExit codes: 0 nothing lost, 1 something lost or a fault, 2 it cannot be run here."
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Kills a member of the store with SIGKILL again and again, while it opens, writes and saves its tables
    #[command(after_help = "Example: infra/dev kill-loop --rounds 1000 --json")]
    KillLoop {
        #[command(flatten)]
        common: Common,
        /// A folder on the disk to run on, instead of the temporary folder
        #[arg(long, value_name = "FOLDER")]
        ground: Option<PathBuf>,
    },
    /// Takes the power from the disk of a member, or of three, again and again
    #[command(after_help = "Example: infra/dev power-loss --rounds 200 --members 3 --seed 7")]
    PowerLoss {
        #[command(flatten)]
        common: Common,
        /// One member alone, or three
        #[arg(long, default_value = "1", value_parser = ["1", "3"])]
        members: String,
        /// Leave something out, to see that the loss is found: ends with 0 when it is, with 1 when not
        #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
        dangerously_leave_out: LeftOut,
    },
    /// Replaces nodes of a real cluster and kills somebody with SIGKILL in the middle of each replacement
    #[command(after_help = "Example: infra/dev replace-kills --rounds 30 --seed 7")]
    ReplaceKills {
        #[command(flatten)]
        common: Common,
    },
    /// Runs a cluster whose nodes have their data on disks that fail, are full, read-only or slow, or lose their power
    #[command(after_help = "Example: infra/dev failing-disks --rounds 40 --seed 7")]
    FailingDisks {
        #[command(flatten)]
        common: Common,
    },
    /// Damages copies of real data folders, one case at a time, and tells what a node says of each
    #[command(after_help = "Example: infra/dev damage --cases 40 --json")]
    Damage {
        /// Cases per file and kind of damage
        #[arg(long, value_name = "N", default_value_t = 16)]
        cases: u64,
        /// Repeats the choices of another run
        #[arg(long, value_name = "NUMBER")]
        seed: Option<u64>,
        /// The table as JSON on standard output
        #[arg(long)]
        json: bool,
    },
    /// Times refused logins with an account and without, and tells whether they can be told apart (EN-1)
    #[command(
        after_help = "Three nodes on this machine, which should do nothing else.\n\nExample: infra/dev timing --samples 1000 --json\nExit codes: 0 they cannot, 1 they can or a fault."
    )]
    Timing {
        /// Answers of each kind
        #[arg(long, value_name = "N", default_value_t = 1000)]
        samples: usize,
        /// The figures as JSON on standard output
        #[arg(long)]
        json: bool,
    },
    /// Holds the served OpenAPI document against a cluster with schemathesis: no server error, no undocumented answer
    #[command(
        after_help = "Example: infra/dev api-fuzz --examples 100 --seed 7\nExit codes: 0 all as documented, 1 something is not or a fault, 2 schemathesis cannot be had here."
    )]
    ApiFuzz {
        /// Cases made up for each operation and caller, beside those that follow from its schema
        #[arg(long, value_name = "N", default_value_t = 50)]
        examples: u32,
        /// Repeats the choices of another run
        #[arg(long, value_name = "NUMBER")]
        seed: Option<u64>,
        /// The result as JSON on standard output
        #[arg(long)]
        json: bool,
    },
    /// Serves a disk that can lose power, obeying lines on its input: off, on SEED, latency, fail-sync, capacity, read-only
    #[command(after_help = "Example: tfauth-proofs faultfs /mnt/disk")]
    Faultfs {
        /// Where to mount it
        folder: PathBuf,
    },
    /// One member, as the proofs start it
    #[command(hide = true, after_help = "Example: infra/dev kill-loop")]
    Member {
        #[arg(long)]
        id: u64,
        #[arg(long, value_delimiter = ',')]
        addresses: Vec<SocketAddr>,
        #[arg(long)]
        papers: PathBuf,
        #[arg(long)]
        data: PathBuf,
        #[arg(long, value_enum, default_value_t)]
        dangerously_leave_out: LeftOut,
    },
}

#[derive(Args)]
struct Common {
    /// Rounds of life and death [default: 1000 kills, 200 power losses, 16 failing disks]
    #[arg(long, value_name = "N")]
    rounds: Option<u64>,
    /// Repeats the choices of another run
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// The result as JSON on standard output
    #[arg(long)]
    json: bool,
}

impl Common {
    fn run(&self, rounds: u64) -> Result<Run, String> {
        Ok(Run {
            program: std::env::current_exe().map_err(|e| format!("cannot tell where this program lies: {e}"))?,
            rounds: self.rounds.unwrap_or(rounds),
            seed: self.seed.unwrap_or_else(fresh_seed),
            progress: true,
        })
    }
}

fn main() -> ExitCode {
    let ended = match Arguments::parse().verb {
        Verb::KillLoop { common, ground } => common.run(1000).and_then(|run| {
            let verdict = kill_loop(&run, ground.as_deref())?;
            Ok(tell(&verdict, &common, "kill-loop"))
        }),
        Verb::PowerLoss {
            common,
            members,
            dangerously_leave_out,
        } => lose_power(&common, &members, dangerously_leave_out),
        Verb::FailingDisks { common } => fail_disks(&common),
        Verb::ReplaceKills { common } => replace_kills(&common),
        Verb::Damage { cases, seed, json } => damage_folders(cases, seed.unwrap_or_else(fresh_seed), json),
        Verb::Timing { samples, json } => in_cluster(async |cluster| timing::measure(&cluster, samples).await)
            .map(|report| tell_report(&report, report.holds(), json)),
        Verb::ApiFuzz { examples, seed, json } => fuzz_api(examples, seed.unwrap_or_else(fresh_seed), json),
        Verb::Faultfs { folder } => faultfs::program::run(&folder).map(|()| ExitCode::SUCCESS),
        Verb::Member {
            id,
            addresses,
            papers,
            data,
            dangerously_leave_out: left_out,
        } => {
            let task = Task {
                id,
                addresses,
                papers,
                data,
                left_out,
            };
            member::run(&task).map(|()| ExitCode::SUCCESS)
        }
    };
    ended.unwrap_or_else(|why| {
        eprintln!("tfauth-proofs: {why}");
        ExitCode::FAILURE
    })
}

/// Does something with a cluster of its own, which is gone afterwards.
fn in_cluster<T>(work: impl AsyncFnOnce(Cluster) -> Result<T, String>) -> Result<T, String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let cluster = Cluster::start(Options::default()).await.map_err(|e| e.to_string())?;
        work(cluster).await
    })
}

fn fuzz_api(examples: u32, seed: u64, json: bool) -> Result<ExitCode, String> {
    let Some(interpreter) = python::interpreter() else {
        eprintln!("tfauth-proofs: SKIPPED api-fuzz: {}", python::MISSING);
        return Ok(ExitCode::from(2));
    };
    let effort = Effort {
        examples,
        seed,
        coverage: true,
    };
    let report = in_cluster(async |cluster| api_fuzz::run(&cluster, &interpreter, effort).await)?;
    if !report.holds() {
        eprintln!("repeat with: infra/dev api-fuzz --seed {seed} --examples {examples}");
    }
    Ok(tell_report(&report, report.holds(), json))
}

fn tell_report(report: &(impl Serialize + Display), holds: bool, json: bool) -> ExitCode {
    if json {
        println!("{}", serde_json::to_string(report).unwrap_or_default());
    } else {
        print!("{report}");
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn lose_power(common: &Common, members: &str, left_out: LeftOut) -> Result<ExitCode, String> {
    if let Some(why) = faultfs::missing() {
        eprintln!("tfauth-proofs: SKIPPED: no disk of ours can be mounted: {why}");
        return Ok(ExitCode::from(2));
    }
    let scene = if members == "3" { Scene::Cluster } else { Scene::Single };
    let verdict = power_loss(&common.run(200)?, scene, left_out)?;
    let told = tell(&verdict, common, &format!("power-loss --members {members}"));
    if left_out != LeftOut::Nothing {
        let found = if verdict.holds() { "NOT noticed" } else { "noticed" };
        println!("left out {}: {found}", left_out.name());
        return Ok(if verdict.holds() {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        });
    }
    Ok(told)
}

fn fail_disks(common: &Common) -> Result<ExitCode, String> {
    if let Some(why) = faultfs::missing() {
        eprintln!("tfauth-proofs: SKIPPED: no disk of ours can be mounted: {why}");
        return Ok(ExitCode::from(2));
    }
    // Two providers may be linked; the choice must be made before the first handshake. It can only have been made already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let run = common.run(nodes::Case::all().len() as u64)?;
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("no runtime: {e}"))?;
    let outcome = runtime.block_on(nodes::run(&run, &nodes::draw(&run)))?;
    for wrong in &outcome.wrong {
        eprintln!("WRONG: {wrong}");
    }
    if common.json {
        println!("{}", serde_json::to_string(&outcome).unwrap_or_default());
    } else {
        println!("{outcome}");
    }
    if outcome.holds() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "repeat with: infra/dev failing-disks --seed {} --rounds {}",
        run.seed, run.rounds
    );
    Ok(ExitCode::FAILURE)
}

fn replace_kills(common: &Common) -> Result<ExitCode, String> {
    let run = common.run(30)?;
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    let ended = runtime.block_on(kill_replacements(run.rounds, run.seed));
    let strikes = ended.map_err(|why| format!("{why}\nrepeat with: infra/dev replace-kills --seed {}", run.seed))?;
    for strike in &strikes {
        eprintln!("{strike:?}");
    }
    let caught = strikes.iter().filter(|strike| strike.left.contains("changing")).count();
    if common.json {
        println!(
            "{{\"rounds\":{},\"seed\":{},\"joint\":{caught}}}",
            strikes.len(),
            run.seed
        );
    } else {
        println!(
            "{} replacements, {caught} cut in the middle of a joint change, none left half open; seed {}",
            strikes.len(),
            run.seed
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn damage_folders(cases: u64, seed: u64, json: bool) -> Result<ExitCode, String> {
    let proofs = std::env::current_exe().map_err(|e| format!("cannot tell where this program lies: {e}"))?;
    let table = damage::run(&damage::Campaign {
        node: proofs.with_file_name("tfauth-node"),
        proofs,
        cases,
        cases_max: None,
        seed,
        progress: true,
    })?;
    for failure in &table.failures {
        eprintln!("WRONG: {failure}");
    }
    if json {
        println!("{}", serde_json::to_string(&table).unwrap_or_default());
    } else {
        println!("{table}");
    }
    if table.failures.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("repeat with: infra/dev damage --seed {seed} --cases {cases}");
    Ok(ExitCode::FAILURE)
}

fn tell(verdict: &Verdict, common: &Common, command: &str) -> ExitCode {
    for lost in &verdict.lost {
        eprintln!("LOST: {lost}");
    }
    if common.json {
        println!("{}", serde_json::to_string(verdict).unwrap_or_default());
    } else {
        println!("{} rounds in {} s: {verdict}", verdict.rounds, verdict.seconds);
    }
    if verdict.holds() {
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "repeat with: infra/dev {command} --seed {} --rounds {}",
        verdict.seed, verdict.rounds
    );
    ExitCode::FAILURE
}
