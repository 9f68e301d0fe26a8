//! The rules under simulated faults: some hundred seeds, those that once found something, and known bugs put back.
#![cfg(test)]

use simulation::campaign::{self, Part, Plan};
use simulation::rules::run;

/// As many as continuous integration has time for; `infra/dev simulate` runs more.
const SEEDS: u64 = 240;

#[test]
fn seeds_hold_and_every_fault_strikes() {
    let plan = Plan {
        first_seed: 0,
        seeds: SEEDS,
        twice_every: 40,
        until_failed: false,
    };
    let report = campaign::run(Part::Rules, plan, |_, _| {});
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    assert_eq!(report.never_happened(), [""; 0]);
    assert!(report.held(), "{report:?}");
    assert!(report.calls[0] > 15 * SEEDS, "{report:?}");
}

#[test]
fn a_seed_is_the_same_run_bit_for_bit() {
    for seed in [1, 2, 3] {
        let ran = run(seed).unwrap();
        assert_eq!(
            run(seed).unwrap(),
            ran,
            "repeat with: infra/dev simulate --reproduce {seed}"
        );
        assert_ne!(run(seed + 100).unwrap().fingerprint, ran.fingerprint);
    }
}

#[test]
fn seeds_that_once_found_something_hold() {
    let seeds = include_str!("regression-seeds.txt");
    let seeds = seeds
        .lines()
        .filter_map(|line| line.split('#').next()?.trim().parse::<u64>().ok());
    for seed in seeds {
        let ran = run(seed);
        assert!(ran.is_ok(), "seed {seed}: {ran:?}");
    }
}

#[cfg(feature = "mutations")]
#[test]
fn every_known_bug_of_the_rules_is_caught() {
    use simulation::campaign::with_bugs::{OF_THE_RULES, catch};
    let missed: Vec<_> = OF_THE_RULES
        .into_iter()
        .map(|mutation| catch(Part::Rules, mutation, 600))
        .inspect(|caught| println!("{caught:?}"))
        .filter(|caught| caught.check.is_none())
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}
