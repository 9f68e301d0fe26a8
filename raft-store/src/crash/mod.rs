//! Crash points: a member's stores on a simulated disk, stopped at every write and every flush of everything they do,
//! with what was not durable lost, kept or torn; opened again, and judged against a model.
//!
//! Must not be part of a build that people run.

mod campaign;
#[cfg(feature = "sim")]
pub(crate) mod command;
mod content;
mod drive;
#[cfg(test)]
mod folder;
mod install;
mod member;
mod model;
mod mutation;
mod oracle;
mod plan;
mod report;
#[cfg(test)]
mod tests;

use crate::disk::sim::Loss;

#[cfg(test)]
pub(crate) use self::campaign::catches;
pub(crate) use self::campaign::run;
pub(crate) use self::mutation::Mutation;
#[cfg(feature = "sim")]
pub(crate) use self::report::Report;

/// Why a plan ended early.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The power went, as it was meant to.
    Stopped,
    /// Opening refused the folder, and said why.
    Refused(String),
    /// A promise was broken.
    Wrong(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stopped => f.write_str("the power went where it should not have"),
            Self::Refused(why) | Self::Wrong(why) => f.write_str(why),
        }
    }
}

/// What to try.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) first_seed: u64,
    pub(crate) seeds: u64,
    /// Torn and scattered losses per point, each with a seed of its own.
    pub(crate) tears: u64,
    /// A second crash at every point of every so many recoveries; never for zero.
    pub(crate) nested_every: u64,
    /// Only this point, this loss, and this second crash.
    pub(crate) point: Option<u64>,
    pub(crate) loss: Option<Loss>,
    pub(crate) then: Option<u64>,
    pub(crate) then_loss: Option<Loss>,
    pub(crate) mutation: Option<Mutation>,
    pub(crate) failures_max: usize,
}

impl Options {
    /// The tour and some seeds: what continuous integration has time for.
    #[cfg(test)]
    pub(crate) fn quick() -> Self {
        Self {
            first_seed: 0,
            seeds: 12,
            tears: 2,
            nested_every: 151,
            point: None,
            loss: None,
            then: None,
            then_loss: None,
            mutation: None,
            failures_max: 10,
        }
    }
}
