//! What users noticed, by fault, added up over runs.

use super::html::escape;
use super::json::RunReport;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One fault in clusters of one size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Which nemesis.
    pub nemesis: String,
    /// How many nodes the clusters had.
    pub nodes: u16,
    /// How many of them one strike hit, at most.
    pub nodes_hit: usize,
    /// How many load balancers one strike hit, at most.
    pub lbs_hit: usize,
    /// Strikes that took effect.
    pub strikes: usize,
    /// Requests from the beginning of a strike to three seconds after its end.
    pub requests: usize,
    /// Those that were not served.
    pub failed: usize,
    /// Longest time without a success in any of them.
    pub longest_gap_ms: u64,
    /// Half of the strikes had at most this.
    pub median_gap_ms: u64,
}

/// Adds up.
#[must_use]
pub fn rows(runs: &[RunReport]) -> Vec<Row> {
    let mut rows: BTreeMap<(&str, u16), (Row, Vec<u64>)> = BTreeMap::new();
    for run in runs {
        for strike in run.strikes.iter().filter(|strike| strike.took_effect) {
            let (row, gaps) = rows.entry((&strike.nemesis, run.nodes)).or_default();
            row.nemesis.clone_from(&strike.nemesis);
            row.nodes = run.nodes;
            let hit = |kind: &str| strike.victims.iter().filter(|name| name.starts_with(kind)).count();
            row.nodes_hit = row.nodes_hit.max(hit("node-"));
            row.lbs_hit = row.lbs_hit.max(hit("lb-"));
            row.strikes += 1;
            row.requests += strike.seen.requests;
            row.failed += strike.seen.failed;
            gaps.push(strike.seen.longest_gap_ms);
        }
    }
    let finish = |(mut row, mut gaps): (Row, Vec<u64>)| {
        gaps.sort_unstable();
        row.longest_gap_ms = gaps.last().copied().unwrap_or_default();
        row.median_gap_ms = gaps.get(gaps.len() / 2).copied().unwrap_or_default();
        row
    };
    rows.into_values().map(finish).collect()
}

impl Row {
    /// Who was hit, in words.
    fn hit(&self) -> String {
        let count = |number: usize, what: &str| match number {
            0 => None,
            1 => Some(format!("1 {what}")),
            more => Some(format!("{more} {what}s")),
        };
        let who = [count(self.nodes_hit, "node"), count(self.lbs_hit, "load balancer")];
        who.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// As a table for people.
#[must_use]
pub fn markdown(rows: &[Row]) -> String {
    let mut out = "| fault | nodes | hit | strikes | requests | failed | median gap, ms | longest gap, ms |\n|---|---|---|---|---|---|---|---|\n".to_owned();
    for row in rows {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            row.nemesis,
            row.nodes,
            row.hit(),
            row.strikes,
            row.requests,
            row.failed,
            row.median_gap_ms,
            row.longest_gap_ms
        );
    }
    out
}

pub(super) fn html(rows: &[Row]) -> String {
    let mut out = "<table><tr><th>fault<th class=n>nodes<th>hit<th class=n>strikes<th class=n>requests<th class=n>failed<th class=n>median gap, ms<th class=n>longest gap, ms".to_owned();
    for row in rows {
        let _ = write!(
            out,
            "<tr><td>{}<td class=n>{}<td>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}",
            escape(&row.nemesis),
            row.nodes,
            row.hit(),
            row.strikes,
            row.requests,
            row.failed,
            row.median_gap_ms,
            row.longest_gap_ms
        );
    }
    out.push_str("</table>");
    out
}

#[cfg(test)]
mod tests {
    use super::super::json::StrikeReport;
    use super::super::testing::run;
    use super::*;
    use crate::promises::Figures;

    #[test]
    fn strikes_of_one_fault_are_added_up_and_those_without_effect_are_not() {
        let strike = |gap, took_effect| StrikeReport {
            nemesis: "kill-leader".into(),
            victims: vec!["node-2".into()],
            began_ms: 0,
            ended_ms: 1,
            took_effect,
            note: String::new(),
            seen: Figures {
                requests: 10,
                failed: 1,
                longest_gap_ms: gap,
                p99_ms: 0,
            },
        };
        let run = RunReport {
            strikes: vec![
                strike(900, true),
                strike(1_200, true),
                strike(1_000, true),
                strike(9_000, false),
            ],
            ..run("kill-leader", 3)
        };
        let rows = rows(&[run.clone(), run]);
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].strikes, rows[0].requests, rows[0].failed), (6, 60, 6));
        assert_eq!((rows[0].longest_gap_ms, rows[0].median_gap_ms), (1_200, 1_000));
        assert!(markdown(&rows).contains("| kill-leader | 3 | 1 node | 6 | 60 | 6 | 1000 | 1200 |"));
    }
}
