//! The fixed set of crash points, and the proof that it sees mistakes.

use super::{Mutation, Options, catches, folder, run};

#[test]
fn no_crash_loses_what_was_promised() {
    let report = run(&Options::quick()).unwrap();
    println!("{report}");
    assert!(report.failures.is_empty(), "{report}");
    assert!(report.points > 1000 && report.nested > 100, "{report}");
    for step in [
        "create /data/log/next.tmp",
        "rename /data/log/next.tmp to /data/log/.log",
        "rename /data/log/.log to /data/log/next.tmp",
        "remove /data/log/.log",
        "flush /data/log/.log",
        "sync folder /data/log",
        "sync on opening /data/log/.log",
    ] {
        assert!(report.steps.contains(step), "{step:?} is not among {:#?}", report.steps);
    }
}

#[tokio::test]
async fn a_folder_that_joins_and_goes_into_quarantine_can_be_stopped_anywhere() {
    let outcome = folder::enumerate().await;
    println!("{} points, {} cases", outcome.points, outcome.cases);
    assert!(outcome.wrong.is_empty(), "{:#?}", outcome.wrong);
    assert!(outcome.points > 40 && outcome.cases > 300, "{outcome:?}");
}

fn caught(mutation: Mutation) {
    let failure = catches(mutation).unwrap();
    println!("{mutation:?}: {failure:?}");
    assert!(failure.is_some(), "nobody noticed {mutation:?}");
}

#[test]
fn an_acknowledgement_before_the_flush_is_caught() {
    caught(Mutation::AcknowledgeBeforeFlush);
}

#[test]
fn a_checkpoint_without_a_flush_is_caught() {
    caught(Mutation::CheckpointWithoutFlush);
}

#[test]
fn a_mark_before_its_rows_is_caught() {
    caught(Mutation::MarkBeforeRows);
}

#[test]
fn a_rename_without_syncing_the_folder_is_caught() {
    caught(Mutation::RenameWithoutFolderSync);
}

#[test]
fn a_vote_answered_before_the_guard_has_it_is_caught() {
    caught(Mutation::VoteBeforeGuard);
}

#[test]
fn a_purge_before_the_checkpoint_is_durable_is_caught() {
    caught(Mutation::PurgeBeforeCheckpoint);
}

#[test]
fn opening_without_a_sync_is_caught() {
    caught(Mutation::OpenWithoutSync);
}
