//! A short run of the chaos suite: kills, a cut and a pause while every workload goes on. Long runs are `infra/dev chaos`.
#![cfg(test)]

use chaos_tests::chaos::report;
use chaos_tests::chaos::runner::{self, Wish};
use chaos_tests::chaos::scenario::{self, SMOKE};
use chaos_tests::clock;
use std::path::Path;
use std::time::Duration;

/// The machine of CI is busy with nothing else, and slow.
const PATIENCE: u32 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn every_promise_holds_while_nodes_die_vanish_and_stand_still() {
    let own = std::env::current_exe().unwrap();
    let deps = own.parent().unwrap();
    let scenario = scenario::find(SMOKE).unwrap();
    let wish = Wish {
        scenario,
        nodes: scenario.nodes,
        length: Duration::from_secs(10),
        seed: 7,
        patience: PATIENCE,
        rate_percent: 100,
        programs: deps.parent().map(Path::to_owned).unwrap(),
        older: None,
        logs: None,
        progress: true,
    };
    let run = runner::run(wish).await.unwrap();
    let report = report::of_run(&run, clock::unix_seconds());
    for verdict in &run.verdicts {
        println!("{verdict:?}");
    }
    let broken: Vec<_> = run.verdicts.iter().filter(|verdict| !verdict.held).collect();
    assert!(broken.is_empty(), "{broken:#?}\nagain: {}", report::command(&report));
}
