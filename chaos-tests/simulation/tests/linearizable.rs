//! Our checker beside two that we did not write, on small random histories of a register: all must agree, on those
//! that have an order and on those that have none, with calls that never returned among them. That of stateright takes part
//! with the feature `oracles` (`infra/dev test` has a step for it).
#![cfg(test)]

use proptest::prelude::*;
use simulation::history::{Call, History, Outcome};
use simulation::linearizable::{Verdict, check, check_within};
use simulation::models::{Life, Register, SingleUse, UniqueName};
#[cfg(feature = "oracles")]
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};
use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History as Actions};
use todc_utils::specifications::Specification;

/// One call as it is drawn: the value is what a write writes, or what a read says that it saw.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    kind: Kind,
    starts: u64,
    lasts: u64,
    known: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read(u8),
    Write(u8),
    Cas(u8, u8, bool),
}

fn text(value: u8) -> String {
    if value == 0 { String::new() } else { value.to_string() }
}

fn call(number: usize, drawn: &Drawn) -> Call {
    let (verb, input, ok) = match drawn.kind {
        Kind::Read(seen) => ("read", None, Outcome::Ok((seen > 0).then(|| text(seen)))),
        Kind::Write(value) => ("write", Some(text(value)), Outcome::Ok(None)),
        Kind::Cas(old, new, true) => ("cas", Some(format!("{}->{new}", text(old))), Outcome::Ok(None)),
        Kind::Cas(old, new, false) => (
            "cas",
            Some(format!("{}->{new}", text(old))),
            Outcome::Denied("another value".into()),
        ),
    };
    Call {
        process: number as u64,
        key: "k".into(),
        verb: verb.into(),
        input,
        // Every time is different, so that all see the same order.
        started_us: drawn.starts * 64 + number as u64,
        ended_us: drawn
            .known
            .then(|| (drawn.starts + drawn.lasts) * 64 + 32 + number as u64),
        outcome: if drawn.known {
            ok
        } else {
            Outcome::Unknown("timeout".into())
        },
    }
}

/// What happens, in order of time: a call by its number, and whether it is its start.
fn times(history: &[Drawn]) -> Vec<(u64, usize, bool)> {
    let calls = history.iter().enumerate();
    let mut times: Vec<_> = calls
        .flat_map(|(number, drawn)| {
            let call = call(number, drawn);
            let end = call.ended_us.map(|ended| (ended, number, false));
            [Some((call.started_us, number, true)), end]
        })
        .flatten()
        .collect();
    times.sort_unstable();
    times
}

#[derive(Clone, Default)]
struct Reference(u8);

#[derive(Clone, PartialEq, Debug)]
enum Answer {
    Seen(u8),
    Done,
    Set(bool),
}

impl Reference {
    fn call(&mut self, kind: Kind) -> Answer {
        match kind {
            Kind::Read(_) => Answer::Seen(self.0),
            Kind::Write(value) => {
                self.0 = value;
                Answer::Done
            }
            Kind::Cas(old, new, _) => {
                let same = self.0 == old;
                if same {
                    self.0 = new;
                }
                Answer::Set(same)
            }
        }
    }
}

fn answer(kind: Kind) -> Answer {
    match kind {
        Kind::Read(seen) => Answer::Seen(seen),
        Kind::Write(_) => Answer::Done,
        Kind::Cas(_, _, set) => Answer::Set(set),
    }
}

#[cfg(feature = "oracles")]
impl SequentialSpec for Reference {
    type Op = Kind;
    type Ret = Answer;

    fn invoke(&mut self, op: &Kind) -> Answer {
        self.call(*op)
    }
}

#[cfg(feature = "oracles")]
fn stateright(history: &[Drawn]) -> bool {
    let mut tester = LinearizabilityTester::new(Reference::default());
    for (_, number, start) in times(history) {
        let kind = history[number].kind;
        let told = if start {
            tester.on_invoke(number, kind)
        } else {
            tester.on_return(number, answer(kind))
        };
        told.unwrap();
    }
    tester.is_consistent()
}

/// A call whose outcome is known, or not.
#[derive(Clone, Copy, Debug)]
struct Told(Kind, bool);

impl Specification for Reference {
    type State = u8;
    type Operation = Told;

    fn init() -> u8 {
        0
    }

    fn apply(told: &Told, state: &u8) -> (bool, u8) {
        let mut register = Self(*state);
        let right = register.call(told.0) == answer(told.0) || !told.1;
        (right, if right { register.0 } else { *state })
    }
}

/// Knows complete histories only: calls that never returned have happened by the end, or not at all.
fn todc(history: &[Drawn]) -> bool {
    let open: Vec<usize> = (0..history.len()).filter(|number| !history[*number].known).collect();
    (0_u32..1 << open.len()).any(|chosen| {
        let happened = |number: usize| match open.iter().position(|open| *open == number) {
            Some(place) => chosen & (1 << place) != 0,
            None => true,
        };
        let told = |number: usize| Told(history[number].kind, history[number].known);
        let mut actions: Vec<_> = times(history)
            .into_iter()
            .filter(|(_, number, _)| happened(*number))
            .map(|(_, number, start)| {
                let told = told(number);
                (
                    number,
                    if start {
                        Action::Call(told)
                    } else {
                        Action::Response(told)
                    },
                )
            })
            .collect();
        actions.extend(
            open.iter()
                .filter(|n| happened(**n))
                .map(|n| (*n, Action::Response(told(*n)))),
        );
        actions.is_empty() || WGLChecker::<Reference>::is_linearizable(Actions::from_actions(actions))
    })
}

fn ours(history: &[Drawn]) -> bool {
    let calls: Vec<Call> = history
        .iter()
        .enumerate()
        .map(|(number, drawn)| call(number, drawn))
        .collect();
    match check(&Register, &History::new(calls)) {
        Verdict::Linearizable => true,
        Verdict::Violation(_) => false,
        Verdict::Undecided { key } => panic!("{key} is small"),
    }
}

fn histories() -> impl Strategy<Value = Vec<Drawn>> {
    let kind = prop_oneof![
        3 => (0..4_u8).prop_map(Kind::Read),
        2 => (1..4_u8).prop_map(Kind::Write),
        2 => (0..4_u8, 1..4_u8, any::<bool>()).prop_map(|(old, new, set)| Kind::Cas(old, new, set)),
    ];
    let call = (kind, 0..12_u64, 0..8_u64, prop::bool::weighted(0.8)).prop_map(|(kind, starts, lasts, known)| Drawn {
        kind,
        starts,
        lasts,
        known,
    });
    prop::collection::vec(call, 1..7)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn our_checker_agrees_with_others_on_random_histories(history in histories()) {
        let ours = ours(&history);
        #[cfg(feature = "oracles")]
        prop_assert_eq!(ours, stateright(&history), "stateright");
        prop_assert_eq!(ours, todc(&history), "todc-utils");
    }
}

/// So that the test above does not pass on one kind only.
#[test]
fn random_histories_are_of_both_kinds_with_open_calls_among_them() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut counts = [[0_u32; 2]; 2];
    for _ in 0..1_000 {
        let history = histories().new_tree(&mut runner).unwrap().current();
        let open = history.iter().any(|drawn| !drawn.known);
        counts[usize::from(open)][usize::from(ours(&history))] += 1;
    }
    assert!(counts.iter().flatten().all(|count| *count >= 50), "{counts:?}");
}

fn known(key: &str, verb: &str, input: Option<&str>, (from, to): (u64, u64), outcome: Outcome) -> Call {
    Call {
        process: 0,
        key: key.into(),
        verb: verb.into(),
        input: input.map(str::to_owned),
        started_us: from,
        ended_us: Some(to),
        outcome,
    }
}

#[test]
fn a_violation_names_the_first_impossible_answer() {
    let ok = || Outcome::Ok(None);
    let saw = |value: &str| Outcome::Ok(Some(value.into()));
    let history = History::new(vec![
        known("a", "write", Some("1"), (0, 10), ok()),
        known("a", "read", None, (11, 12), saw("1")),
        known("a", "write", Some("2"), (20, 30), ok()),
        known("a", "read", None, (31, 35), saw("1")),
        known("a", "read", None, (40, 45), saw("2")),
        known("b", "read", None, (0, 5), Outcome::Ok(None)),
    ]);
    let Verdict::Violation(found) = check(&Register, &history) else {
        panic!("not found");
    };
    assert_eq!((found.key.as_str(), found.impossible.ended_us), ("a", Some(35)));
    assert_eq!(found.prefix.len(), 4);
    assert!(found.to_string().contains("31"), "{found}");
}

#[test]
fn memory_that_is_used_up_is_no_verdict() {
    let calls = (0..40).map(|n| known("k", "write", Some(&n.to_string()), (0, 100), Outcome::Ok(None)));
    let wrong = known("k", "read", None, (200, 201), Outcome::Ok(Some("none of them".into())));
    let history = History::new(calls.chain([wrong]).collect());
    assert_eq!(
        check_within(&Register, &history, 10_000),
        Verdict::Undecided { key: "k".into() }
    );
}

#[test]
fn ten_thousand_calls_of_one_key_are_checked_at_once() {
    let calls = (0..10_000_u64).map(|n| {
        let (verb, outcome) = if n % 2 == 0 {
            ("write", Outcome::Ok(None))
        } else {
            ("read", Outcome::Ok(Some((n - 1).to_string())))
        };
        known("k", verb, Some(&n.to_string()), (n * 10, n * 10 + 9), outcome)
    });
    assert_eq!(check(&Register, &History::new(calls.collect())), Verdict::Linearizable);
}

#[test]
fn each_model_takes_what_may_be_and_refuses_what_may_not() {
    let ok = || Outcome::Ok(None);
    let denied = || Outcome::Denied("no".into());
    let open = || Outcome::Unknown("timeout".into());
    let judge = |first: Call, second: Call| {
        let history = History::new(vec![first, second]);
        let sound = |verdict: Verdict| verdict == Verdict::Linearizable;
        match history.calls()[0].key.as_str() {
            "once" => sound(check(&SingleUse, &history)),
            "life" => sound(check(&Life, &history)),
            _ => sound(check(&UniqueName, &history)),
        }
    };
    let pair = |key: &str, one: (&str, Outcome), two: (&str, Outcome), apart: bool| {
        let second = if apart { (20, 30) } else { (5, 30) };
        judge(
            known(key, one.0, None, (0, 10), one.1),
            known(key, two.0, None, second, two.1),
        )
    };
    assert!(!pair("once", ("consume", ok()), ("consume", ok()), false));
    assert!(pair("once", ("consume", open()), ("consume", ok()), true));
    assert!(pair("once", ("consume", denied()), ("consume", ok()), true));
    assert!(!pair("once", ("void", ok()), ("consume", ok()), true));
    assert!(!pair("life", ("end", ok()), ("use", ok()), true));
    assert!(pair("life", ("end", ok()), ("use", ok()), false));
    assert!(pair("life", ("end", open()), ("use", ok()), true));
    let take = |who: &str, at, outcome| known("name", "take", Some(who), at, outcome);
    assert!(!judge(take("a", (0, 10), ok()), take("b", (0, 10), ok())));
    assert!(judge(take("a", (0, 10), ok()), take("a", (0, 10), ok())));
    assert!(judge(take("a", (0, 10), open()), take("b", (20, 30), ok())));
}
