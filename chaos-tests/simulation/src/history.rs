//! What clients saw: one call per line, as JSON. Written while a run goes on, read by the checks afterwards.
//!
//! ```text
//! {"process":3,"key":"code/17","verb":"consume","input":null,"started_us":1200,"ended_us":1450,"outcome":{"ok":null}}
//! {"process":4,"key":"code/17","verb":"consume","input":null,"started_us":1210,"ended_us":1500,"outcome":{"denied":"invalid_code"}}
//! {"process":5,"key":"code/17","verb":"consume","input":null,"started_us":1300,"ended_us":null,"outcome":{"unknown":"timeout"}}
//! ```
//! Times are of one monotonic clock for the whole run: that of the process that ran the clients. Must not judge.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{BufRead, Write};

/// One call of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Who called. Only for people: the checker needs no order within a process but that of the times.
    pub process: u64,
    /// What the call is about: an account's field, a code, a session. Calls of different keys are independent.
    pub key: String,
    /// What was asked for; see the models.
    pub verb: String,
    /// What was given with it.
    pub input: Option<String>,
    /// When it was sent.
    pub started_us: u64,
    /// When the answer came; none when it never came.
    pub ended_us: Option<u64>,
    /// What the client learned.
    pub outcome: Outcome,
}

/// What a client learned from a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done; with what it gave.
    Ok(Option<String>),
    /// It was refused: an answer of the service that says so, with its code.
    Denied(String),
    /// Neither: it may have been done, may still be done later, or never. With what the client saw.
    Unknown(String),
}

impl Outcome {
    /// Whether the service said that it was done.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Ok(_))
    }

    /// Whether nobody knows.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }
}

impl Call {
    /// When it must have been done, if it was: never for an outcome that is not known.
    #[must_use]
    pub fn returned_us(&self) -> Option<u64> {
        self.ended_us.filter(|_| !self.outcome.is_unknown())
    }
}

/// Calls in the order in which they started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    calls: Vec<Call>,
}

impl History {
    /// Of calls in any order.
    #[must_use]
    pub fn new(mut calls: Vec<Call>) -> Self {
        calls.sort_by_key(|call| call.started_us);
        Self { calls }
    }

    /// The calls in the order in which they started.
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// One history for each key.
    #[must_use]
    pub fn by_key(&self) -> BTreeMap<&str, Vec<&Call>> {
        let mut keys: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
        for call in &self.calls {
            keys.entry(&call.key).or_default().push(call);
        }
        keys
    }

    /// Reads lines that [`append`] wrote.
    ///
    /// # Errors
    /// Names the line that cannot be read and why.
    pub fn read(lines: impl BufRead) -> Result<Self, String> {
        let mut calls = Vec::new();
        for (number, line) in (1..).zip(lines.lines()) {
            let line = line.map_err(|error| format!("line {number}: {error}"))?;
            let call: Call = serde_json::from_str(&line).map_err(|error| format!("line {number}: {error}"))?;
            if call.ended_us.is_some_and(|ended| ended < call.started_us) {
                return Err(format!("line {number}: the call ended before it started"));
            }
            if call.ended_us.is_none() && !call.outcome.is_unknown() {
                return Err(format!("line {number}: a call with an answer has no end"));
            }
            calls.push(call);
        }
        Ok(Self::new(calls))
    }
}

/// Writes one call as one line.
///
/// # Errors
/// The writer's.
pub fn append(call: &Call, to: &mut impl Write) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(call)?;
    line.push(b'\n');
    to.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::{Call, History, Outcome, append};

    fn call(started_us: u64, ended_us: Option<u64>, outcome: Outcome) -> Call {
        Call {
            process: 1,
            key: "k".into(),
            verb: "read".into(),
            input: None,
            started_us,
            ended_us,
            outcome,
        }
    }

    #[test]
    fn what_was_written_is_read_in_order_of_starting() {
        let calls = [
            call(5, None, Outcome::Unknown("timeout".into())),
            call(1, Some(2), Outcome::Ok(Some("v".into()))),
            call(3, Some(4), Outcome::Denied("gone".into())),
        ];
        let mut lines = Vec::new();
        for call in &calls {
            append(call, &mut lines).unwrap();
        }
        let history = History::read(lines.as_slice()).unwrap();
        assert_eq!(history.calls(), [calls[1].clone(), calls[2].clone(), calls[0].clone()]);
    }

    #[test]
    fn an_answer_before_the_question_is_refused() {
        for (broken, why) in [
            (call(5, Some(4), Outcome::Ok(None)), "ended before"),
            (call(5, None, Outcome::Ok(None)), "has no end"),
        ] {
            let mut line = Vec::new();
            append(&broken, &mut line).unwrap();
            let error = History::read(line.as_slice()).unwrap_err();
            assert!(error.starts_with("line 1") && error.contains(why), "{error}");
        }
    }
}
