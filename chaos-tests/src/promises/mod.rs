//! What tfauth promises, one file per promise, each judged by what clients saw and what the cluster says of itself afterwards.

mod account_status;
mod acknowledged;
mod answered_by_the_log;
mod availability;
mod convergence;
mod coverage;
mod liveness;
mod policy;
mod reset_sets_one_password;
mod revocation;
mod rotation;
mod single_use;
mod usable;

pub(crate) use acknowledged::MAKERS;
pub use availability::{Figures, figures, of_event};

use crate::chaos::evidence::Evidence;
use crate::chaos::recorder::{Call, Outcome};
use serde::{Deserialize, Serialize};
use simulation::history::{Call as HistoryCall, Outcome as HistoryOutcome};

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The promise.
    pub promise: String,
    /// Whether it held.
    pub held: bool,
    /// How many cases were looked at.
    pub cases: usize,
    /// What broke it; or figures.
    pub detail: String,
}

/// A check.
pub type Check = fn(&Evidence) -> Verdict;

/// Every check.
pub const ALL: &[Check] = &[
    single_use::check,
    usable::check,
    rotation::check,
    revocation::check,
    account_status::check,
    policy::check,
    reset_sets_one_password::check,
    acknowledged::check,
    answered_by_the_log::check,
    convergence::check,
    liveness::check,
    availability::check,
    coverage::check,
];

/// Judges a run.
#[must_use]
pub fn judge(evidence: &Evidence) -> Vec<Verdict> {
    ALL.iter().map(|check| check(evidence)).collect()
}

/// Lines of a detail: enough to see what broke.
const SHOWN_MAX: usize = 6;

fn verdict(promise: &str, cases: usize, broken: &[String]) -> Verdict {
    let more = broken.len().saturating_sub(SHOWN_MAX);
    let mut detail = broken.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join("\n");
    if more > 0 {
        detail = format!("{detail}\nand {more} more");
    }
    Verdict {
        promise: promise.to_owned(),
        held: broken.is_empty(),
        cases,
        detail,
    }
}

/// A call as the checker of linearizability takes it; the number stands for the client.
fn history_call(number: usize, call: &Call, verb: &str, input: Option<String>) -> HistoryCall {
    let outcome = match call.outcome {
        Outcome::Ok => HistoryOutcome::Ok(Some(call.value.clone())),
        Outcome::Denied | Outcome::Unserved => HistoryOutcome::Denied(call.value.clone()),
        Outcome::Unknown => HistoryOutcome::Unknown(call.value.clone()),
    };
    HistoryCall {
        process: number as u64,
        key: call.key.clone(),
        verb: verb.to_owned(),
        input,
        started_us: call.started_us,
        ended_us: call.ended_us,
        outcome,
    }
}

fn show(call: &Call) -> String {
    format!(
        "{} {} {:?} at {} ms: {} {:?} {}",
        call.workload,
        call.key,
        call.operation,
        call.started_us / 1000,
        call.status,
        call.outcome,
        call.value
    )
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A call that took one millisecond.
    pub(crate) fn call(workload: &str, key: &str, operation: &str, at_ms: u64, outcome: Outcome, value: &str) -> Call {
        Call {
            workload: workload.to_owned(),
            key: key.to_owned(),
            operation: operation.to_owned(),
            due_us: at_ms * 1000,
            started_us: at_ms * 1000,
            ended_us: Some(at_ms * 1000 + 1000),
            outcome,
            status: match outcome {
                Outcome::Ok => 200,
                Outcome::Denied => 401,
                Outcome::Unserved | Outcome::Unknown => 503,
            },
            value: value.to_owned(),
        }
    }

    /// Evidence of these calls.
    pub(crate) fn of(calls: Vec<Call>) -> Evidence {
        Evidence {
            calls,
            patience: 1,
            rate_percent: 100,
            ..Evidence::default()
        }
    }
}
