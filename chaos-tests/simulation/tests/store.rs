//! Consensus and stores under simulated faults: some seeds, those that once found something, and known bugs put back.
#![cfg(all(test, feature = "store"))]

use simulation::campaign::{self, Part, Plan};

/// As many as continuous integration has time for; `infra/dev simulate --part store` runs more.
const SEEDS: u64 = 60;

#[test]
fn seeds_hold_and_every_fault_strikes() {
    let plan = Plan {
        first_seed: 0,
        seeds: SEEDS,
        twice_every: if cfg!(feature = "seeded") { 10 } else { 0 },
        until_failed: false,
    };
    let report = campaign::run(Part::Store, plan, |_, _| {});
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    assert_eq!(report.never_happened(), [""; 0]);
    assert!(report.held(), "{report:?}");
    assert!(report.calls[0] > 20 * SEEDS, "{report:?}");
}

#[test]
fn seeds_that_once_found_something_hold() {
    let seeds = include_str!("regression-seeds-store.txt");
    let seeds = seeds
        .lines()
        .filter_map(|line| line.split('#').next()?.trim().parse::<u64>().ok());
    for seed in seeds {
        let ran = Part::Store.run(seed);
        assert!(ran.is_ok(), "seed {seed}: {ran:?}");
    }
}

#[test]
fn what_clients_saw_is_kept_for_other_checkers() {
    use simulation::history::{History, append};
    for part in [Part::Rules, Part::Store] {
        let (ran, calls) = part.traced(3);
        let ran = ran.unwrap();
        assert_eq!(ran.outcomes.iter().sum::<usize>(), calls.len());
        let mut lines = Vec::new();
        for call in &calls {
            append(call, &mut lines).unwrap();
        }
        assert_eq!(History::read(lines.as_slice()).unwrap(), History::new(calls));
    }
}

#[cfg(feature = "mutations")]
#[test]
fn every_known_bug_of_the_store_is_caught() {
    use simulation::campaign::with_bugs::{OF_THE_STORE, catch};
    let missed: Vec<_> = OF_THE_STORE
        .into_iter()
        .map(|mutation| catch(Part::Store, mutation, 400))
        .inspect(|caught| println!("{caught:?}"))
        .filter(|caught| caught.check.is_none())
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}
