//! Whether the data folder may be used: asked before the store opens, answered by a process of its own, because sled may
//! panic, abort, hang or take all memory over a damaged file.
//!
//! Must not decide what damage is: raft-store does.

mod ask;
mod guardian;
mod verdict;
mod verify;

pub use guardian::{OnDamage, check, take_out_of_use};
pub use verify::{QUARANTINE, VerifyArgs, run as run_verify};
