//! Whether what clients saw can have happened one call after the other, each between its start and its answer: the
//! algorithm of Wing and Gong with the memory of Lowe (L17), for each key on its own.
//!
//! Calls of unknown outcome may take effect at any time after their start, or never. The memory is bounded: beyond it there
//! is no verdict, which is told apart from both others. Must not look at what a call means: that is the model's.

use crate::history::{Call, History};
use crate::limits::{CHECK_STATES_MAX, SHOWN_CALLS_MAX};
use crate::models::Model;
use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every key can have happened in some order.
    Linearizable,
    /// This key cannot.
    Violation(Violation),
    /// This key needs more memory than it may have.
    Undecided {
        /// Which.
        key: String,
    },
}

/// Why a key cannot have happened in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub key: String,
    /// The answer up to which there was an order, and with which there is none.
    pub impossible: Call,
    /// All calls that had started by then; answers that came later are not looked at.
    pub prefix: Vec<Call>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = |call: &Call| serde_json::to_string(call).unwrap_or_default();
        writeln!(f, "{}: no order of the calls explains the answer to", self.key)?;
        writeln!(f, "  {}", lines(&self.impossible))?;
        let skipped = self.prefix.len().saturating_sub(SHOWN_CALLS_MAX);
        writeln!(f, "after ({skipped} earlier calls are not shown)")?;
        for call in self.prefix.iter().skip(skipped) {
            writeln!(f, "  {}", lines(call))?;
        }
        Ok(())
    }
}

/// What the name of a check is where there is no verdict.
pub const UNDECIDED: &str = "undecided";

/// Checks what clients saw.
///
/// # Errors
/// It cannot have happened, behind the name of the check; or nobody knows, behind [`UNDECIDED`].
pub fn judge<M: Model>(check_name: &str, model: &M, calls: Vec<Call>) -> Result<(), String> {
    match check(model, &History::new(calls)) {
        Verdict::Linearizable => Ok(()),
        Verdict::Violation(violation) => Err(format!("{check_name}: clients saw {violation}")),
        Verdict::Undecided { key } => Err(format!(
            "{UNDECIDED}: {check_name}: {key} needs more memory than the checker may have"
        )),
    }
}

/// Checks every key of a history with the same model.
#[must_use]
pub fn check<M: Model>(model: &M, history: &History) -> Verdict {
    check_within(model, history, CHECK_STATES_MAX)
}

/// The same with another bound of the memory, for each key.
#[must_use]
pub fn check_within<M: Model>(model: &M, history: &History, states_max: usize) -> Verdict {
    let mut undecided = None;
    for (key, calls) in history.by_key() {
        match search(model, &calls, u64::MAX, states_max) {
            Found::Order => {}
            Found::TooMuch => undecided = Some(key.to_owned()),
            Found::NoOrder => return Verdict::Violation(shortest(model, key, &calls, states_max)),
        }
    }
    undecided.map_or(Verdict::Linearizable, |key| Verdict::Undecided { key })
}

/// The shortest prefix without an order. Every longer one has none either, so halves are enough.
fn shortest<M: Model>(model: &M, key: &str, calls: &[&Call], states_max: usize) -> Violation {
    let mut answers: Vec<(u64, &Call)> = calls
        .iter()
        .filter_map(|call| Some((call.returned_us()?, *call)))
        .collect();
    answers.sort_by_key(|(at, _)| *at);
    let (mut good, mut bad) = (0, answers.len().saturating_sub(1));
    while good < bad {
        let middle = usize::midpoint(good, bad);
        let until = answers.get(middle).map_or(u64::MAX, |(at, _)| *at);
        if search(model, calls, until, states_max) == Found::NoOrder {
            bad = middle;
        } else {
            good = middle + 1;
        }
    }
    let (until, impossible) = answers.get(bad).map_or((u64::MAX, calls[0]), |(at, call)| (*at, *call));
    let prefix = calls.iter().filter(|call| call.started_us <= until);
    Violation {
        key: key.to_owned(),
        impossible: impossible.clone(),
        prefix: prefix.map(|call| (*call).clone()).collect(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Order,
    NoOrder,
    TooMuch,
}

/// Looks for an order of the calls that started by `until`, where answers after it have not come yet.
fn search<M: Model>(model: &M, calls: &[&Call], until: u64, states_max: usize) -> Found {
    let calls: Vec<&Call> = calls.iter().copied().filter(|call| call.started_us <= until).collect();
    let mut events = Events::of(&calls, until);
    let mut memory = Memory::new(calls.len(), states_max);
    let mut state = M::State::default();
    let mut taken: Vec<(usize, M::State)> = Vec::new();
    let mut at = events.first();
    while events.answers_left > 0 {
        if let Some(Event::Start(call)) = events.get(at) {
            let next = calls.get(call).and_then(|what| model.step(&state, what));
            let new = next.map(|next| (memory.add(call, &next), next));
            match new {
                Some((Added::New, next)) => {
                    taken.push((call, std::mem::replace(&mut state, next)));
                    events.lift(call);
                    at = events.first();
                }
                Some((Added::Full, _)) => return Found::TooMuch,
                Some((Added::Known, _)) | None => at = events.after(at),
            }
        } else {
            // A call must have happened by now, and did not: take back the last choice.
            let Some((call, before)) = taken.pop() else {
                return Found::NoOrder;
            };
            state = before;
            memory.take_back(call);
            events.put_back(call);
            at = events.after(events.starts[call]);
        }
    }
    Found::Order
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Start(usize),
    Answer,
}

/// Starts and answers in the order of time, as a linked list, from which calls are taken and put back.
struct Events {
    /// The first place is the head of the list and no event.
    events: Vec<Option<Event>>,
    next: Vec<usize>,
    previous: Vec<usize>,
    /// Place of the start of each call, and of its answer.
    starts: Vec<usize>,
    answers: Vec<Option<usize>>,
    answers_left: usize,
}

impl Events {
    fn of(calls: &[&Call], until: u64) -> Self {
        // What happens in the same microsecond may have happened in any order: starts come first.
        let mut times: Vec<(u64, bool, usize)> = Vec::with_capacity(2 * calls.len());
        for (number, call) in calls.iter().enumerate() {
            times.push((call.started_us, false, number));
            if let Some(returned) = call.returned_us().filter(|returned| *returned <= until) {
                times.push((returned, true, number));
            }
        }
        times.sort_unstable();
        let places = times.len() + 1;
        let mut starts = vec![0; calls.len()];
        let mut answers = vec![None; calls.len()];
        let mut events = vec![None];
        for (place, (_, is_answer, call)) in (1..).zip(times) {
            if is_answer {
                answers[call] = Some(place);
                events.push(Some(Event::Answer));
            } else {
                starts[call] = place;
                events.push(Some(Event::Start(call)));
            }
        }
        Self {
            answers_left: answers.iter().flatten().count(),
            events,
            next: (0..places).map(|place| (place + 1) % places).collect(),
            previous: (0..places).map(|place| (place + places - 1) % places).collect(),
            starts,
            answers,
        }
    }

    fn first(&self) -> usize {
        self.next[0]
    }

    fn after(&self, place: usize) -> usize {
        self.next[place]
    }

    /// None at the end of the list: only calls that never returned are left there.
    fn get(&self, place: usize) -> Option<Event> {
        self.events[place]
    }

    fn lift(&mut self, call: usize) {
        self.unlink(self.starts[call]);
        if let Some(answer) = self.answers[call] {
            self.unlink(answer);
            self.answers_left -= 1;
        }
    }

    /// In the opposite order, so that each finds its neighbours again.
    fn put_back(&mut self, call: usize) {
        if let Some(answer) = self.answers[call] {
            self.link(answer);
            self.answers_left += 1;
        }
        self.link(self.starts[call]);
    }

    fn unlink(&mut self, place: usize) {
        let (before, after) = (self.previous[place], self.next[place]);
        self.next[before] = after;
        self.previous[after] = before;
    }

    fn link(&mut self, place: usize) {
        let (before, after) = (self.previous[place], self.next[place]);
        self.next[before] = place;
        self.previous[after] = place;
    }
}

enum Added {
    New,
    Known,
    Full,
}

/// Which calls are taken, and with which state that was tried already.
struct Memory<S> {
    taken: Vec<u64>,
    seen: HashSet<(Box<[u64]>, S)>,
    states_max: usize,
}

impl<S: Clone + Eq + Hash> Memory<S> {
    fn new(calls: usize, states_max: usize) -> Self {
        Self {
            taken: vec![0; calls.div_ceil(64)],
            seen: HashSet::new(),
            states_max,
        }
    }

    /// Takes the call, unless the same calls led to the same state before.
    fn add(&mut self, call: usize, state: &S) -> Added {
        self.flip(call);
        if self.seen.len() >= self.states_max {
            return Added::Full;
        }
        if self.seen.insert((self.taken.clone().into_boxed_slice(), state.clone())) {
            return Added::New;
        }
        self.flip(call);
        Added::Known
    }

    fn take_back(&mut self, call: usize) {
        self.flip(call);
    }

    fn flip(&mut self, call: usize) {
        self.taken[call / 64] ^= 1 << (call % 64);
    }
}
