//! What clients do while things break: one file per workload, and one line in [`ALL`].
//!
//! Arrivals do not wait for answers. Every value is unique, every call is written down with what its client knows of it.
//! A workload decides nothing about right and wrong: [`crate::promises`] does, from what was written down.

mod acknowledged;
mod admin_policy;
mod challenge_race;
mod lock_account;
mod login_002;
mod login_003;
mod login_004;
mod login_v1;
mod mailed;
mod recovery_code_race;
mod refresh_race;
mod refresh_rotation;
mod reset_token_race;
mod revoke_session;
mod sessions;
mod totp_race;
mod unique_names;
mod user_info;

pub(crate) use reset_token_race::AFTER as AFTER_RESET;

use crate::chaos::stage::Stage;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tokio::time::Instant;

/// A workload on a stage.
pub trait Workload: Send + Sync {
    /// One arrival, due at that time.
    fn arrive(self: Arc<Self>, stage: Arc<Stage>, due: Instant) -> BoxFuture<'static, ()>;
}

/// What is prepared before anything breaks.
pub type Prepared = BoxFuture<'static, Result<Arc<dyn Workload>, String>>;

/// One line of the table.
#[derive(Clone, Copy)]
pub struct Row {
    /// Its name, in every call that it makes.
    pub name: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    /// Time between two arrivals.
    pub every_ms: u64,
    /// Makes its accounts and sessions.
    pub prepare: fn(Arc<Stage>) -> Prepared,
}

/// Every workload.
pub const ALL: &[Row] = &[
    acknowledged::ROW,
    admin_policy::ROW,
    challenge_race::ROW,
    lock_account::ROW,
    login_002::ROW,
    login_003::ROW,
    login_004::ROW,
    login_v1::ROW,
    recovery_code_race::ROW,
    refresh_race::ROW,
    refresh_rotation::ROW,
    reset_token_race::ROW,
    revoke_session::ROW,
    totp_race::ROW,
    unique_names::ROW,
    user_info::ROW,
];

/// The workload of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Row> {
    ALL.iter().find(|row| row.name == name)
}

/// How often the same single-use value is sent at the same time.
pub(crate) const RACERS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_rates_are_rates() {
        let mut names: Vec<_> = ALL.iter().map(|row| row.name).collect();
        names.dedup();
        assert_eq!(names.len(), ALL.len(), "sorted, each once");
        assert!(ALL.iter().all(|row| row.every_ms >= 10 && find(row.name).is_some()));
    }
}
