//! What clients saw, call by call. Every call is written down before it leaves, so one without an answer is known to exist.

use crate::api::Answer;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// What a client knows about its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It succeeded.
    Ok,
    /// It was refused, and had no effect but what a refusal has.
    Denied,
    /// It was not served, and the cluster says that nothing was changed: taken at its word, so that a lie is found.
    Unserved,
    /// Nobody knows: no answer, or one that leaves it open.
    Unknown,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Which workload asked.
    pub workload: String,
    /// What it is about: calls with different keys have nothing to do with each other.
    pub key: String,
    /// What was asked for, with what.
    pub operation: String,
    /// When it should have left, in microseconds since the beginning of the run.
    pub due_us: u64,
    /// When it left.
    pub started_us: u64,
    /// When its answer came; never, if it had none when the run ended.
    pub ended_us: Option<u64>,
    /// What came of it.
    pub outcome: Outcome,
    /// HTTP status; 0 without an answer.
    pub status: u16,
    /// What the answer said, as far as a check needs it.
    pub value: String,
}

impl Call {
    /// Whether the cluster did not serve: what a user would call an outage.
    #[must_use]
    pub fn failed(&self) -> bool {
        matches!(self.outcome, Outcome::Unserved | Outcome::Unknown)
    }

    /// When nothing more can come of it: never, where the outcome is not known.
    #[must_use]
    pub fn settled_us(&self) -> u64 {
        match self.outcome {
            Outcome::Ok | Outcome::Denied | Outcome::Unserved => self.ended_us.unwrap_or(u64::MAX),
            Outcome::Unknown => u64::MAX,
        }
    }
}

/// What is about to be asked.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Which workload.
    pub workload: &'static str,
    /// About what.
    pub key: String,
    /// What.
    pub operation: String,
    /// When it should leave.
    pub due: Instant,
}

/// What came back.
#[derive(Debug)]
pub struct Done {
    /// What it means.
    pub outcome: Outcome,
    /// The answer, if there was one.
    pub answer: Option<Answer>,
}

impl Done {
    /// Whether it succeeded.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.outcome == Outcome::Ok
    }

    /// A text field of the answer.
    #[must_use]
    pub fn text(&self, field: &str) -> String {
        self.answer
            .as_ref()
            .map(|answer| answer.text(field))
            .unwrap_or_default()
    }
}

/// Writes calls down.
pub struct Recorder {
    began: Instant,
    calls: Mutex<Vec<Call>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            calls: Mutex::default(),
        }
    }
}

impl Recorder {
    /// Microseconds since the beginning.
    #[must_use]
    pub fn at(&self, instant: Instant) -> u64 {
        u64::try_from(instant.saturating_duration_since(self.began).as_micros()).unwrap_or(u64::MAX)
    }

    /// Now.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.at(Instant::now())
    }

    /// Sends a call and writes down what came of it; `value` picks what a check needs out of the answer.
    pub async fn record(
        &self,
        ask: Ask,
        value: impl FnOnce(&Answer) -> String,
        send: impl Future<Output = Result<Answer, String>>,
    ) -> Done {
        let place = self.begin(ask);
        let answer = send.await;
        let ended_us = Some(self.now_us());
        let outcome = match &answer {
            Ok(answer) => outcome_of(answer),
            Err(_) => Outcome::Unknown,
        };
        let mut calls = self.lock();
        if let Some(call) = calls.get_mut(place) {
            call.ended_us = ended_us;
            call.outcome = outcome;
            match &answer {
                Ok(answer) => {
                    call.status = answer.status;
                    call.value = value(answer);
                }
                Err(reason) => call.value.clone_from(reason),
            }
        }
        Done {
            outcome,
            answer: answer.ok(),
        }
    }

    /// Everything so far, in the order of leaving.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().clone()
    }

    fn begin(&self, ask: Ask) -> usize {
        let call = Call {
            workload: ask.workload.to_owned(),
            key: ask.key,
            operation: ask.operation,
            due_us: self.at(ask.due),
            started_us: self.now_us(),
            ended_us: None,
            outcome: Outcome::Unknown,
            status: 0,
            value: String::new(),
        };
        let mut calls = self.lock();
        calls.push(call);
        calls.len() - 1
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the cluster says, in every dialect, when it did not serve and is sure of it.
const NOTHING_CHANGED: &str = "Nothing was changed";

/// Other errors of a server leave open what happened.
fn outcome_of(answer: &Answer) -> Outcome {
    match answer.status {
        200..=399 => Outcome::Ok,
        429 => Outcome::Unserved,
        500.. if answer.body.to_string().contains(NOTHING_CHANGED) => Outcome::Unserved,
        500.. => Outcome::Unknown,
        // 428: a code is demanded, which is what some logins want to hear; the workload reads it from the status.
        _ => Outcome::Denied,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_without_an_answer_is_unknown_and_stays_open() {
        let recorder = Recorder::default();
        let ask = |key: &str| Ask {
            workload: "test",
            key: key.to_owned(),
            operation: "ask".to_owned(),
            due: Instant::now(),
        };
        let answer = |status| {
            Ok(Answer {
                status,
                headers: reqwest::header::HeaderMap::default(),
                body: serde_json::json!({"said": "yes"}),
            })
        };
        let said = |answer: &Answer| answer.text("said");
        recorder.record(ask("a"), said, async { answer(200) }).await;
        recorder.record(ask("b"), said, async { answer(401) }).await;
        recorder.record(ask("c"), said, async { answer(503) }).await;
        recorder.record(ask("d"), said, async { Err("reset".to_owned()) }).await;
        let never = recorder.record(ask("e"), said, std::future::pending());
        assert!(tokio::time::timeout(crate::limits::POLL, never).await.is_err());
        let calls = recorder.calls();
        let outcomes: Vec<Outcome> = calls.iter().map(|call| call.outcome).collect();
        use Outcome::{Denied, Ok as Yes, Unknown};
        assert_eq!(outcomes, [Yes, Denied, Unknown, Unknown, Unknown]);
        assert_eq!((calls[0].value.as_str(), calls[3].value.as_str()), ("yes", "reset"));
        assert_eq!((calls[2].settled_us(), calls[4].ended_us), (u64::MAX, None));
        assert!(calls[1].settled_us() < u64::MAX);
    }
}
