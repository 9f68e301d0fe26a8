//! Random runs of a small cluster, with every check after every entry; and for each check a machine that was broken on
//! purpose, to show that the check can fail. Proptest prints the shortest run that fails and keeps its seed.

#[cfg(test)]
mod broken;
#[cfg(test)]
mod checks;
#[cfg(test)]
mod world;

use checks::Checks;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use world::{Action, Applied, Ask, Guess, Machine, Step, World, prompt, runs, sound};

fn check(machine: Machine, steps: &[Step]) -> Result<(), String> {
    let mut checks = Checks::default();
    World::new(machine, |applied: &Applied<'_>| checks.observe(applied))?
        .run(steps)
        .map(|_| ())
}

/// `PROPTEST_CASES` raises the number for long runs.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.saturating_mul(4),
        ..default
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn otp_3_th_1_th_2_th_4_rt_1_rt_2_se_2_hold_in_every_run(steps in runs(120)) {
        check(sound, &steps).map_err(TestCaseError::fail)?;
    }
}

/// Found by a random run: the right password of a name that is held for nobody was counted as a guess.
#[test]
fn th_4_a_held_name_charges_wrong_passwords_alone() {
    let mut steps = vec![Action::Ask(Ask::Register { name: 3, email: 0 })];
    for _ in 0..6 {
        steps.extend([
            Action::Ask(Ask::Start { name: 3 }),
            Action::Ask(Ask::Enrol { name: 3 }),
            Action::Ask(Ask::WrongPassword { name: 3 }),
            Action::Ask(Ask::LogIn {
                name: 3,
                guess: Guess::Wrong,
            }),
        ]);
    }
    let steps: Vec<Step> = steps.into_iter().map(prompt).collect();
    check(sound, &steps).unwrap();
}

/// What random runs must reach, or they would prove little. The rest needs a hundred failures or an operator.
const OUTCOMES: [&str; 18] = [
    "account_registered",
    "already_enrolled",
    "challenge_gone",
    "challenge_started",
    "enrolment_required",
    "invalid_code",
    "invalid_credentials",
    "mail_marked_sent",
    "session_ended",
    "session_refreshed",
    "session_revoked",
    "session_started",
    "signing_key_installed",
    "stale",
    "too_many_attempts",
    "too_old",
    "totp_pending",
    "username_taken",
];

#[test]
fn random_runs_reach_every_outcome() {
    let mut runner = TestRunner::deterministic();
    let mut reached = BTreeMap::<&str, u32>::new();
    for _ in 0..200 {
        let steps = runs(120).new_tree(&mut runner).unwrap().current();
        let observe = |applied: &Applied<'_>| {
            *reached.entry(applied.reply.outcome()).or_default() += 1;
            Ok(())
        };
        World::new(sound, observe)
            .and_then(|world| world.run(&steps))
            .map(|_| ())
            .unwrap();
    }
    for outcome in OUTCOMES {
        let times = reached.get(outcome).copied().unwrap_or_default();
        assert!(times >= 50, "{outcome} came out {times} times only: {reached:?}");
    }
}
