//! `infra/dev chaos`: real clusters, broken on purpose.

use chaos_tests::chaos::campaign::{self, Plan};
use chaos_tests::chaos::report::{self, RunReport};
use chaos_tests::chaos::runner::{self, Wish};
use chaos_tests::chaos::scenario::{self, Scenario};
use chaos_tests::nemeses::Need;
use chaos_tests::{clock, entropy, nemeses, workloads};
use clap::Parser;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Breaks real clusters in every known way and checks what clients saw.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  infra/dev chaos --list\n  infra/dev chaos --scenario kill-leader --seconds 60\n  infra/dev chaos --minutes 60 --nodes 5\n  infra/dev chaos --campaign --minutes 240 --streams 3 --out nightly\n  infra/dev chaos --scenario smoke --json\n\nExit codes: 0 every promise held, 1 one did not or a run broke, 2 it cannot run as asked,\n3 every promise held, and a strike could not be made in time: it shows less than was asked for."
)]
struct Options {
    /// Which scenario: a name, several with commas between, or `all`.
    #[arg(long, default_value = "all")]
    scenario: String,
    /// Seconds under faults of each run: 30, or 60 where minutes are shared.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: Option<u64>,
    /// Minutes under faults in all: scenarios take turns until they are over.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_080))]
    minutes: Option<u64>,
    /// Each run in a process of its own, with three and with five nodes in turns. What lies in the folder of --out counts: a
    /// campaign that was stopped goes on, and the summary there is of all of it.
    #[arg(long, requires = "minutes")]
    campaign: bool,
    /// Runs of a campaign at the same time. Each takes the better part of a core at the usual rate.
    #[arg(long, requires = "campaign", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    streams: u16,
    /// Decides who is struck, when and for how long.
    #[arg(long)]
    seed: Option<u64>,
    /// How many nodes, instead of what each scenario says.
    #[arg(long, value_parser = clap::value_parser!(u16).range(3..=7))]
    nodes: Option<u16>,
    /// Bounds of time are so many times as wide, for machines that are busy with other things.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20))]
    patience: u32,
    /// Clients arrive at so many hundredths of the usual rates.
    #[arg(long, default_value_t = 100, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(5..=1_000))]
    rate: u32,
    /// Where the page and the JSON of each run go.
    #[arg(long, value_name = "FOLDER", default_value = "chaos-reports")]
    out: PathBuf,
    /// Leave the page to whoever reads the JSON.
    #[arg(long)]
    no_page: bool,
    /// Folder with the programs of an older build, for the scenario of mixed versions.
    #[arg(long, value_name = "FOLDER")]
    older: Option<PathBuf>,
    /// Print JSON, one object in each line, and nothing else.
    #[arg(long)]
    json: bool,
    /// Show scenarios, nemeses and workloads, and run nothing.
    #[arg(long)]
    list: bool,
    /// Make the page, the summary and the table of availability anew from the JSON files in this folder, and run nothing.
    #[arg(long, value_name = "FOLDER")]
    report: Option<PathBuf>,
}

/// Of the page of all runs.
const TITLE: &str = "Chaos runs of tfauth";
/// Length of one run.
const RUN_SECONDS: u64 = 30;
/// Exit code where every promise held and a strike could not be made.
const NOT_IN_TIME: u8 = 3;
/// Length of one run where minutes are shared.
const TURN_SECONDS: u64 = 60;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(code) = in_own_network(&options) {
        return code;
    }
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        eprintln!("tfauth-chaos: cannot listen for signals");
        return ExitCode::FAILURE;
    };
    // Whoever stops a run takes its cluster and its disks away with it: they go when the run is dropped.
    let done = tokio::select! {
        done = go(&options) => done,
        _ = interrupt.recv() => Err("interrupted".to_owned()),
        _ = terminate.recv() => Err("terminated".to_owned()),
    };
    done.unwrap_or_else(|why| {
        eprintln!("tfauth-chaos: {why}");
        ExitCode::from(2)
    })
}

/// Packets are dropped in a network of this run's own, where root can make one: the same program again, inside of it. A
/// campaign leaves that to its runs.
fn in_own_network(options: &Options) -> Option<ExitCode> {
    let wanted = choose(&options.scenario).is_ok_and(|all| all.iter().any(|scenario| scenario.needs(Need::Packets)));
    let inside = std::env::var_os(nemeses::OWN_NETWORK).is_some();
    let idle = options.list || options.campaign || options.report.is_some();
    if !wanted || inside || idle || !rustix::process::geteuid().is_root() {
        return None;
    }
    let own = std::env::current_exe().ok()?;
    // In the place of this process, so that a signal to it reaches the run.
    let why = Command::new("unshare")
        .args(["--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"])
        .arg(own)
        .args(std::env::args_os().skip(1))
        .env(nemeses::OWN_NETWORK, "1")
        .exec();
    eprintln!("tfauth-chaos: unshare: {why}");
    Some(ExitCode::from(2))
}

async fn go(options: &Options) -> Result<ExitCode, String> {
    if options.list {
        list(options.json);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(folder) = &options.report {
        let runs = report::read_all(folder)?;
        println!("{}", report::availability_table(&report::availability_rows(&runs)));
        report::write_summary(folder, &runs, &[], &[])?;
        report::write(&folder.join("index.html"), &report::page(&runs, TITLE))?;
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = choose(&options.scenario)?;
    std::fs::create_dir_all(&options.out).map_err(|e| format!("{}: {e}", options.out.display()))?;
    if options.campaign {
        return campaign(options, &chosen).await;
    }
    let (runs, failed) = in_turns(options, &chosen).await?;
    if !options.json {
        println!("{}", report::availability_table(&report::availability_rows(&runs)));
        println!(
            "{} of {} runs held every promise and tried everything; the page is {}",
            runs.iter().filter(|run| run.is_green()).count(),
            runs.len(),
            options.out.join("index.html").display()
        );
    }
    Ok(code(failed == 0, &runs))
}

/// How the program ends; `fine` unless a promise was broken or a run could not be made.
fn code(fine: bool, runs: &[RunReport]) -> ExitCode {
    match (fine, runs.iter().all(RunReport::is_green)) {
        (true, true) => ExitCode::SUCCESS,
        (true, false) => ExitCode::from(NOT_IN_TIME),
        (false, _) => ExitCode::FAILURE,
    }
}

/// One run after the other, each scenario once or until the minutes are over; how many failed.
async fn in_turns(options: &Options, chosen: &[&'static Scenario]) -> Result<(Vec<RunReport>, usize), String> {
    let seed = options.seed.unwrap_or_else(entropy::fresh_seed);
    let until = options.minutes.map(|minutes| clock::unix_seconds() + minutes * 60);
    let usual = if until.is_some() { TURN_SECONDS } else { RUN_SECONDS };
    let seconds = options.seconds.unwrap_or(usual);
    let (mut runs, mut failed, mut skipped) = (Vec::new(), 0, 0);
    for number in 0.. {
        let over = match until {
            Some(until) => clock::unix_seconds() >= until,
            None => number >= chosen.len(),
        };
        let Some(scenario) = chosen.get(number % chosen.len()).filter(|_| !over) else {
            break;
        };
        // Each turn has a plan of its own, and the first ones have the seed that was asked for.
        let seed = seed + (number / chosen.len()) as u64;
        if let Some(why) = runner::missing(scenario, options.older.as_deref()) {
            skipped += 1;
            eprintln!("tfauth-chaos: SKIPPED {}: {why}", scenario.name);
            if skipped > chosen.len() {
                break;
            }
            continue;
        }
        match one(options, scenario, seconds, seed).await {
            Ok(run) => {
                failed += usize::from(!run.held);
                runs.push(run);
            }
            Err(why) => {
                failed += 1;
                eprintln!("tfauth-chaos: {} (seed {seed}) could not be run: {why}", scenario.name);
            }
        }
        if !options.no_page {
            report::write(&options.out.join("index.html"), &report::page(&runs, TITLE))?;
        }
    }
    Ok((runs, failed))
}

async fn campaign(options: &Options, chosen: &[&'static Scenario]) -> Result<ExitCode, String> {
    let mut arguments = vec![
        format!("--patience={}", options.patience),
        format!("--rate={}", options.rate),
    ];
    if let Some(older) = &options.older {
        arguments.push(format!("--older={}", older.display()));
    }
    let plan = Plan {
        turns: campaign::turns(chosen, options.nodes),
        seconds_wanted: options.minutes.unwrap_or_default() * 60,
        seconds_each: options.seconds.unwrap_or(TURN_SECONDS),
        streams: options.streams,
        seed: options.seed,
        arguments,
        program: std::env::current_exe().map_err(|e| format!("cannot tell where this program lies: {e}"))?,
        folder: options.out.clone(),
    };
    let outcome = campaign::run(plan).await?;
    let runs = &outcome.runs;
    report::write(&options.out.join("index.html"), &report::page(runs, TITLE))?;
    let summary = options.out.join("summary.html");
    for why in outcome
        .skipped
        .iter()
        .map(|what| format!("SKIPPED {what}"))
        .chain(outcome.not_made.clone())
    {
        eprintln!("tfauth-chaos: {why}");
    }
    if options.json {
        println!("{{\"held\":{},\"runs\":{}}}", outcome.held(), runs.len());
    } else {
        println!("{}", report::availability_table(&report::availability_rows(runs)));
        let held = runs.iter().filter(|run| run.is_green()).count();
        println!(
            "{held} of {} runs held every promise and tried everything; see {}",
            runs.len(),
            summary.display()
        );
    }
    let fine = !runs.is_empty() && outcome.not_made.is_empty() && runs.iter().all(|run| run.held);
    Ok(code(fine, runs))
}

async fn one(options: &Options, scenario: &'static Scenario, seconds: u64, seed: u64) -> Result<RunReport, String> {
    let began = clock::unix_seconds();
    let wish = Wish {
        scenario,
        nodes: options.nodes.unwrap_or(scenario.nodes),
        length: Duration::from_secs(seconds),
        seed,
        patience: options.patience,
        rate_percent: options.rate,
        programs: programs()?,
        older: options.older.clone(),
        logs: Some(options.out.join(format!("{}-{seed}.logs", scenario.name))),
        progress: !options.json,
    };
    let run = runner::run(wish).await?;
    let report = report::of_run(&run, began);
    let text = serde_json::to_string(&report).map_err(|e| e.to_string())?;
    let name = format!("{}-{}-{seed}-{began}", scenario.name, report.nodes);
    report::write(&options.out.join(format!("{name}.json")), &text)?;
    if !report.held {
        let lines: Vec<String> = run
            .evidence
            .calls
            .iter()
            .filter_map(|call| serde_json::to_string(call).ok())
            .collect();
        report::write(&options.out.join(format!("{name}.history.jsonl")), &lines.join("\n"))?;
    }
    if options.json {
        println!("{text}");
    } else {
        tell(&report);
    }
    Ok(report)
}

fn tell(report: &RunReport) {
    for verdict in &report.verdicts {
        let word = if verdict.held { "held  " } else { "BROKEN" };
        println!(
            "{word} {} ({} cases) {}",
            verdict.promise, verdict.cases, verdict.detail
        );
    }
    for late in &report.late {
        println!("NOT IN TIME {late}");
    }
    let seen = report.availability;
    println!(
        "{}: {} calls, {} failed, longest gap {} ms; again: {}\n",
        report.scenario,
        seen.requests,
        seen.failed,
        seen.longest_gap_ms,
        report::command(report)
    );
}

/// Programs lie beside this one, unless they are named.
fn programs() -> Result<PathBuf, String> {
    if let Some(folder) = std::env::var_os(cluster_harness::binaries::BIN_DIR_VARIABLE) {
        return Ok(PathBuf::from(folder));
    }
    let own = std::env::current_exe().map_err(|e| format!("cannot tell where this program lies: {e}"))?;
    own.parent()
        .map(Path::to_owned)
        .ok_or_else(|| "this program lies nowhere".to_owned())
}

fn choose(names: &str) -> Result<Vec<&'static Scenario>, String> {
    match names {
        "all" => Ok(scenario::ALL.iter().collect()),

        names => names
            .split(',')
            .map(|name| {
                scenario::find(name).ok_or_else(|| format!("there is no scenario {name}: see infra/dev chaos --list"))
            })
            .collect(),
    }
}

fn list(json: bool) {
    if json {
        let names: Vec<&str> = scenario::ALL.iter().map(|scenario| scenario.name).collect();
        println!("{}", serde_json::json!({ "scenarios": names }));
        return;
    }
    let mut text = "Scenarios:\n".to_owned();
    for scenario in scenario::ALL {
        let _ = writeln!(
            text,
            "  {:<24} {} nodes: {}",
            scenario.name,
            scenario.nodes,
            scenario.nemeses.join(", ")
        );
    }
    text.push_str("\nNemeses:\n");
    for nemesis in nemeses::ALL.iter().flat_map(|kind| kind.iter()) {
        let _ = writeln!(text, "  {:<24} {}", nemesis.name, nemesis.about);
    }
    text.push_str("\nWorkloads (all of them arrive in every run):\n");
    for row in workloads::ALL {
        let _ = writeln!(text, "  {:<24} every {} ms: {}", row.name, row.every_ms, row.about);
    }
    // Whoever reads the beginning only is no fault.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
