//! Damaged data folders: never silent. The long form is `infra/dev damage`.
#![cfg(test)]

use chaos_tests::damage::{Campaign, run};
use std::path::{Path, PathBuf};

#[test]
fn no_damage_of_a_data_folder_is_silent() {
    let proofs = PathBuf::from(env!("CARGO_BIN_EXE_tfauth-proofs"));
    let node = proofs.parent().unwrap_or(Path::new("/")).join("tfauth-node");
    let table = run(&Campaign {
        proofs,
        node,
        cases: 3,
        cases_max: Some(40),
        seed: 7,
        progress: false,
    })
    .unwrap();
    println!("{table}");
    assert_eq!(table.failures, Vec::<String>::new(), "repeat with seed {}", table.seed);
    let totals = table.totals();
    assert!(
        totals.ok > 2 && totals.quarantine > 10,
        "too little happened to prove anything: {totals}"
    );
    assert_eq!(totals.silent, 0);
}
