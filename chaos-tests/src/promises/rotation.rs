//! A refresh token has one successor, whoever asks and however often, and the newest one that a client was given works.

use super::{Verdict, show, verdict};
use crate::chaos::evidence::Evidence;
use crate::chaos::recorder::{Call, Outcome};
use std::collections::BTreeMap;

/// For so long the token before the current one is still honoured.
const GRACE_US: u64 = 10_000_000;

pub(super) fn check(evidence: &Evidence) -> Verdict {
    let mut tokens: BTreeMap<(&str, &str), Vec<&Call>> = BTreeMap::new();
    for call in evidence.of("refresh-rotation").chain(evidence.of("refresh-race")) {
        tokens.entry((&call.key, &call.operation)).or_default().push(call);
    }
    let mut broken = Vec::new();
    for calls in tokens.values() {
        broken.extend(two_successors(calls));
        if !evidence.clocks_moved {
            broken.extend(refused_too_early(calls));
        }
    }
    verdict("a refresh token has one successor, and it works", tokens.len(), &broken)
}

fn two_successors(calls: &[&Call]) -> Option<String> {
    let mut given = calls.iter().filter(|call| call.outcome == Outcome::Ok);
    let first = given.next()?;
    let other = given.find(|call| call.value != first.value)?;
    Some(format!("two successors: {} AND {}", show(first), show(other)))
}

/// Whoever got the token first may use it; and again within the grace of its first use.
fn refused_too_early(calls: &[&Call]) -> Option<String> {
    let first_us = calls.iter().map(|call| call.started_us).min()?;
    let refused = |call: &&&Call| {
        let in_time = call.ended_us.is_some_and(|ended| ended < first_us + GRACE_US);
        call.outcome == Outcome::Denied && in_time
    };
    calls
        .iter()
        .find(refused)
        .map(|call| format!("a good token was refused: {}", show(call)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, of};
    use super::*;
    use Outcome::{Denied, Ok, Unknown};

    #[test]
    fn two_successors_and_a_refusal_within_the_grace_are_found() {
        let race = |at_ms, outcome, value| {
            of(vec![
                call("refresh-race", "s", "3:aa", 1_000, Ok, "4:bb"),
                call("refresh-race", "s", "3:aa", at_ms, outcome, value),
            ])
        };
        assert!(check(&race(1_001, Ok, "4:bb")).held && check(&race(1_001, Unknown, "")).held);
        assert!(!check(&race(1_001, Ok, "4:cc")).held);
        assert!(!check(&race(5_000, Denied, "")).held);
        assert!(check(&race(12_000, Denied, "")).held, "the grace is over");
    }
}
