//! Many runs in a few lines: what is kept for a release. The page of all runs has the rest.

use super::availability::{self, Row};
use super::html::{STYLE, escape};
use super::json::RunReport;
use super::{command, write};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Many runs.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    /// How many.
    pub(super) runs: usize,
    /// Those that held every promise and tried everything.
    pub(super) held: usize,
    /// Those that held every promise, and in which a strike could not be made in time: they count as nothing else.
    pub(super) not_in_time: usize,
    /// Scenarios of which every run held every promise and tried everything.
    pub(super) scenarios_green: usize,
    /// Time under faults of all of them, in minutes.
    pub(super) minutes_under_faults: u64,
    /// When the first began and the last one began, in seconds since 1970.
    pub(super) began_unix: (u64, u64),
    /// Calls of clients.
    pub(super) calls: usize,
    /// Those that were not served.
    pub(super) failed: usize,
    /// Strikes that took effect.
    pub(super) strikes: usize,
    /// By scenario and number of nodes.
    pub(super) turns: Vec<TurnRow>,
    /// What users noticed, by fault.
    pub(super) availability: Vec<Row>,
    /// Runs that did not hold every promise.
    pub(super) broken: Vec<BrokenRow>,
    /// Strikes that could not be made in time, behind what repeats their runs.
    pub(super) late: Vec<String>,
    /// What the machine could not run.
    pub(super) skipped: Vec<String>,
    /// Runs that could not be made.
    pub(super) not_made: Vec<String>,
}

/// All runs of one scenario with clusters of one size.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct TurnRow {
    /// The scenario.
    pub(super) scenario: String,
    /// How many nodes.
    pub(super) nodes: u16,
    /// How many runs.
    pub(super) runs: usize,
    /// Those that held every promise.
    pub(super) held: usize,
    /// Time under faults.
    pub(super) seconds: u64,
    /// Calls of clients.
    pub(super) calls: usize,
    /// Those that were not served.
    pub(super) failed: usize,
    /// Longest time without a success.
    pub(super) longest_gap_ms: u64,
    /// How wide bounds of time were, at most, and how many hundredths of the usual calls came, at least.
    pub(super) patience_and_rate: (u32, u32),
    /// What repeats the plans.
    pub(super) seeds: Vec<u64>,
}

/// A run that did not hold every promise.
#[derive(Clone, Debug, Serialize)]
pub(super) struct BrokenRow {
    /// What repeats its plan.
    pub(super) command: String,
    /// Promises that were broken, and how.
    pub(super) verdicts: Vec<(String, String)>,
}

/// Adds up.
#[must_use]
pub(super) fn of(runs: &[RunReport], skipped: &[String], not_made: &[String]) -> Summary {
    let turns = turns(runs);
    let mut green: BTreeMap<&str, bool> = BTreeMap::new();
    for run in runs {
        *green.entry(&run.scenario).or_insert(true) &= run.is_green();
    }
    let began = || runs.iter().map(|run| run.began_unix);
    let strikes = runs.iter().flat_map(|run| &run.strikes);
    Summary {
        runs: runs.len(),
        held: runs.iter().filter(|run| run.is_green()).count(),
        not_in_time: runs.iter().filter(|run| run.held && !run.is_green()).count(),
        scenarios_green: green.values().filter(|green| **green).count(),
        minutes_under_faults: runs.iter().map(|run| run.mended_ms).sum::<u64>() / 60_000,
        began_unix: (began().min().unwrap_or_default(), began().max().unwrap_or_default()),
        calls: turns.iter().map(|turn| turn.calls).sum(),
        failed: turns.iter().map(|turn| turn.failed).sum(),
        strikes: strikes.filter(|strike| strike.took_effect).count(),
        availability: availability::rows(runs),
        broken: runs.iter().filter(|run| !run.held).map(broken).collect(),
        late: runs.iter().flat_map(late).collect(),
        skipped: skipped.to_vec(),
        not_made: not_made.to_vec(),
        turns,
    }
}

fn turns(runs: &[RunReport]) -> Vec<TurnRow> {
    let mut turns: BTreeMap<(&str, u16), TurnRow> = BTreeMap::new();
    for run in runs {
        let row = turns.entry((&run.scenario, run.nodes)).or_insert_with(|| TurnRow {
            scenario: run.scenario.clone(),
            nodes: run.nodes,
            patience_and_rate: (run.patience, run.rate_percent),
            ..TurnRow::default()
        });
        row.runs += 1;
        row.held += usize::from(run.is_green());
        row.seconds += run.mended_ms / 1000;
        row.calls += run.availability.requests;
        row.failed += run.availability.failed;
        row.longest_gap_ms = row.longest_gap_ms.max(run.availability.longest_gap_ms);
        let (patience, rate) = row.patience_and_rate;
        row.patience_and_rate = (patience.max(run.patience), rate.min(run.rate_percent));
        row.seeds.push(run.seed);
    }
    turns.into_values().collect()
}

fn late(run: &RunReport) -> impl Iterator<Item = String> {
    let command = command(run);
    run.late.iter().map(move |late| format!("{command}: {late}"))
}

fn broken(run: &RunReport) -> BrokenRow {
    let broken = run.verdicts.iter().filter(|verdict| !verdict.held);
    BrokenRow {
        command: command(run),
        verdicts: broken.map(|v| (v.promise.clone(), v.detail.clone())).collect(),
    }
}

/// Writes it into a folder: `summary.json` and `summary.html`.
///
/// # Errors
/// The folder cannot be written.
pub fn write_summary(folder: &Path, runs: &[RunReport], skipped: &[String], not_made: &[String]) -> Result<(), String> {
    let summary = of(runs, skipped, not_made);
    let json = serde_json::to_string_pretty(&summary).map_err(|e| e.to_string())?;
    write(&folder.join(super::SUMMARY), &format!("{json}\n"))?;
    write(&folder.join("summary.html"), &html(&summary))
}

fn html(summary: &Summary) -> String {
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Chaos campaign of tfauth</title><style>{STYLE}</style>\
         <h1>Chaos campaign of tfauth</h1><p>{} runs, {} of them with every promise held, {} more in which a strike could not be made in time; {} scenarios green; {} minutes under faults, {} calls, {} of them not served, {} strikes that took effect.</p>",
        summary.runs,
        summary.held,
        summary.not_in_time,
        summary.scenarios_green,
        summary.minutes_under_faults,
        summary.calls,
        summary.failed,
        summary.strikes
    );
    for (title, lines) in [
        ("Skipped", &summary.skipped),
        ("Not made", &summary.not_made),
        ("Not in time", &summary.late),
    ] {
        if !lines.is_empty() {
            let _ = write!(out, "<p>{title}: {}.", escape(&lines.join("; ")));
        }
    }
    for run in &summary.broken {
        let _ = write!(
            out,
            "<h2 class=broken>Broken</h2><p><code>{}</code>",
            escape(&run.command)
        );
        for (promise, detail) in &run.verdicts {
            let _ = write!(out, "<p>{}<pre>{}</pre>", escape(promise), escape(detail));
        }
    }
    out.push_str("<h2>Scenarios</h2><table><tr><th>scenario<th class=n>nodes<th class=n>runs<th class=n>held<th class=n>seconds<th class=n>calls<th class=n>not served<th class=n>longest gap, ms<th class=n>bounds of time<th class=n>rate<th>seeds");
    for turn in &summary.turns {
        let seeds: Vec<String> = turn.seeds.iter().map(u64::to_string).collect();
        let _ = write!(
            out,
            "<tr><td>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>x {}<td class=n>{} %<td>{}",
            escape(&turn.scenario),
            turn.nodes,
            turn.runs,
            turn.held,
            turn.seconds,
            turn.calls,
            turn.failed,
            turn.longest_gap_ms,
            turn.patience_and_rate.0,
            turn.patience_and_rate.1,
            seeds.join(" ")
        );
    }
    let _ = writeln!(
        out,
        "</table><h2>What users noticed, by fault</h2>{}</html>",
        availability::html(&summary.availability)
    );
    out
}

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::*;
    use crate::promises::Verdict;

    #[test]
    fn a_scenario_is_green_when_all_its_runs_are() {
        let good = RunReport {
            mended_ms: 90_000,
            ..run("kill-leader", 3)
        };
        let bad = RunReport {
            held: false,
            verdicts: vec![Verdict {
                promise: "nothing is lost".into(),
                held: false,
                cases: 1,
                detail: "<kept-1> is gone".into(),
            }],
            ..run("kill-all", 3)
        };
        let late = RunReport {
            late: vec!["narrow-install: no place after 60 s".into()],
            ..run("narrow-install", 3)
        };
        assert_eq!(
            (good.word(), bad.word(), late.word()),
            ("held", "BROKEN", "NOT IN TIME")
        );
        let runs = [good.clone(), good, run("kill-all", 3), bad, late];
        let summary = of(&runs, &["packets with 3 nodes".to_owned()], &[]);
        assert_eq!((summary.runs, summary.held, summary.scenarios_green), (5, 3, 1));
        assert_eq!((summary.not_in_time, summary.broken.len()), (1, 1));
        assert_eq!((summary.minutes_under_faults, summary.turns.len()), (3, 3));
        assert_eq!((summary.turns[0].runs, summary.turns[0].held), (2, 1));
        let page = html(&summary);
        for part in [
            "&lt;kept-1&gt; is gone",
            "infra/dev chaos --scenario kill-all",
            "Skipped: packets",
            "narrow-install: no place after 60 s",
        ] {
            assert!(page.contains(part), "{part}");
        }
        let folder = tempfile::tempdir().unwrap();
        write_summary(folder.path(), &runs, &[], &[]).unwrap();
        assert_eq!(super::super::read_all(folder.path()).unwrap().len(), 0, "it is no run");
    }
}
