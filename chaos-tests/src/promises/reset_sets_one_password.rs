//! Of several passwords that were to be set with one mailed token, the acknowledged one opens the account and no other does.

use super::{Verdict, show, verdict};
use crate::chaos::evidence::Evidence;
use crate::chaos::recorder::{Call, Outcome};
use crate::workloads::AFTER_RESET;
use std::collections::BTreeMap;

pub(super) fn check(evidence: &Evidence) -> Verdict {
    let won = |call: &&Call| call.outcome == Outcome::Ok;
    let winners: BTreeMap<&str, &str> = evidence
        .of("reset-token-race")
        .filter(won)
        .map(|call| (call.key.as_str(), call.value.as_str()))
        .collect();
    let (mut cases, mut broken) = (0, Vec::new());
    for call in evidence.of(AFTER_RESET) {
        let Some(winner) = winners.get(call.key.as_str()) else {
            continue;
        };
        cases += 1;
        let is_winner = *winner == call.operation;
        match call.outcome {
            Outcome::Ok if !is_winner => broken.push(format!("another password opens it: {}", show(call))),
            Outcome::Denied if is_winner => broken.push(format!("the new password does not open it: {}", show(call))),
            Outcome::Ok | Outcome::Denied | Outcome::Unserved | Outcome::Unknown => {}
        }
    }
    verdict("a reset sets the acknowledged password and no other", cases, &broken)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, of};
    use super::*;
    use Outcome::{Denied, Ok};

    #[test]
    fn a_loser_that_logs_in_and_a_winner_that_does_not_are_found() {
        let run = |number: &str, outcome| {
            of(vec![
                call("reset-token-race", "t", "use", 1, Ok, "1"),
                call(AFTER_RESET, "t", number, 10, outcome, ""),
            ])
        };
        assert!(check(&run("1", Ok)).held && check(&run("0", Denied)).held);
        assert!(!check(&run("0", Ok)).held && !check(&run("1", Denied)).held);
    }
}
