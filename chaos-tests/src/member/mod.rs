//! A member of the replicated store in a process of its own, so that it can be killed, and what its parent knows of it.
//!
//! It talks in lines over pipes, which lie outside of any disk that may fail. In: `write`, `report`, `metrics`. Out, each
//! line a word and its values: `opening`, `open`, `ack KEY NUMBER TERM`, `checkpoint begun`, `checkpoint done`,
//! `count KEY NUMBER`, `bad WHAT`, `term TERM`, `digest APPLIED HEX`, `fault WHAT`, `refused WHAT`.

mod body;
mod config;
mod handle;
mod ledger;
mod stages;

pub use body::{LeftOut, Task, run};
pub use config::config;
pub use handle::{Heard, Member, Site};
