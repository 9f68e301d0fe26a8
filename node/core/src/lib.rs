//! The rules of tfauth as a replicated state machine: commands in, replies and effects out.
//!
//! Nothing here reads a clock, draws randomness, waits, logs or touches a disk: time, ids and computed evidence arrive
//! inside an [`entry::Entry`]. The same entries give the same bytes on every replica, so this is where the promise of
//! single use lives and where it is tested hardest.

pub mod account;
pub mod apply;
pub mod audit;
pub mod challenge;
pub mod command;
pub mod device;
pub mod entry;
pub mod error;
pub mod factor;
pub mod idempotency;
pub mod ids;
pub mod keys;
pub mod limits;
pub mod outbox;
pub mod policy;
pub mod query;
pub mod reply;
pub mod secret;
pub mod session;
pub mod tables;
pub mod time;
pub mod token;
