//! What breaks: one file per kind of fault, and one line in [`ALL`] for each.
//!
//! A strike breaks something, holds it for a while and mends it, and proves that it took effect: by a process that was gone, by
//! bytes that were held, by a clock that members saw differ. A strike that did nothing is told; a run without one that
//! took effect is no proof and is rejected.

mod certificates;
pub mod clock;
mod damage;
mod disk;
mod kill;
mod lb_loss;
mod leadership;
mod members;
mod memory;
pub mod packets;
mod partition;
mod pause;
mod restart;
mod slow_network;
mod versions;

use crate::chaos::field::Field;
use futures_util::future::BoxFuture;
use std::time::Duration;

/// What a strike did.
#[derive(Clone, Debug)]
pub struct Strike {
    /// Whom it hit.
    pub victims: Vec<String>,
    /// Whether it is proven to have hit.
    pub took_effect: bool,
    /// Whether what it needs of the cluster was not done in time: no promise says that it is, but the run shows less.
    pub late: bool,
    /// More, for the report.
    pub note: String,
}

/// Set in a process that has a network of its own.
pub const OWN_NETWORK: &str = "TFAUTH_CHAOS_OWN_NETWORK";

/// What a nemesis needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// A disk of our own under each node: `/dev/fuse`.
    Disk,
    /// A clock of our own for each node: Debian's libfaketime.
    Clock,
    /// Root, and a network namespace with nftables.
    Packets,
    /// The programs of an older build.
    Older,
}

/// Breaks something for about that long.
pub type Act = for<'a> fn(&'a Field, Duration) -> BoxFuture<'a, Result<Strike, String>>;

/// One line of the table.
#[derive(Clone, Copy)]
pub struct Nemesis {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    /// What it needs.
    pub need: Need,
    /// Breaks and mends.
    pub act: Act,
}

/// Every nemesis.
pub const ALL: &[&[Nemesis]] = &[
    certificates::ALL,
    clock::ALL,
    damage::ALL,
    disk::ALL,
    kill::ALL,
    lb_loss::ALL,
    leadership::ALL,
    members::ALL,
    memory::ALL,
    packets::ALL,
    partition::ALL,
    pause::ALL,
    restart::ALL,
    slow_network::ALL,
    versions::ALL,
];

/// The nemesis of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Nemesis> {
    ALL.iter()
        .flat_map(|kind| kind.iter())
        .find(|nemesis| nemesis.name == name)
}

impl Strike {
    fn on(victims: &[String], took_effect: bool, note: impl Into<String>) -> Self {
        Self {
            victims: victims.to_vec(),
            took_effect,
            late: false,
            note: note.into(),
        }
    }

    /// It could not be made in time.
    fn late(victims: &[String], note: impl Into<String>) -> Self {
        Self {
            late: true,
            ..Self::on(victims, false, note)
        }
    }
}

/// How many pieces were struck since `before`.
fn struck_since(field: &Field, before: u64) -> u64 {
    field.network.figures().pieces_struck.saturating_sub(before)
}
