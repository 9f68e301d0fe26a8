//! Codes that were used, how often each was accepted, and what the log says of that: a code may work once. Must not ask
//! anybody anything.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::pool::Attempt;

/// What a client was told of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// There is a session.
    Accepted,
    /// There is none.
    Refused,
    /// Nothing that says whether there is one.
    Unknown,
}

/// Every use of every code.
#[derive(Default)]
pub(super) struct Codes {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// To be presented once more, the oldest first.
    used: VecDeque<Attempt>,
    /// How often a code was accepted.
    accepted: HashMap<String, u64>,
    /// Uses of which nobody knows.
    unknown: u64,
}

impl Codes {
    /// What came of the first use of a code; it is presented again from now on.
    pub(super) fn used(&self, attempt: Attempt, told: Told) {
        self.told(&attempt, told);
        self.state().used.push_back(attempt);
    }

    /// What came of a use.
    pub(super) fn told(&self, attempt: &Attempt, told: Told) {
        let mut state = self.state();
        match told {
            Told::Accepted => *state.accepted.entry(attempt.key()).or_default() += 1,
            Told::Refused => {}
            Told::Unknown => state.unknown += 1,
        }
    }

    /// A code that was used and not presented again yet.
    pub(super) fn again(&self) -> Option<Attempt> {
        self.state().used.pop_front()
    }

    /// Another run begins: what was before is over.
    pub(super) fn begin(&self) {
        *self.state() = State::default();
    }

    /// Uses that had an effect beyond the first of their code. `started` is how many sessions the log says were started
    /// since the run began: one that nobody was told of is a doubled effect, too, unless a use is unknown.
    pub(super) fn doubled(&self, started: u64) -> u64 {
        let state = self.state();
        let told: u64 = state.accepted.values().sum();
        let seen: u64 = state.accepted.values().map(|count| count - 1).sum();
        seen + started.saturating_sub(told + state.unknown)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Person;

    fn attempt(step: u64) -> Attempt {
        Attempt {
            person: Person::new("ana"),
            code: "042137".to_owned(),
            step,
        }
    }

    #[test]
    fn a_code_that_is_accepted_again_is_a_doubled_effect() {
        let codes = Codes::default();
        codes.used(attempt(1), Told::Accepted);
        codes.used(attempt(2), Told::Accepted);
        assert_eq!(codes.doubled(2), 0);
        let again = codes.again().unwrap();
        assert_eq!(again.step, 1);
        codes.told(&again, Told::Refused);
        assert_eq!(codes.doubled(2), 0);
        codes.told(&codes.again().unwrap(), Told::Accepted);
        assert_eq!(codes.doubled(3), 1, "and the session that came of it counts once");
        assert!(codes.again().is_none());
    }

    #[test]
    fn a_code_of_which_nobody_knows_may_be_accepted_once() {
        let codes = Codes::default();
        codes.used(attempt(1), Told::Unknown);
        assert_eq!(codes.doubled(1), 0);
        codes.told(&attempt(1), Told::Accepted);
        assert_eq!(codes.doubled(1), 0);
        codes.told(&attempt(1), Told::Accepted);
        assert_eq!(codes.doubled(2), 1);
    }

    #[test]
    fn a_session_that_nobody_was_told_of_is_a_doubled_effect() {
        let codes = Codes::default();
        codes.used(attempt(1), Told::Accepted);
        assert_eq!(codes.doubled(2), 1);
        codes.used(attempt(2), Told::Unknown);
        assert_eq!((codes.doubled(2), codes.doubled(3)), (0, 1));
        codes.begin();
        assert!(codes.again().is_none());
        assert_eq!(codes.doubled(0), 0);
    }
}
