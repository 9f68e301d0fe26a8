//! A code, a challenge, a recovery code, a mailed token and a name work at most once in the whole cluster: histories of each are
//! linearizable as something that is used once.

use super::{Verdict, history_call, verdict};
use crate::chaos::evidence::Evidence;
use simulation::history::History;
use simulation::linearizable::{self, Verdict as Found};
use simulation::models::SingleUse;
use std::collections::BTreeSet;

pub(super) fn check(evidence: &Evidence) -> Verdict {
    let calls = evidence.calls.iter().enumerate();
    let consumed = calls.filter(|(_, call)| call.operation == "use" && single(&call.workload));
    let calls: Vec<_> = consumed
        .map(|(number, call)| history_call(number, call, "consume", None))
        .collect();
    let keys: BTreeSet<String> = calls.iter().map(|call| call.key.clone()).collect();
    let broken = match linearizable::check(&SingleUse, &History::new(calls)) {
        Found::Linearizable => Vec::new(),
        Found::Violation(violation) => vec![violation.to_string()],
        Found::Undecided { key } => vec![format!("{key}: too many calls to decide")],
    };
    verdict("what works once works at most once", keys.len(), &broken)
}

/// Sessions are used many times.
fn single(workload: &str) -> bool {
    !matches!(workload, "revoke-session" | "login-step-1" | "user-info")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, of};
    use super::*;
    use crate::chaos::recorder::Outcome::{Denied, Ok, Unknown};

    #[test]
    fn two_successes_are_found_and_an_unknown_one_is_none() {
        let race = |first, second| {
            of(vec![
                call("totp-race", "ann/7", "use", 5, first, "s1"),
                call("totp-race", "ann/7", "use", 6, second, "s2"),
            ])
        };
        assert!(check(&race(Ok, Denied)).held && check(&race(Unknown, Ok)).held);
        let twice = check(&race(Ok, Ok));
        assert!(!twice.held && twice.detail.contains("ann/7"), "{twice:?}");
    }
}
