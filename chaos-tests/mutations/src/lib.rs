//! Known bugs, put back on purpose: the checks of the chaos suite must see each of them. A product package names this one
//! only behind its feature `mutations`, in one line per bug, and a test of `chaos-tests` shows that a build without that
//! feature does not even contain it.
//!
//! Must not be part of a build that people run.

use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

/// Environment variable with the name of the one bug that a process has.
pub const VARIABLE: &str = "TFAUTH_MUTATION";

macro_rules! mutations {
    ($($number:literal => $variant:ident, $name:literal, $what:literal;)*) => {
        /// A known bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Mutation {
            $(#[doc = $what] $variant = $number,)*
        }

        impl Mutation {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// What it is called on command lines and in the environment.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What is wrong with a program that has it.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }
        }
    };
}

mutations! {
    1 => NoDedup, "no-dedup", "a repeated request takes effect again";
    2 => ReadThenWriteConsume, "read-then-write-consume", "a code is looked up before it is proposed, and consumed without looking";
    3 => BudgetPerNode, "budget-per-node", "each node counts wrong guesses for itself";
    4 => GraceForOlder, "grace-for-older", "the refresh grace is given to every older generation";
    5 => RevokeForgotten, "revoke-forgotten", "an ended session is taken for a live one";
    6 => LockKeepsSessions, "lock-keeps-sessions", "locking an account leaves its sessions alive";
    7 => ClockGoesBack, "clock-goes-back", "the time of the log is that of each entry";
    9 => NameTakenTwice, "name-taken-twice", "a name is not looked up before it is given";
    10 => ChallengeKept, "challenge-kept", "an answered challenge can be answered again";
    11 => RecoveryCodeKept, "recovery-code-kept", "a recovery code is not taken out of its list";
    12 => ResetTokenKept, "reset-token-kept", "a reset token works again";
    13 => AmbientOrder, "ambient-order", "a replica's rows depend on its process";
    14 => AcknowledgeBeforeFlush, "acknowledge-before-flush", "the log answers before it is on the disk";
    15 => FsyncOff, "fsync-off", "a flush is not followed by fsync";
    16 => OldIdRejoins, "old-id-rejoins", "a member with a wiped disk comes back under its old id";
    17 => LeaseRead, "lease-read", "a leader answers reads without asking a quorum, as with a clock that stands still";
    18 => MergeInstall, "merge-install", "a snapshot is written over the rows that are there";
    19 => EjectLast, "eject-last", "the load balancer takes its last node out";
    20 => RetryWithoutOperation, "retry-without-operation", "the load balancer repeats under a new operation id";
    21 => VoteNotSaved, "vote-not-saved", "a vote is answered before it is on the disk";
}

const UNREAD: u8 = u8::MAX;
const NONE: u8 = 0;
static ACTIVE: AtomicU8 = AtomicU8::new(UNREAD);

/// Whether this process has the bug.
#[must_use]
pub fn on(mutation: Mutation) -> bool {
    let active = match ACTIVE.load(SeqCst) {
        UNREAD => read(),
        active => active,
    };
    active == mutation as u8
}

/// Gives this process the bug, and no other one.
pub fn set(mutation: Option<Mutation>) {
    ACTIVE.store(mutation.map_or(NONE, |mutation| mutation as u8), SeqCst);
}

/// The bug of a name.
#[must_use]
pub fn named(name: &str) -> Option<Mutation> {
    Mutation::ALL.iter().copied().find(|mutation| mutation.name() == name)
}

fn read() -> u8 {
    let name = std::env::var(VARIABLE).unwrap_or_default();
    let active = named(&name).map_or(NONE, |mutation| mutation as u8);
    if !name.is_empty() {
        eprintln!("{VARIABLE}={name}: this program is broken on purpose");
    }
    ACTIVE.store(active, SeqCst);
    active
}

#[cfg(test)]
mod tests {
    use super::{Mutation, named, on, set};

    #[test]
    fn each_has_a_name_of_its_own_and_one_is_on_at_a_time() {
        for mutation in Mutation::ALL {
            assert_eq!(named(mutation.name()), Some(*mutation));
            set(Some(*mutation));
            let active: Vec<_> = Mutation::ALL.iter().filter(|other| on(**other)).collect();
            assert_eq!(active, [mutation]);
        }
        set(None);
        assert!(!Mutation::ALL.iter().any(|mutation| on(*mutation)));
    }
}
