//! Calls without an answer are decided by the replicated log: a session was started for at most as many calls as succeeded or
//! were left open, and for each that succeeded. The audit is written in the same entry as what it tells.

use super::{Verdict, show, verdict};
use crate::chaos::evidence::Evidence;
use crate::chaos::recorder::{Call, Outcome};
use std::collections::{BTreeMap, BTreeSet};

/// Logins that start a session when they succeed, by one account and code.
const LOGINS: [&str; 4] = ["totp-race", "challenge-race", "login-003", "login-v1"];

pub(super) fn check(evidence: &Evidence) -> Verdict {
    let rows = evidence.aftermath.rows.iter();
    let started: BTreeSet<&str> = rows
        .filter(|row| row.outcome == "session_started")
        .map(|row| row.session.as_str())
        .collect();
    let logins = || {
        evidence
            .calls
            .iter()
            .filter(|call| LOGINS.contains(&call.workload.as_str()))
    };
    if started.is_empty() {
        return verdict("the log has what clients were told", 0, &[]);
    }
    let told: Vec<&Call> = logins().filter(|call| call.outcome == Outcome::Ok).collect();
    let mut broken: Vec<String> = told
        .iter()
        .filter(|call| !started.contains(call.value.as_str()))
        .map(|call| format!("told, and not in the log: {}", show(call)))
        .collect();
    broken.extend(too_many(evidence));
    verdict(
        "the log has what clients were told, and nothing twice",
        told.len(),
        &broken,
    )
}

/// A session that the log has and no client was told of must be one whose answer was lost.
fn too_many(evidence: &Evidence) -> Option<String> {
    let mut of_session: BTreeMap<&str, usize> = BTreeMap::new();
    let rows = evidence.aftermath.rows.iter();
    for row in rows.filter(|row| row.outcome == "session_started") {
        *of_session.entry(&row.session).or_default() += 1;
    }
    let twice = of_session
        .into_iter()
        .find(|(session, count)| *count > 1 && !session.is_empty());
    twice.map(|(session, count)| format!("session {session} was started {count} times"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, of};
    use super::*;
    use crate::chaos::evidence::AuditRow;

    #[test]
    fn a_login_that_the_log_does_not_have_is_found() {
        let row = |session: &str| AuditRow {
            verb: "sign_in".into(),
            outcome: "session_started".into(),
            account: "a".into(),
            session: session.into(),
        };
        let mut evidence = of(vec![call("login-v1", "ann/7", "use", 1, Outcome::Ok, "s1")]);
        evidence.aftermath.rows = vec![row("s1"), row("s2")];
        assert!(check(&evidence).held);
        evidence.aftermath.rows = vec![row("s2")];
        assert!(!check(&evidence).held);
        evidence.aftermath.rows = vec![row("s1"), row("s2"), row("s2")];
        assert!(!check(&evidence).held);
    }
}
