//! The policy is one register that is compared and set: no two administrators replace the same version.

use super::{Verdict, history_call, verdict};
use crate::chaos::evidence::Evidence;
use crate::chaos::recorder::{Call, Outcome};
use simulation::history::{Call as HistoryCall, History};
use simulation::linearizable::{self, Verdict as Found};
use simulation::models::Register;

/// The version was another one.
const PRECONDITION_FAILED: u16 = 412;

pub(super) fn check(evidence: &Evidence) -> Verdict {
    let calls = evidence.calls.iter().enumerate();
    let calls: Vec<HistoryCall> = calls
        .filter(|(_, call)| call.workload == "admin-policy")
        .filter_map(|(number, call)| as_register(number, call))
        .collect();
    let cases = calls.len();
    let broken = match linearizable::check(&Register, &History::new(calls)) {
        Found::Linearizable => Vec::new(),
        Found::Violation(violation) => vec![violation.to_string()],
        Found::Undecided { key } => vec![format!("{key}: too many calls to decide")],
    };
    verdict("the policy is compared and set in one step", cases, &broken)
}

fn as_register(number: usize, call: &Call) -> Option<HistoryCall> {
    let (verb, input) = call.operation.split_once(' ').unwrap_or((&call.operation, ""));
    // Refused for another reason than the version: nothing was compared.
    if verb == "cas" && call.outcome == Outcome::Denied && call.status != PRECONDITION_FAILED {
        return None;
    }
    Some(history_call(
        number,
        call,
        verb,
        Some(input.to_owned()).filter(|input| !input.is_empty()),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, of};
    use super::*;
    use Outcome::Ok;

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
