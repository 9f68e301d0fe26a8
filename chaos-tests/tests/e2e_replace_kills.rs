//! A few replacements whose nodes are killed with -9 at random moments; `infra/dev replace-kills` does many.
#![cfg(test)]

use chaos_tests::proofs::replacement::kill_replacements;

const ROUNDS: u64 = 4;
const SEED: u64 = 20_261_121;

#[tokio::test]
async fn a_kill_at_any_moment_of_a_replacement_leaves_nothing_half_open() {
    let strikes = kill_replacements(ROUNDS, SEED).await.unwrap();
    for strike in &strikes {
        println!("{strike:?}");
    }
    assert_eq!(strikes.len() as u64, ROUNDS);
}
