//! One run as JSON: kept beside the page, and read by whoever adds runs up.

use crate::chaos::evidence::Event;
use crate::chaos::runner::Run;
use crate::promises::{Figures, Verdict, figures, of_event};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunReport {
    /// Which scenario.
    pub scenario: String,
    /// How many nodes.
    pub nodes: u16,
    /// What repeats its plan.
    pub seed: u64,
    /// How long clients arrived while things broke.
    pub seconds: u64,
    /// Bounds of time were so many times as wide.
    pub patience: u32,
    /// Clients arrived at so many hundredths of the usual rates.
    #[serde(default = "usual_rate")]
    pub rate_percent: u32,
    /// When it began, in seconds since 1970.
    pub began_unix: u64,
    /// Whether every promise held.
    pub held: bool,
    /// Strikes that could not be made in time: no promise was broken, and less was shown than was asked for.
    #[serde(default)]
    pub late: Vec<String>,
    /// Each promise.
    pub verdicts: Vec<Verdict>,
    /// Calls by workload.
    pub workloads: Vec<WorkloadReport>,
    /// Calls that were not served, by what their clients saw.
    #[serde(default)]
    pub failures: BTreeMap<String, usize>,
    /// Times that members compared the digests of their tables.
    #[serde(default)]
    pub digests_compared: u64,
    /// What users noticed of the whole run.
    pub availability: Figures,
    /// What users noticed of each strike.
    pub strikes: Vec<StrikeReport>,
    /// What users noticed of each second.
    pub seconds_seen: Vec<Second>,
    /// When everything was mended, in milliseconds since the first client.
    pub mended_ms: u64,
}

/// What reports of before it could be chosen had.
fn usual_rate() -> u32 {
    100
}

impl RunReport {
    /// Whether every promise held, and everything was tried that should be.
    #[must_use]
    pub fn is_green(&self) -> bool {
        self.held && self.late.is_empty()
    }

    /// In one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match (self.held, self.late.is_empty()) {
            (true, true) => "held",
            (true, false) => "NOT IN TIME",
            (false, _) => "BROKEN",
        }
    }
}

/// Calls of one workload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkloadReport {
    /// Its name.
    pub name: String,
    /// Calls that succeeded.
    pub ok: usize,
    /// Calls that were refused.
    pub denied: usize,
    /// Calls that were not served, and changed nothing.
    #[serde(default)]
    pub unserved: usize,
    /// Calls of which nobody knows.
    pub unknown: usize,
}

/// One strike.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StrikeReport {
    /// Which nemesis.
    pub nemesis: String,
    /// Whom it hit.
    pub victims: Vec<String>,
    /// When it began, in milliseconds since the first client.
    pub began_ms: u64,
    /// When it was mended.
    pub ended_ms: u64,
    /// Whether it is proven to have hit.
    pub took_effect: bool,
    /// More.
    pub note: String,
    /// What users noticed of it.
    pub seen: Figures,
}

/// One second of a run.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Second {
    /// Calls that were due in it and succeeded or were refused.
    pub served: usize,
    /// Calls that were due in it and were not served.
    pub failed: usize,
    /// The slowest of them.
    pub slowest_ms: u64,
}

/// The report of a run.
#[must_use]
pub fn of_run(run: &Run, began_unix: u64) -> RunReport {
    let evidence = &run.evidence;
    let mut names: Vec<&str> = evidence.calls.iter().map(|call| call.workload.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    RunReport {
        scenario: run.wish.scenario.name.to_owned(),
        nodes: run.wish.nodes,
        seed: run.wish.seed,
        seconds: run.wish.length.as_secs(),
        patience: run.wish.patience,
        rate_percent: run.wish.rate_percent,
        began_unix,
        held: run.held(),
        late: late(run),
        verdicts: run.verdicts.clone(),
        workloads: names.iter().map(|name| workload(run, name)).collect(),
        failures: failures(run),
        digests_compared: evidence.aftermath.digests.0,
        availability: figures(&evidence.calls, evidence.began_us, evidence.ended_us),
        strikes: evidence.events.iter().map(|event| strike(run, event)).collect(),
        seconds_seen: seconds(run),
        mended_ms: evidence.mended_us.saturating_sub(evidence.began_us) / 1000,
    }
}

fn workload(run: &Run, name: &str) -> WorkloadReport {
    use crate::chaos::recorder::Outcome;
    let count = |outcome| run.evidence.of(name).filter(|call| call.outcome == outcome).count();
    WorkloadReport {
        name: name.to_owned(),
        ok: count(Outcome::Ok),
        denied: count(Outcome::Denied),
        unserved: count(Outcome::Unserved),
        unknown: count(Outcome::Unknown),
    }
}

fn late(run: &Run) -> Vec<String> {
    let late = run.evidence.events.iter().filter(|event| event.late);
    late.map(|event| format!("{}: {}", event.nemesis, event.note)).collect()
}

fn failures(run: &Run) -> BTreeMap<String, usize> {
    let mut failures = BTreeMap::new();
    for call in run.evidence.calls.iter().filter(|call| call.failed()) {
        let seen = match call.status {
            0 => format!("no answer: {}", call.value),
            status => format!("{status} {}", call.value),
        };
        *failures.entry(format!("{}: {seen}", call.workload)).or_default() += 1;
    }
    failures
}

fn strike(run: &Run, event: &Event) -> StrikeReport {
    StrikeReport {
        nemesis: event.nemesis.clone(),
        victims: event.victims.clone(),
        began_ms: event.began_us.saturating_sub(run.evidence.began_us) / 1000,
        ended_ms: event.ended_us.saturating_sub(run.evidence.began_us) / 1000,
        took_effect: event.took_effect,
        note: event.note.clone(),
        seen: of_event(&run.evidence, event),
    }
}

fn seconds(run: &Run) -> Vec<Second> {
    let evidence = &run.evidence;
    let since = |us: u64| usize::try_from(us.saturating_sub(evidence.began_us) / 1_000_000).unwrap_or(usize::MAX);
    let length = since(evidence.ended_us);
    let mut seconds = vec![Second::default(); length + 1];
    for call in evidence.calls.iter().filter(|call| call.due_us >= evidence.began_us) {
        let Some(second) = seconds.get_mut(since(call.due_us)) else {
            continue;
        };
        if call.failed() {
            second.failed += 1;
        } else {
            second.served += 1;
        }
        let took = call
            .ended_us
            .map_or(0, |ended| ended.saturating_sub(call.due_us) / 1000);
        second.slowest_ms = second.slowest_ms.max(took);
    }
    seconds
}
