//! After a session's end was acknowledged its tokens open nothing, on no node.

use super::{Verdict, show, verdict};
use crate::chaos::evidence::Evidence;
use crate::chaos::recorder::{Call, Outcome};
use std::collections::BTreeMap;

pub(super) fn check(evidence: &Evidence) -> Verdict {
    let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
    let revoked = |call: &&Call| call.operation == "revoke" && call.outcome == Outcome::Ok;
    for call in evidence.of("revoke-session").filter(revoked) {
        ends.insert(&call.key, call.ended_us.unwrap_or(u64::MAX));
    }
    let (mut cases, mut broken) = (0, Vec::new());
    for call in evidence.of("revoke-session").filter(|call| call.operation != "revoke") {
        if ends.get(call.key.as_str()).is_some_and(|end| call.started_us > *end) {
            cases += 1;
            if call.outcome == Outcome::Ok {
                broken.push(format!("used after its end: {}", show(call)));
            }
        }
    }
    verdict("a session that was ended is refused from then on", cases, &broken)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, of};
    use super::*;
    use Outcome::{Denied, Ok, Unknown};

    #[test]
    fn a_use_after_the_acknowledged_end_is_found() {
        let run = |end, used_ms, used| {
            of(vec![
                call("revoke-session", "s", "revoke", 100, end, ""),
                call("revoke-session", "s", "use", used_ms, used, ""),
            ])
        };
        assert!(!check(&run(Ok, 102, Ok)).held);
        assert!(check(&run(Ok, 100, Ok)).held, "it began before the end was known");
        assert!(check(&run(Ok, 102, Denied)).held && check(&run(Unknown, 102, Ok)).held);
    }
}
