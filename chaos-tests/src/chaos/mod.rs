//! Real clusters, broken on purpose: a scenario says what breaks, workloads go on meanwhile, and what clients saw is judged by
//! [`crate::promises`].
//!
//! One run: start a cluster whose members reach each other through proxies; make accounts and sessions; let clients arrive at
//! fixed rates; strike; mend everything; wait until the cluster is whole; ask it what it has; judge; report. The seed decides
//! who is struck when and for how long; when exactly processes do what is decided by the machine, so a seed repeats the plan
//! of a run and not the run.

pub mod aftermath;
pub mod campaign;
pub mod evidence;
pub mod field;
pub mod mailbox;
pub mod recorder;
pub mod report;
pub mod runner;
pub mod scenario;
pub mod stage;
mod traffic;
