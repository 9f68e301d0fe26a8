//! Real nodes on disks that fail, are full, read-only or slow, or lose their power. The long form is
//! `infra/dev failing-disks`.
#![cfg(test)]

use chaos_tests::entropy::fresh_seed;
use chaos_tests::faultfs::missing;
use chaos_tests::proofs::Run;
use chaos_tests::proofs::nodes::{Case, Trouble, Victim, run};
use chaos_tests::skipping::skipped;
use std::path::PathBuf;

#[tokio::test]
async fn otp_3_a_node_whose_disk_fails_stops_and_nothing_that_was_answered_is_forgotten() {
    if skipped(missing(), false) {
        return;
    }
    let cases = [
        (Trouble::FailingSync, Victim::Leader),
        (Trouble::Full, Victim::Follower),
        (Trouble::ReadOnly, Victim::Leader),
        (Trouble::Slow { millis: 5000 }, Victim::Follower),
        (Trouble::Slow { millis: 50 }, Victim::Everybody),
        (Trouble::PowerLoss, Victim::Everybody),
    ];
    let cases = cases.map(|(trouble, victim)| Case { trouble, victim });
    let plan = Run {
        program: PathBuf::from(env!("CARGO_BIN_EXE_tfauth-proofs")),
        rounds: cases.len() as u64,
        seed: fresh_seed(),
        progress: true,
    };
    let outcome = run(&plan, &cases).await.unwrap();
    println!("seed {}:\n{outcome}", outcome.seed);
    assert_eq!(outcome.wrong, Vec::<String>::new());
    assert_eq!(outcome.rows.len(), cases.len());
    assert!(outcome.witnesses > 10, "too little happened to prove anything");
}
