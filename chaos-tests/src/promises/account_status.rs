//! Whether an account may log in is one register for the whole cluster: a lock that was acknowledged holds from then on.

use super::{Verdict, history_call, verdict};
use crate::chaos::evidence::Evidence;
use crate::chaos::recorder::{Call, Outcome};
use simulation::history::{Call as HistoryCall, History, Outcome as HistoryOutcome};
use simulation::linearizable::{self, Verdict as Found};
use simulation::models::Register;

pub(super) fn check(evidence: &Evidence) -> Verdict {
    let calls = evidence.calls.iter().enumerate();
    let mut calls: Vec<HistoryCall> = calls
        .filter(|(_, call)| call.workload == "lock-account")
        .filter_map(|(number, call)| as_register(number, call))
        .collect();
    let cases = calls.len();
    // Accounts begin active.
    let first = calls.first().map(|first| HistoryCall {
        verb: "write".to_owned(),
        input: Some("active".to_owned()),
        started_us: 0,
        ended_us: Some(0),
        outcome: HistoryOutcome::Ok(None),
        ..first.clone()
    });
    calls.extend(first);
    let broken = match linearizable::check(&Register, &History::new(calls)) {
        Found::Linearizable => Vec::new(),
        Found::Violation(violation) => vec![violation.to_string()],
        Found::Undecided { key } => vec![format!("{key}: too many calls to decide")],
    };
    verdict("a lock holds from when it was acknowledged", cases, &broken)
}

fn as_register(number: usize, call: &Call) -> Option<HistoryCall> {
    if let Some(status) = call.operation.strip_prefix("write ") {
        return Some(history_call(number, call, "write", Some(status.to_owned())));
    }
    let told =
        matches!(call.value.as_str(), "active" | "disabled") && matches!(call.outcome, Outcome::Ok | Outcome::Denied);
    told.then(|| HistoryCall {
        // A refusal because of the lock is a reading of it.
        outcome: HistoryOutcome::Ok(Some(call.value.clone())),
        ..history_call(number, call, "read", None)
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, of};
    use super::*;
    use Outcome::{Denied, Ok, Unknown};

    #[test]
    fn a_login_after_the_acknowledged_lock_is_found() {
        let run = |lock, seen, outcome| {
            of(vec![
                call("lock-account", "ann", "read", 1, Ok, "active"),
                call("lock-account", "ann", "write disabled", 10, lock, "disabled"),
                call("lock-account", "ann", "read", 20, outcome, seen),
            ])
        };
        assert!(check(&run(Ok, "disabled", Denied)).held);
        assert!(!check(&run(Ok, "active", Ok)).held);
        assert!(check(&run(Unknown, "active", Ok)).held && check(&run(Unknown, "disabled", Denied)).held);
    }
}
