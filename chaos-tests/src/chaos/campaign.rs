//! Many runs, several beside each other, until enough time under faults has come together: what a nightly job starts. Each run
//! is a process of its own, so that one that breaks takes nothing with it. What the folder has already counts, so a campaign
//! that was stopped goes on where it was. Runs nothing itself and judges nothing.

use super::report::{self, RunReport};
use super::scenario::Scenario;
use crate::entropy;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// What is wished.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which scenarios take turns, with how many nodes.
    pub turns: Vec<Turn>,
    /// Time under faults that is wanted, of all runs in the folder together.
    pub seconds_wanted: u64,
    /// Time under faults of one run.
    pub seconds_each: u64,
    /// Runs at the same time.
    pub streams: u16,
    /// Seed of the first run of each turn; the next ones count up from it. Without it each run gets a fresh one.
    pub seed: Option<u64>,
    /// Further arguments of each run.
    pub arguments: Vec<String>,
    /// This program.
    pub program: PathBuf,
    /// Where the JSON of the runs lies.
    pub folder: PathBuf,
}

/// A scenario with clusters of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// Name of the scenario.
    pub scenario: &'static str,
    /// How many nodes.
    pub nodes: u16,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Every run of the folder.
    pub runs: Vec<RunReport>,
    /// Turns that this machine cannot run.
    pub skipped: Vec<String>,
    /// Runs that could not be made, and why.
    pub not_made: Vec<String>,
}

impl Outcome {
    /// Whether there were runs and every one held every promise and tried everything.
    #[must_use]
    pub fn held(&self) -> bool {
        !self.runs.is_empty() && self.not_made.is_empty() && self.runs.iter().all(RunReport::is_green)
    }
}

/// Each scenario with its own number of nodes first, then those of three nodes with five.
#[must_use]
pub fn turns(scenarios: &[&'static Scenario], nodes: Option<u16>) -> Vec<Turn> {
    let turn = |scenario: &&'static Scenario, nodes| Turn {
        scenario: scenario.name,
        nodes,
    };
    if let Some(nodes) = nodes {
        return scenarios.iter().map(|scenario| turn(scenario, nodes)).collect();
    }
    let own = scenarios.iter().map(|scenario| turn(scenario, scenario.nodes));
    let small = scenarios.iter().filter(|scenario| scenario.nodes == 3);
    own.chain(small.map(|scenario| turn(scenario, 5))).collect()
}

/// Runs it.
///
/// # Errors
/// The folder cannot be read or written.
pub async fn run(plan: Plan) -> Result<Outcome, String> {
    let outcome = Outcome {
        runs: report::read_all(&plan.folder)?,
        ..Outcome::default()
    };
    let mut made: BTreeMap<Turn, u64> = plan.turns.iter().map(|turn| (*turn, 0)).collect();
    for run in &outcome.runs {
        let of = made.iter_mut().find(|(turn, _)| turn.is_of(run));
        if let Some((_, count)) = of {
            *count += 1;
        }
    }
    let streams = plan.streams;
    let desk = Arc::new(Desk {
        plan,
        state: Mutex::new(State {
            outcome,
            made,
            ..State::default()
        }),
    });
    let mut tasks = JoinSet::new();
    for _ in 0..streams {
        tasks.spawn(stream(Arc::clone(&desk)));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|e| format!("a stream failed: {e}"))??;
    }
    let state = desk.state();
    Ok(state.outcome.clone())
}

impl Turn {
    fn is_of(&self, run: &RunReport) -> bool {
        run.scenario == self.scenario && run.nodes == self.nodes
    }
}

/// What the streams share.
struct Desk {
    plan: Plan,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    outcome: Outcome,
    /// How often each turn was taken.
    made: BTreeMap<Turn, u64>,
    running: u64,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn that was taken least often, and its seed; none when enough time has come together.
    fn next(&self) -> Option<(Turn, u64)> {
        let mut state = self.state();
        let done: u64 = state.outcome.runs.iter().map(|run| run.mended_ms / 1000).sum();
        let under_way = state.running * self.plan.seconds_each;
        if done + under_way >= self.plan.seconds_wanted {
            return None;
        }
        let turn = least(&self.plan.turns, &state.made)?;
        let count = state.made.get(&turn).copied().unwrap_or_default();
        state.made.insert(turn, count + 1);
        state.running += 1;
        let seed = self.plan.seed.map_or_else(entropy::fresh_seed, |seed| seed + count);
        Some((turn, seed))
    }

    fn book(&self, turn: Turn, came: Came) -> Result<(), String> {
        let mut state = self.state();
        state.running -= 1;
        match came {
            Came::Run(run) => state.outcome.runs.push(*run),
            Came::Skipped => {
                // Not asked for again.
                state.made.remove(&turn);
                state
                    .outcome
                    .skipped
                    .push(format!("{} with {} nodes", turn.scenario, turn.nodes));
            }
            Came::Nothing(why) => {
                let what = format!("{} with {} nodes: {why}", turn.scenario, turn.nodes);
                state.outcome.not_made.push(what);
            }
        }
        let outcome = &state.outcome;
        report::write_summary(&self.plan.folder, &outcome.runs, &outcome.skipped, &outcome.not_made)
    }
}

/// Of those that can be run, the one that was taken least often; the first of several.
fn least(turns: &[Turn], made: &BTreeMap<Turn, u64>) -> Option<Turn> {
    let able = turns.iter();
    able.filter_map(|turn| made.get(turn).map(|count| (*count, *turn)))
        .min_by_key(|(count, _)| *count)
        .map(|(_, turn)| turn)
}

/// What came of one run.
enum Came {
    Run(Box<RunReport>),
    Skipped,
    Nothing(String),
}

async fn stream(desk: Arc<Desk>) -> Result<(), String> {
    while let Some((turn, seed)) = desk.next() {
        let came = one(&desk.plan, turn, seed).await.unwrap_or_else(Came::Nothing);
        let word = match &came {
            Came::Run(run) if run.is_green() => run.word().to_owned(),
            Came::Run(run) => format!("{}, again: {}", run.word(), report::command(run)),
            Came::Skipped => "skipped: this machine cannot run it".to_owned(),
            Came::Nothing(why) => format!("could not be made: {why}"),
        };
        eprintln!("{} with {} nodes, seed {seed}: {word}", turn.scenario, turn.nodes);
        desk.book(turn, came)?;
    }
    Ok(())
}

/// A run in a process of its own. Whoever gives up waiting for it asks it to end, and it takes its cluster away.
async fn one(plan: &Plan, turn: Turn, seed: u64) -> Result<Came, String> {
    let name = format!("{}-{}-{seed}", turn.scenario, turn.nodes);
    let log = plan.folder.join(format!("{name}.log"));
    let said = File::create(&log).map_err(|e| format!("{}: {e}", log.display()))?;
    let mut command = Command::new(&plan.program);
    command
        .args(["--scenario", turn.scenario, "--no-page", "--out"])
        .arg(&plan.folder)
        .args(["--nodes", &turn.nodes.to_string(), "--seed", &seed.to_string()])
        .args(["--seconds", &plan.seconds_each.to_string()])
        .args(&plan.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said);
    let child = command
        .spawn()
        .map_err(|e| format!("{}: {e}", plan.program.display()))?;
    let status = Run(child).0.wait().await.map_err(|e| e.to_string())?;
    if let Some(path) = report_of(&plan.folder, &name)? {
        let run = report::read(&path)?;
        if run.is_green() {
            let _kept = fs::remove_file(&log);
        }
        return Ok(Came::Run(Box::new(run)));
    }
    if status.success() {
        let _kept = fs::remove_file(&log);
        return Ok(Came::Skipped);
    }
    let text = fs::read_to_string(&log).unwrap_or_default();
    Ok(Came::Nothing(
        text.lines().last().unwrap_or("it said nothing").to_owned(),
    ))
}

fn report_of(folder: &Path, name: &str) -> Result<Option<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let begins = format!("{name}-");
    Ok(entries.flatten().map(|entry| entry.path()).find(|path| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        file.starts_with(&begins) && file.ends_with(".json")
    }))
}

/// A process that is asked to end when nobody waits for it any more.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        // Not waited for yet, so the number is still its own.
        if let Some(pid) = self.0.id().and_then(|pid| i32::try_from(pid).ok()) {
            let _gone = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scenario;
    use super::*;

    #[test]
    fn every_scenario_gets_a_turn_before_any_gets_a_second_one() {
        let all: Vec<&'static Scenario> = scenario::ALL.iter().collect();
        let turns = turns(&all, None);
        let of = |nodes| turns.iter().filter(|turn| turn.nodes == nodes).count();
        assert!(turns.len() > all.len() && of(3) > 0 && of(5) > of(3));
        let mut made: BTreeMap<Turn, u64> = turns.iter().map(|turn| (*turn, 0)).collect();
        for expected in &turns {
            let next = least(&turns, &made).unwrap();
            assert_eq!(next, *expected);
            made.insert(next, 1);
        }
        made.remove(&turns[0]);
        assert_eq!(least(&turns, &made), Some(turns[1]), "the first was skipped");
        assert_eq!(super::turns(&all, Some(7))[0].nodes, 7);
    }
}
