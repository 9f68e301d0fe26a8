//! A run proves something only if every fault of the scenario took effect and every workload got its work done.

use super::{Verdict, verdict};
use crate::chaos::evidence::Evidence;
use crate::chaos::recorder::Outcome;

/// Successful calls that each workload needs.
const OK_MIN: usize = 1;
/// Successful calls that a run at the usual rates needs in a second, on average.
const OK_PER_SECOND_MIN: u64 = 4;

pub(super) fn check(evidence: &Evidence) -> Verdict {
    let mut broken = Vec::new();
    for nemesis in &evidence.nemeses {
        let mut strikes = evidence.events.iter().filter(|event| event.nemesis == *nemesis);
        // One that could not be made in time is told beside the promises, and the run is not green.
        if !strikes.clone().any(|event| event.took_effect || event.late) {
            let note = strikes.next().map_or("it never struck", |event| &event.note);
            broken.push(format!("{nemesis} never took effect: {note}"));
        }
    }
    let succeeded = |call: &&crate::chaos::recorder::Call| call.outcome == Outcome::Ok;
    for workload in &evidence.workloads {
        let count = evidence.of(workload).filter(succeeded).count();
        if count < OK_MIN {
            broken.push(format!(
                "{workload} succeeded {count} times, at least {OK_MIN} are needed"
            ));
        }
    }
    let all = evidence.calls.iter().filter(succeeded).count();
    let needed = evidence.ended_us.saturating_sub(evidence.began_us) / 1_000_000 * OK_PER_SECOND_MIN;
    let needed = needed * u64::from(evidence.rate_percent) / 100;
    if (all as u64) < needed {
        broken.push(format!("{all} calls succeeded in all, at least {needed} are needed"));
    }
    verdict(
        "the run tried what it should",
        evidence.nemeses.len() + evidence.workloads.len(),
        &broken,
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, of};
    use super::*;
    use crate::chaos::evidence::Event;

    #[test]
    fn a_fault_without_effect_and_an_idle_workload_reject_a_run() {
        let mut evidence = of(vec![call("user-info", "s", "read", 1, Outcome::Ok, "")]);
        evidence.workloads = vec!["user-info".into()];
        assert!(check(&evidence).held);
        evidence.workloads.push("totp-race".into());
        assert!(check(&evidence).detail.contains("totp-race"));
        evidence.workloads.pop();
        evidence.nemeses = vec!["halves".into()];
        evidence.events = vec![Event {
            nemesis: "halves".into(),
            victims: Vec::new(),
            began_us: 0,
            ended_us: 1,
            took_effect: false,
            late: false,
            note: "0 pieces held".into(),
        }];
        assert!(check(&evidence).detail.contains("0 pieces held"));
        evidence.events[0].late = true;
        assert!(check(&evidence).held, "told elsewhere");
        (evidence.events[0].late, evidence.events[0].took_effect) = (false, true);
        assert!(check(&evidence).held);
        evidence.ended_us = 10_000_000;
        assert!(!check(&evidence).held, "one call in ten seconds is idle");
        evidence.rate_percent = 2;
        assert!(check(&evidence).held, "not where so few are wished");
    }
}
