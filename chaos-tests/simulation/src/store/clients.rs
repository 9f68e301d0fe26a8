//! Clients of a simulated cluster: each asks for one thing after the other and notes what it saw. What was refused for certain
//! (the member did not lead) is no call; a call without an answer is unknown.
//!
//! Must not look at members but through proposals and reads.

use super::machine::TABLE;
use crate::dice::Dice;
use crate::history::{Call, Outcome};
use bytes::Bytes;
use raft_store::Read as _;
use raft_store::simulation::{Answer, Cluster};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What all clients of a run share.
pub(super) struct Shared {
    pub(super) cluster: Arc<Cluster>,
    pub(super) began: Instant,
    pub(super) registers: Mutex<Vec<Call>>,
    pub(super) takes: Mutex<Vec<Call>>,
    pub(super) stop: AtomicBool,
    pub(super) left: AtomicU64,
    unique: AtomicU64,
}

impl Shared {
    pub(super) fn new(cluster: Arc<Cluster>) -> Arc<Self> {
        Arc::new(Self {
            cluster,
            began: Instant::now(),
            registers: Mutex::default(),
            takes: Mutex::default(),
            stop: AtomicBool::new(false),
            left: AtomicU64::new(0),
            unique: AtomicU64::new(0),
        })
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn note(&self, call: Call) {
        let calls = if call.verb == "consume" {
            &self.takes
        } else {
            &self.registers
        };
        calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
}

/// Runs until it is told to stop.
pub(super) async fn client(shared: Arc<Shared>, process: u64, mut dice: Dice) {
    let mut at = 1 + dice.below(shared.cluster.ids().len() as u64);
    while !shared.stop.load(SeqCst) {
        if !one(&shared, process, at, &mut dice).await {
            at = 1 + dice.below(shared.cluster.ids().len() as u64);
        }
        tokio::time::sleep(Duration::from_millis(2 + dice.below(40))).await;
    }
    shared.left.fetch_sub(1, SeqCst);
}

/// Asks for one thing; false when this member does not lead, or did not answer.
pub(super) async fn one(shared: &Shared, process: u64, at: u64, dice: &mut Dice) -> bool {
    let started_us = shared.now_us();
    let unique = shared.unique.fetch_add(1, SeqCst);
    let register = format!("register/{}", dice.below(3));
    let asked = match dice.below(10) {
        0..=3 => {
            let outcome = match shared.cluster.read(at).await {
                Some(view) => view.get(TABLE, register.as_bytes()).ok().map(text),
                None => None,
            };
            // A read that was not answered tells nothing.
            outcome.map(|seen| ("read", register, None, Outcome::Ok(seen)))
        }
        4..=6 => {
            let outcome = propose(shared, at, format!("write {register} {unique}")).await;
            outcome.map(|outcome| ("write", register, Some(unique.to_string()), outcome))
        }
        7 => {
            let own = shared
                .cluster
                .view(at)
                .and_then(|view| view.get(TABLE, register.as_bytes()).ok());
            let old = own.and_then(text).unwrap_or_default();
            let outcome = propose(shared, at, format!("cas {register} {old} {unique}")).await;
            outcome.map(|outcome| ("cas", register, Some(format!("{old}->{unique}")), outcome))
        }
        _ => {
            let key = format!("once/{}", started_us / 400_000);
            let outcome = propose(shared, at, format!("take {key}")).await;
            outcome.map(|outcome| ("consume", key, None, outcome))
        }
    };
    let Some((verb, key, input, outcome)) = asked else {
        return false;
    };
    let answered = !outcome.is_unknown();
    let ended_us = answered.then(|| shared.now_us());
    shared.note(Call {
        process,
        key,
        verb: verb.into(),
        input,
        started_us,
        ended_us,
        outcome,
    });
    answered
}

async fn propose(shared: &Shared, at: u64, command: String) -> Option<Outcome> {
    match shared.cluster.propose(at, Bytes::from(command)).await {
        Answer::Ok(answer) if answer.as_ref() == b"ok" => Some(Outcome::Ok(None)),
        Answer::Ok(_) => Some(Outcome::Denied("another value".into())),
        Answer::Unknown => Some(Outcome::Unknown("no answer".into())),
        Answer::Refused => None,
    }
}

fn text(value: Option<Bytes>) -> Option<String> {
    value.map(|value| String::from_utf8_lossy(&value).into_owned())
}
