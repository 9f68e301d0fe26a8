//! A good code that nobody used is not refused: failing safe is not serving.

use super::{Verdict, show, verdict};
use crate::chaos::evidence::Evidence;
use crate::chaos::recorder::{Call, Outcome};
use std::collections::BTreeMap;

pub(super) fn check(evidence: &Evidence) -> Verdict {
    let mut keys: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    let logins = [
        "totp-race",
        "challenge-race",
        "login-003",
        "login-v1",
        "recovery-code-race",
    ];
    for call in evidence
        .calls
        .iter()
        .filter(|call| logins.contains(&call.workload.as_str()))
    {
        keys.entry(&call.key).or_default().push(call);
    }
    let refused = |calls: &Vec<&Call>| calls.iter().all(|call| call.outcome == Outcome::Denied);
    let broken: Vec<String> = match evidence.clocks_moved {
        // A code belongs to a moment: where nodes disagree about it, a refusal is right.
        true => Vec::new(),
        false => keys
            .values()
            .filter(|calls| refused(calls))
            .map(|calls| show(calls[0]))
            .collect(),
    };
    verdict("a good code that nobody used is accepted", keys.len(), &broken)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, of};
    use super::*;
    use Outcome::{Denied, Ok, Unknown};

    #[test]
    fn a_code_that_all_refused_is_found_unless_clocks_moved() {
        let race = |first| {
            of(vec![
                call("login-v1", "ann/7", "use", 5, first, ""),
                call("login-v1", "ann/7", "use", 6, Denied, "invalid_code"),
            ])
        };
        assert!(check(&race(Ok)).held && check(&race(Unknown)).held);
        let mut refused = race(Denied);
        assert!(!check(&refused).held);
        refused.clocks_moved = true;
        assert!(check(&refused).held);
    }
}
