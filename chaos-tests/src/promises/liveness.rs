//! Once everything is mended the cluster serves by itself, soon: a leader, then writes, then everybody.

use super::{Verdict, verdict};
use crate::chaos::evidence::Evidence;
use crate::chaos::recorder::{Call, Outcome};
use crate::limits::{LEADER_AFTER_MAX, SETTLED_AFTER_MAX, WRITE_AFTER_MAX};
use std::time::Duration;

pub(super) fn check(evidence: &Evidence) -> Verdict {
    let aftermath = &evidence.aftermath;
    let mut broken = Vec::new();
    let mut bound = |what: &str, took: Option<Duration>, max: Duration, why: &str| {
        let max = max * evidence.patience.max(1);
        match took {
            Some(took) if took <= max => {}
            Some(took) => broken.push(format!(
                "{what} after {} ms, allowed {} ms",
                took.as_millis(),
                max.as_millis()
            )),
            None => broken.push(format!("never {what}: {why}")),
        }
    };
    bound("a leader", aftermath.leader_after, LEADER_AFTER_MAX, "nobody leads");
    bound(
        "a write",
        write_after(evidence),
        WRITE_AFTER_MAX,
        "no write was acknowledged",
    );
    bound(
        "settled",
        aftermath.settled_after,
        SETTLED_AFTER_MAX,
        &aftermath.unsettled,
    );
    let mut found = verdict("it serves again by itself once all is mended", 3, &broken);
    if found.held {
        let ms = |took: Option<Duration>| took.unwrap_or_default().as_millis();
        found.detail = format!(
            "leader {} ms, write {} ms; settled {} ms after the last client",
            ms(aftermath.leader_after),
            ms(write_after(evidence)),
            ms(aftermath.settled_after)
        );
    }
    found
}

/// From the end of mending to the answer of the first write that left after it.
fn write_after(evidence: &Evidence) -> Option<Duration> {
    let writes = ["refresh-rotation", "acknowledged", "login-003", "admin-policy"];
    let is_write = |call: &&Call| writes.contains(&call.workload.as_str()) && call.operation != "read";
    let after = evidence
        .calls
        .iter()
        .filter(is_write)
        .filter(|call| call.outcome == Outcome::Ok && call.started_us >= evidence.mended_us);
    let first = after.filter_map(|call| call.ended_us).min()?;
    Some(Duration::from_micros(first - evidence.mended_us))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, of};
    use super::*;

    #[test]
    fn late_and_never_are_told_apart() {
        let mut evidence = of(vec![call("refresh-rotation", "s", "1:a", 4_000, Outcome::Ok, "2:b")]);
        evidence.mended_us = 3_000_000;
        evidence.aftermath.leader_after = Some(Duration::from_secs(1));
        evidence.aftermath.settled_after = Some(Duration::from_secs(1));
        assert!(check(&evidence).held, "{:?}", check(&evidence));
        evidence.aftermath.leader_after = Some(Duration::from_secs(4));
        assert!(check(&evidence).detail.contains("a leader after 4000 ms"));
        evidence.patience = 2;
        assert!(check(&evidence).held);
        evidence.mended_us = 5_000_000;
        assert!(check(&evidence).detail.contains("never a write"));
    }
}
