//! The policy is one register that is compared and set: no two administrators replace the same version.

use super::{Verdict, history_call, verdict};
use crate::chaos::evidence::Evidence;
use crate::chaos::recorder::{Call, Outcome};
use simulation::history::{Call as HistoryCall, History};
use simulation::linearizable::{self, Verdict as Found};
use simulation::models::Register;
use std::collections::BTreeSet;

pub(super) fn check(evidence: &Evidence) -> Verdict {
    let calls = evidence.calls.iter().enumerate();
    let seen: BTreeSet<&str> = evidence.of("admin-policy").flat_map(states).collect();
    let calls: Vec<HistoryCall> = calls
        .filter(|(_, call)| call.workload == "admin-policy")
        .filter_map(|(number, call)| as_register(number, call, &seen))
        .collect();
    let cases = calls.len();
    let broken = match linearizable::check(&Register, &History::new(calls)) {
        Found::Linearizable => Vec::new(),
        Found::Violation(violation) => vec![violation.to_string()],
        Found::Undecided { key } => vec![format!("{key}: too many calls to decide")],
    };
    verdict("the policy is compared and set in one step", cases, &broken)
}

/// What a successful call proves to have been the state: what it found, and what it left.
fn states(call: &Call) -> Vec<&str> {
    if call.outcome != Outcome::Ok {
        return Vec::new();
    }
    let found = call
        .operation
        .strip_prefix("cas ")
        .and_then(|change| change.split_once("->"));
    found
        .map(|(old, _)| old)
        .into_iter()
        .chain([call.value.as_str()])
        .collect()
}

/// Every replacement leaves a state that no other one leaves. So what has no answer matters only where somebody saw its
/// state, and a refusal only says that somebody was faster: both are left out, or there would be too many orders to try.
fn as_register(number: usize, call: &Call, seen: &BTreeSet<&str>) -> Option<HistoryCall> {
    let (verb, input) = call.operation.split_once(' ').unwrap_or((&call.operation, ""));
    let matters = match call.outcome {
        Outcome::Ok => true,
        Outcome::Denied | Outcome::Unserved => false,
        Outcome::Unknown => input.split_once("->").is_some_and(|(_, new)| seen.contains(new)),
    };
    let input = Some(input.to_owned()).filter(|input| !input.is_empty());
    matters.then(|| history_call(number, call, verb, input))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, of};
    use super::*;
    use Outcome::{Ok, Unknown};

    #[test]
    fn a_replacement_without_an_answer_may_have_been_seen_and_one_that_was_refused_may_not() {
        let run = |outcome| {
            of(vec![
                call("admin-policy", "policy", "write 0:30", 1, Ok, "0:30"),
                call("admin-policy", "policy", "cas 0:30->1:7", 10, outcome, ""),
                call("admin-policy", "policy", "read", 20, Ok, "1:7"),
            ])
        };
        assert!(check(&run(Unknown)).held);
        assert!(!check(&run(Outcome::Unserved)).held, "nothing was changed, it said");
    }

    #[test]
    fn the_same_version_replaced_twice_is_found() {
        let run = |second: &str| {
            of(vec![
                call("admin-policy", "policy", "write 0:30", 1, Ok, "0:30"),
                call("admin-policy", "policy", "cas 0:30->1:7", 10, Ok, "1:7"),
                call("admin-policy", "policy", second, 20, Ok, "1:8"),
            ])
        };
        assert!(check(&run("cas 1:7->2:8")).held);
        assert!(!check(&run("cas 0:30->1:8")).held);
    }
}
