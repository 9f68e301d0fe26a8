//! Known bugs of code that the simulation does not contain: put back, a test of its package must fail.
//!
//! Each test is run twice, once without the bug: a test that fails by itself would catch everything.

use crate::campaign::with_bugs::Caught;
use mutations::{Mutation, VARIABLE};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The bugs, the package that has them, and the test that sees them.
pub const OF_PROGRAMS: [(Mutation, &str, &str); 3] = [
    (
        Mutation::OldIdRejoins,
        "raft-store",
        "refusals::a_member_that_lost_its_folder_does_not_come_back_under_its_id",
    ),
    (
        Mutation::EjectLast,
        "lb",
        "cluster::tests::one_of_two_nodes_is_set_aside_and_the_other_one_is_not",
    ),
    (
        Mutation::RetryWithoutOperation,
        "lb",
        "failover::a_post_whose_node_dies_is_done_by_another_as_the_same_operation",
    ),
];

/// Puts one back and runs the test that must see it.
///
/// # Errors
/// The test cannot be run, or fails without the bug too.
pub fn catch(mutation: Mutation, package: &str, test: &str) -> Result<Caught, String> {
    if !passes(package, test, "")? {
        return Err(format!("{test} of {package} fails without any bug: mend that first"));
    }
    let is_caught = !passes(package, test, mutation.name())?;
    Ok(Caught {
        mutation: mutation.name(),
        what: mutation.what(),
        check: is_caught.then(|| test.rsplit("::").next().unwrap_or(test).to_owned()),
        seeds: 1,
        repeat: format!("infra/dev mutations --only {}", mutation.name()),
    })
}

/// Runs one test in a folder of its own, where no other build looks for programs.
fn passes(package: &str, test: &str, bug: &str) -> Result<bool, String> {
    let output = Command::new("cargo")
        .args(["test", "--locked", "--package", package, "--features", "mutations"])
        .arg("--target-dir")
        .arg(built_in()?)
        .args(["--", "--exact", test])
        .env(VARIABLE, bug)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    let told = String::from_utf8_lossy(&output.stdout);
    let ran = told.lines().any(|line| line == "running 1 test");
    if ran {
        Ok(output.status.success())
    } else {
        Err(format!("cargo test did not run {test} of {package}; it said:\n{told}"))
    }
}

/// The target folder that this program was built in.
fn built_in() -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let folder = program.ancestors().nth(2).map(PathBuf::from);
    folder.ok_or_else(|| format!("{} is not in a target folder", program.display()))
}
