//! The store on a disk that loses its power. The long form is `infra/dev power-loss`.
#![cfg(test)]

use chaos_tests::entropy::fresh_seed;
use chaos_tests::faultfs::missing;
use chaos_tests::member::LeftOut;
use chaos_tests::proofs::power_loss::{Scene, power_loss};
use chaos_tests::proofs::{Run, Verdict};
use chaos_tests::skipping::skipped;
use std::path::PathBuf;
use std::process::{Command, Output};

/// Runs it, or says that it cannot be run here.
fn run(rounds: u64, scene: Scene, left_out: LeftOut) -> Option<Verdict> {
    if skipped(missing(), false) {
        return None;
    }
    let run = Run {
        program: PathBuf::from(env!("CARGO_BIN_EXE_tfauth-proofs")),
        rounds,
        seed: fresh_seed(),
        progress: false,
    };
    let verdict = power_loss(&run, scene, left_out).unwrap();
    println!("seed {}: {verdict}: {:?}", verdict.seed, verdict.lost);
    Some(verdict)
}

#[test]
fn a_member_that_loses_its_power_keeps_what_it_acknowledged() {
    let Some(verdict) = run(12, Scene::Single, LeftOut::Nothing) else {
        return;
    };
    assert_eq!(verdict.lost, Vec::<String>::new(), "repeat with seed {}", verdict.seed);
    assert!(
        verdict.acknowledged > 50,
        "too little happened to prove anything: {verdict}"
    );
}

#[test]
fn a_cluster_that_loses_its_power_keeps_what_it_acknowledged() {
    let Some(verdict) = run(3, Scene::Cluster, LeftOut::Nothing) else {
        return;
    };
    assert_eq!(verdict.lost, Vec::<String>::new(), "repeat with seed {}", verdict.seed);
    assert!(
        verdict.acknowledged > 50,
        "too little happened to prove anything: {verdict}"
    );
}

/// The proof can fail: without the system call filter, when flushes of sled are no fsyncs, it does. The log has its own.
#[test]
fn without_the_system_call_filter_the_same_rounds_find_a_loss() {
    let Some(verdict) = run(60, Scene::Single, LeftOut::Filter) else {
        return;
    };
    assert!(
        !verdict.holds(),
        "60 rounds without the filter found nothing: {verdict}"
    );
}

/// And with the filter, when the log is written and not synced.
#[test]
fn without_the_sync_of_the_log_the_same_rounds_find_a_loss() {
    let Some(verdict) = run(60, Scene::Single, LeftOut::LogSync) else {
        return;
    };
    assert!(
        !verdict.holds(),
        "60 rounds with a log that is not synced found nothing: {verdict}"
    );
}

/// A machine without FUSE is told so, loudly, and not that anything was shown: in a mount namespace whose `/dev` is empty.
#[test]
fn where_no_disk_can_be_mounted_the_proofs_say_that_they_were_skipped() {
    let without_devices = |script: &str| -> Output {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c"]);
        command.arg(format!("mount -t tmpfs none /dev && {script}"));
        command.output().unwrap()
    };
    let tried = without_devices("true");
    let refused = (!tried.status.success()).then(|| format!("this user may not make mount namespaces: {tried:?}"));
    if skipped(refused, false) {
        return;
    }
    for verb in ["power-loss --members 1", "power-loss --members 3", "failing-disks"] {
        let output = without_devices(&format!(
            "exec {} {verb} --rounds 1",
            env!("CARGO_BIN_EXE_tfauth-proofs")
        ));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{verb}: {said}");
        assert!(said.contains("SKIPPED") && said.contains("/dev/fuse"), "{verb}: {said}");
    }
}
