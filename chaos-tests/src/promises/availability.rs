//! What users notice: requests that failed, and the longest time without a success, as a whole and by each strike.

use super::{Verdict, verdict};
use crate::chaos::evidence::{Event, Evidence};
use crate::chaos::recorder::{Call, Outcome};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Workloads whose arrivals are dense enough to see a gap.
const DENSE: [&str; 2] = ["user-info", "refresh-rotation"];
/// What happens so long after a strike still belongs to it.
const AFTER_US: u64 = 3_000_000;

/// What users notice in a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Requests that were due.
    pub requests: usize,
    /// Those that were not served.
    pub failed: usize,
    /// Longest time without a success.
    pub longest_gap_ms: u64,
    /// 99 of 100 requests took at most this, from when they were due.
    pub p99_ms: u64,
}

/// What users noticed between two moments.
#[must_use]
pub fn figures(calls: &[Call], from_us: u64, to_us: u64) -> Figures {
    let within = |call: &&Call| (from_us..=to_us).contains(&call.due_us);
    let dense = |call: &&Call| DENSE.contains(&call.workload.as_str());
    let due: Vec<&Call> = calls.iter().filter(within).collect();
    let mut took: Vec<u64> = due
        .iter()
        .filter_map(|call| Some(call.ended_us?.saturating_sub(call.due_us)))
        .collect();
    took.sort_unstable();
    let p99 = took
        .get((took.len() * 99).div_ceil(100).saturating_sub(1))
        .copied()
        .unwrap_or_default();
    let answered = calls.iter().filter(dense).filter(|call| call.outcome == Outcome::Ok);
    let mut moments: Vec<u64> = answered
        .filter_map(|call| call.ended_us)
        .filter(|ended| (from_us..=to_us).contains(ended))
        .chain([from_us, to_us])
        .collect();
    moments.sort_unstable();
    let gap = moments
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .max()
        .unwrap_or_default();
    Figures {
        requests: due.len(),
        failed: due.iter().filter(|call| call.failed()).count(),
        longest_gap_ms: gap / 1000,
        p99_ms: p99 / 1000,
    }
}

/// What users noticed of a strike.
#[must_use]
pub fn of_event(evidence: &Evidence, event: &Event) -> Figures {
    figures(
        &evidence.calls,
        event.began_us,
        (event.ended_us + AFTER_US).min(evidence.ended_us),
    )
}

pub(super) fn check(evidence: &Evidence) -> Verdict {
    let promise = "users notice no longer gap than the scenario allows";
    let Some(max) = evidence.gap_max else {
        let mut found = verdict(promise, 0, &[]);
        found.detail = "the whole service may be gone here: no bound".to_owned();
        return found;
    };
    let max = max * evidence.patience.max(1);
    let mut broken = Vec::new();
    let mut longest = 0;
    for event in &evidence.events {
        let gap = of_event(evidence, event).longest_gap_ms;
        longest = longest.max(gap);
        if Duration::from_millis(gap) > max {
            broken.push(format!(
                "{} at {} ms: {gap} ms without a success",
                event.nemesis,
                event.began_us / 1000
            ));
        }
    }
    let mut found = verdict(promise, evidence.events.len(), &broken);
    if found.held {
        found.detail = format!("longest {longest} ms, allowed {} ms", max.as_millis());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, of};
    use super::*;

    #[test]
    fn a_gap_counts_to_the_edges_and_failures_are_counted() {
        let calls = vec![
            call("user-info", "s", "read", 100, Outcome::Ok, ""),
            call("user-info", "s", "read", 200, Outcome::Unknown, ""),
            call("user-info", "s", "read", 4_000, Outcome::Ok, ""),
        ];
        let seen = figures(&calls, 0, 5_000_000);
        assert_eq!(
            (seen.requests, seen.failed, seen.longest_gap_ms, seen.p99_ms),
            (3, 1, 3_900, 1)
        );
        let mut evidence = of(calls);
        evidence.ended_us = 5_000_000;
        evidence.gap_max = Some(Duration::from_secs(3));
        evidence.events = vec![Event {
            nemesis: "kill-leader".into(),
            victims: Vec::new(),
            began_us: 150_000,
            ended_us: 3_000_000,
            took_effect: true,
            late: false,
            note: String::new(),
        }];
        assert!(!check(&evidence).held);
        evidence.patience = 2;
        assert!(check(&evidence).held);
        evidence.patience = 1;
        evidence.gap_max = None;
        assert!(check(&evidence).held);
    }
}
