//! What a run of clients and faults is judged by, and runs that one seed repeats: the history of calls, a checker of
//! linearizability, and the rules of `auth-core` on simulated nodes over a model of the log.
//!
//! Opens no socket, reads no clock: what happens is a function of the seed. Starts no process, but for tests of programs that
//! must see a known bug (`by_tests`).

#[cfg(feature = "mutations")]
pub mod by_tests;
pub mod campaign;
pub mod command;
pub mod dice;
pub mod history;
pub mod kept;
pub mod limits;
pub mod linearizable;
pub mod models;
pub mod rules;
#[cfg(feature = "store")]
pub mod store;
