//! Messages to people: what they say, how they are handed over, and the worker that empties the replicated outbox while
//! this node leads.
//!
//! The only place that knows `lettre`. Requests never wait for a mail server; those whose answer depends on a mail wait
//! for its [`handover`], for a bounded time.

mod address;
mod channels;
mod counts;
mod delivery;
mod lanes;
mod message;
mod outcome;
mod servers;
mod smtp;
#[cfg(test)]
mod testing;
mod texts;
mod transport;
mod worker;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod ways_tests;

pub(crate) use address::deliverable;
pub use channels::Channels;
pub use message::Sender;
pub use outcome::{Handover, handover};
pub(crate) use texts::Text;
pub use transport::{SendError, Transport, TransportError};
pub use worker::Worker;
