//! Who belongs to the cluster: letting nodes in, putting one in the place of another, removing, upgrading.
//!
//! Every step that must survive a crash is an entry of the log; the leader works off what these entries ask for, and
//! whoever leads next goes on with it. Must not know what the cluster is for.

pub(crate) mod apply;
pub(crate) mod command;
#[cfg(test)]
mod half_change_tests;
pub(crate) mod info;
pub(crate) mod join;
pub(crate) mod lead;
pub(crate) mod look;
pub(crate) mod operation;
pub(crate) mod operator;
pub(crate) mod reconcile;
pub(crate) mod rows;
pub(crate) mod token;

pub use info::{ClusterInfo, MemberInfo, Part};
pub use operator::OperationError;
pub use token::JoinToken;
