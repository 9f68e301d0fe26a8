//! What can happen in a run, and random runs of it.

use proptest::prelude::*;

/// Nodes of the cluster.
pub(super) const NODES: usize = 3;

/// What a node's comparison of a code gives.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Guess {
    /// No step of the window has these digits.
    Wrong,
    /// The step before this one, this one, or the next.
    Code(u64),
}

/// What a node asks for. `pick` selects one of what there is, modulo its number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    Register { name: u8, email: u8 },
    WrongPassword { name: u8 },
    UnknownName { name: u8 },
    Enrol { name: u8 },
    Start { name: u8 },
    Verify { pick: usize, guess: Guess },
    LogIn { name: u8, guess: Guess },
    Refresh { pick: usize, age: u32 },
    End { pick: usize },
    InstallKey,
    MailSent,
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    /// A node proposes a command.
    Ask(Ask),
    /// Time passes.
    Wait { seconds: u64 },
    /// A proposal that was held back arrives.
    Deliver { pick: usize },
    /// A proposal that was made before arrives once more, byte for byte.
    Repeat { pick: usize },
    /// Another node proposes a recent request again, stamped by its own clock.
    Retry { pick: usize },
    /// The proposer of a stale entry proposes the same evidence with a new `auth_seq`.
    Rebase { pick: usize },
}

/// One step of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Which node acts.
    pub(crate) node: usize,
    /// Whether it reads the state first.
    pub(crate) reads: bool,
    /// Whether its proposal is held back.
    pub(crate) held: bool,
    /// What it does.
    pub(crate) action: Action,
}

/// A step of a node that reads first and is not held back.
pub(crate) fn prompt(action: Action) -> Step {
    Step {
        node: 0,
        reads: true,
        held: false,
        action,
    }
}

/// Random runs.
pub(crate) fn runs(steps_max: usize) -> impl Strategy<Value = Vec<Step>> {
    let guess = || prop_oneof![3 => Just(Guess::Wrong), 4 => (0..3_u64).prop_map(Guess::Code)];
    // Mostly the same account, so that a run gets deep.
    let name = || prop_oneof![5 => Just(0_u8), 3 => 1..4_u8];
    let pick = || 0..64_usize;
    let seconds = prop::sample::select(vec![
        1, 2, 9, 10, 11, 20, 29, 30, 31, 60, 61, 121, 300, 601, 7200, 90_000,
    ]);
    let ask = prop_oneof![
        1 => (0..6_u8, 0..6_u8).prop_map(|(name, email)| Ask::Register { name, email }),
        9 => name().prop_map(|name| Ask::WrongPassword { name }),
        4 => name().prop_map(|name| Ask::UnknownName { name }),
        2 => name().prop_map(|name| Ask::Enrol { name }),
        4 => name().prop_map(|name| Ask::Start { name }),
        12 => (0..3_usize, guess()).prop_map(|(pick, guess)| Ask::Verify { pick, guess }),
        6 => (name(), guess()).prop_map(|(name, guess)| Ask::LogIn { name, guess }),
        6 => (0..4_usize, 0..3_u32).prop_map(|(pick, age)| Ask::Refresh { pick, age }),
        1 => pick().prop_map(|pick| Ask::End { pick }),
        1 => Just(Ask::InstallKey),
        1 => Just(Ask::MailSent),
    ];
    let action = prop_oneof![
        47 => ask.prop_map(Action::Ask),
        4 => seconds.prop_map(|seconds| Action::Wait { seconds }),
        5 => pick().prop_map(|pick| Action::Deliver { pick }),
        5 => pick().prop_map(|pick| Action::Repeat { pick }),
        3 => (0..6_usize).prop_map(|pick| Action::Retry { pick }),
        5 => pick().prop_map(|pick| Action::Rebase { pick }),
    ];
    let step = (0..NODES, prop::bool::weighted(0.6), prop::bool::weighted(0.2), action).prop_map(
        |(node, reads, held, action)| Step {
            node,
            reads,
            held,
            action,
        },
    );
    prop::collection::vec(step, 0..steps_max)
}
