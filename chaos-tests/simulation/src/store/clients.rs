//! Clients of a simulated cluster: each asks for one thing after the other and notes what it saw. What was refused for certain
//! (the member did not lead) is no call; a call without an answer is unknown.
//!
//! Must not look at members but through proposals and reads.

use super::machine::{AMOUNT, HALVES, TABLE, number, once, outcome_of};
use crate::dice::Dice;
use crate::history::{Call, Outcome};
use bytes::Bytes;
use raft_store::simulation::{Answer, Cluster};
use raft_store::{Read as _, View};
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
    wrong: Mutex<Option<String>>,
}

/// What can be taken once is another thing after this time.
const WINDOW_US: u64 = 400_000;

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
            wrong: Mutex::default(),
        })
    }

    /// The first thing that a task of this run found wrong.
    pub(super) fn wrong(&self) -> Option<String> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Something is wrong.
    pub(super) fn accuse(&self, what: String) {
        let mut first = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(what);
    }

    fn anybody(&self, dice: &mut Dice) -> u64 {
        let ids = self.cluster.ids();
        dice.place(ids.len()).map_or(1, |place| ids[place])
    }

    /// Whoever reads sees both halves of the same moment.
    fn add_up(&self, at: u64, view: &View) {
        let half = |key| view.get(TABLE, key).ok().map(number);
        let [Some(left), Some(spent)] = HALVES.map(half) else {
            return;
        };
        let (left, spent) = (left.unwrap_or(AMOUNT), spent.unwrap_or_default());
        if left + spent != AMOUNT {
            self.accuse(format!(
                "sum: {at} has {left} and {spent}, together {AMOUNT} are expected"
            ));
        }
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
    let mut at = shared.anybody(&mut dice);
    while !shared.stop.load(SeqCst) {
        if !one(&shared, process, at, &mut dice).await {
            at = shared.anybody(&mut dice);
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
                Some(view) => {
                    shared.add_up(at, &view);
                    view.get(TABLE, register.as_bytes()).ok().map(text)
                }
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
        8 => {
            // Seen by the sum of the halves only.
            let moved = propose(shared, at, format!("move {}", 1 + unique % 3)).await;
            return moved.is_some_and(|outcome| !outcome.is_unknown());
        }
        _ => {
            let key = once(started_us / WINDOW_US);
            let outcome = propose(shared, at, format!("take {key} {unique}")).await;
            outcome.map(|outcome| ("consume", key, Some(unique.to_string()), outcome))
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
        Answer::Ok(answer) => Some(outcome_of(&answer)),
        Answer::Unknown => Some(Outcome::Unknown("no answer".into())),
        Answer::Refused => None,
    }
}

fn text(value: Option<Bytes>) -> Option<String> {
    value.map(|value| String::from_utf8_lossy(&value).into_owned())
}
