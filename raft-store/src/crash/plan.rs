//! What a member is made to do: one tour past everything that writes, and as many others as there are seeds.
//!
//! Must not depend on what a member holds: the driver fits each step to that.

use crate::disk::sim::Dice;

/// One thing that consensus asks of the stores.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Vote,
    /// One append of entries with values of these sizes, waited for.
    Append(Vec<usize>),
    /// Several appends, a commit and a purge on the way, and at the end a vote or a cut: one fsync for all.
    Group(Vec<Vec<usize>>, End),
    /// So many more entries are committed, and applied.
    Commit(u64),
    Checkpoint,
    /// Entries that a checkpoint covers go, but for so many.
    Purge(u64),
    /// So many entries that are not committed go.
    Truncate(u64),
    /// A snapshot arrives that covers so many more entries than the log.
    Install(u64),
    /// The same, but it breaks off.
    HalfInstall(u64),
    Restart,
    Kill,
}

/// What a group ends with.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Nothing,
    Vote,
    Truncate,
    /// All of it is committed and saved in the tables, before the log is written.
    Checkpoint,
}

/// Past everything, every size, twice where the second time differs from the first.
pub(super) fn tour() -> Vec<Step> {
    vec![
        Step::Vote,
        Step::Append(vec![0, 20, 300]),
        Step::Commit(2),
        Step::Append(vec![30; 30]),
        Step::Group(vec![vec![9; 3], vec![5000], vec![100; 4]], End::Vote),
        Step::Commit(20),
        Step::Checkpoint,
        Step::Append(vec![10_000, 50, 9000]),
        Step::Truncate(4),
        Step::Append(vec![40; 6]),
        Step::Commit(30),
        Step::Purge(5),
        Step::Append(vec![60; 3]),
        Step::Checkpoint,
        Step::Purge(0),
        Step::Kill,
        // More segments go at once than are kept.
        Step::Append(vec![7000; 7]),
        Step::Commit(7),
        Step::Checkpoint,
        Step::Purge(0),
        Step::Append(vec![12]),
        Step::Append(vec![13]),
        Step::Append(vec![70, 6000, 70]),
        Step::Commit(2),
        Step::HalfInstall(5),
        Step::Install(6),
        Step::Vote,
        Step::Append(vec![80; 5]),
        Step::Commit(3),
        Step::Group(vec![vec![70; 2], vec![90; 2]], End::Truncate),
        Step::Append(vec![20, 12_000]),
        Step::Commit(4),
        Step::Checkpoint,
        Step::Restart,
        Step::Append(vec![25; 2]),
        Step::Purge(1),
        Step::Install(3),
        Step::Append(vec![11; 4]),
        Step::Commit(9),
        Step::Checkpoint,
        Step::Group(vec![vec![5; 2]], End::Nothing),
        tables_first(),
        Step::Purge(0),
        Step::Append(vec![10]),
    ]
}

/// Others have agreed on entries that this member has not synced yet, and its tables are saved first.
fn tables_first() -> Step {
    Step::Group(vec![vec![50; 3], vec![6000, 40]], End::Checkpoint)
}

/// What is done after a crash, to see that the member is of use again.
pub(super) fn afterlife() -> Vec<Step> {
    vec![
        Step::Vote,
        Step::Append(vec![15, 4500]),
        Step::Commit(u64::MAX),
        Step::Checkpoint,
        Step::Purge(1),
        Step::Append(vec![3]),
    ]
}

/// The plan of a seed; the tour for zero.
pub(super) fn plan(seed: u64) -> Vec<Step> {
    if seed == 0 {
        return tour();
    }
    let mut dice = Dice::new(seed);
    let steps = 12 + dice.below(16);
    let mut plan = vec![Step::Vote];
    plan.extend((0..steps).map(|_| step(&mut dice)));
    plan.push(tables_first());
    plan
}

fn step(dice: &mut Dice) -> Step {
    match dice.below(20) {
        0 => Step::Vote,
        1..=4 => Step::Append(sizes(dice)),
        5..=6 => {
            let appends = 1 + dice.below(3);
            let appends = (0..appends).map(|_| sizes(dice)).collect();
            let end = match dice.below(3) {
                0 => End::Nothing,
                1 => End::Vote,
                _ => End::Truncate,
            };
            Step::Group(appends, end)
        }
        7..=9 => Step::Commit(1 + dice.below(12)),
        10..=12 => Step::Checkpoint,
        13..=14 => Step::Purge(dice.below(6)),
        15 => Step::Truncate(1 + dice.below(6)),
        16 => Step::Install(1 + dice.below(8)),
        17 => Step::HalfInstall(1 + dice.below(8)),
        18 => Step::Restart,
        _ => Step::Kill,
    }
}

fn sizes(dice: &mut Dice) -> Vec<usize> {
    let count = 1 + dice.below(6);
    let size = |dice: &mut Dice| match dice.below(8) {
        0 => 3000 + dice.below(9000),
        _ => dice.below(200),
    };
    (0..count)
        .map(|_| usize::try_from(size(dice)).unwrap_or_default())
        .collect()
}
