//! Whether a member comes back with everything that it had promised, as the other members see it.
//!
//! A whole data folder that was restored from an old image looks sound to its own node. So each start of a member is a life
//! with a random name, the guard file counts how far each life got and names the lives before, and every greeting tells
//! that. Members remember in their own guard files how far they have seen each other get. Must not refuse a member that
//! only crashed.

mod book;
mod rule;

pub(crate) use self::book::{Lives, stop_when_restored};
pub(crate) use self::rule::{Life, Lineage, Memory};
