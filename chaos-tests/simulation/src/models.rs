//! What one key is, when nothing goes wrong and one call follows the other: the models that histories are checked against.
//!
//! Add one by implementing [`Model`]. Must not know of time or of other keys.

use crate::history::{Call, Outcome};
use std::fmt::Debug;
use std::hash::Hash;

/// A key as a sequence of calls.
pub trait Model {
    /// Everything that a later answer depends on.
    type State: Clone + Debug + Default + Eq + Hash;

    /// The state after the call, if it can have had its outcome in this one. A call of unknown outcome took effect here; the
    /// checker looks by itself at the case that it never did.
    fn step(&self, state: &Self::State, call: &Call) -> Option<Self::State>;
}

/// A value that is written, read, and compared and set: `write` with the new value, `cas` with `OLD->NEW` (`->NEW` for none
/// yet), `read` with what it gave. A refused `cas` found another value; any other refusal changes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Register;

impl Model for Register {
    type State = Option<String>;

    fn step(&self, state: &Self::State, call: &Call) -> Option<Self::State> {
        let input = call.input.as_deref().unwrap_or_default();
        match (call.verb.as_str(), &call.outcome) {
            ("read", Outcome::Ok(seen)) => (seen == state).then(|| state.clone()),
            ("write", Outcome::Ok(_) | Outcome::Unknown(_)) => Some(Some(input.to_owned())),
            ("cas", outcome) => {
                let (old, new) = input.split_once("->")?;
                let same = old == state.as_deref().unwrap_or_default();
                match outcome {
                    Outcome::Ok(_) => same.then(|| Some(new.to_owned())),
                    Outcome::Unknown(_) => Some(if same { Some(new.to_owned()) } else { state.clone() }),
                    Outcome::Denied(_) => (!same).then(|| state.clone()),
                }
            }
            (_, Outcome::Ok(_)) => None,
            (_, Outcome::Denied(_) | Outcome::Unknown(_)) => Some(state.clone()),
        }
    }
}

/// Something that works once: a code, a challenge, a recovery code, a token. `consume` succeeds at most once, whatever
/// else is asked; a refusal says nothing (a throttle refuses, too). `void` makes it never work again.
#[derive(Clone, Copy, Debug, Default)]
pub struct SingleUse;

impl Model for SingleUse {
    /// Whether it is spent.
    type State = bool;

    fn step(&self, spent: &bool, call: &Call) -> Option<bool> {
        match (call.verb.as_str(), &call.outcome) {
            ("consume", Outcome::Ok(_)) => (!spent).then_some(true),
            ("consume" | "void", Outcome::Unknown(_)) | ("void", Outcome::Ok(_)) => Some(true),
            (_, Outcome::Ok(_)) => None,
            (_, Outcome::Denied(_) | Outcome::Unknown(_)) => Some(*spent),
        }
    }
}

/// A session, an account, a device: `use` is accepted until it was ended by `end`, and never after. `begin` brings it (back)
/// to life; it lives from the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Life;

impl Model for Life {
    /// Whether it is over.
    type State = bool;

    fn step(&self, over: &bool, call: &Call) -> Option<bool> {
        match (call.verb.as_str(), &call.outcome) {
            ("use", Outcome::Ok(_)) => (!over).then_some(false),
            ("end", Outcome::Ok(_) | Outcome::Unknown(_)) => Some(true),
            ("begin", Outcome::Ok(_) | Outcome::Unknown(_)) => Some(false),
            (_, Outcome::Ok(_)) => None,
            (_, Outcome::Denied(_) | Outcome::Unknown(_)) => Some(*over),
        }
    }
}

/// A name that one owner may have: `take` with the owner. The same owner may take it again (a repeat). `free` with the owner
/// gives it back, if it is his.
#[derive(Clone, Copy, Debug, Default)]
pub struct UniqueName;

impl Model for UniqueName {
    type State = Option<String>;

    fn step(&self, owner: &Self::State, call: &Call) -> Option<Self::State> {
        let taker = call.input.as_deref().unwrap_or_default();
        let free = owner.as_deref().is_none_or(|owner| owner == taker);
        match (call.verb.as_str(), &call.outcome) {
            ("take", Outcome::Ok(_)) => free.then(|| Some(taker.to_owned())),
            ("take", Outcome::Unknown(_)) if free => Some(Some(taker.to_owned())),
            ("free", Outcome::Ok(_) | Outcome::Unknown(_)) => Some(owner.clone().filter(|_| !free)),
            (_, Outcome::Ok(_)) => None,
            (_, Outcome::Denied(_) | Outcome::Unknown(_)) => Some(owner.clone()),
        }
    }
}
