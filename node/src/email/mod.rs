//! Mail: what it says, how it is sent, and the worker that empties the replicated outbox while this node leads.
//!
//! The only place that knows `lettre`. Requests never wait for mail.

mod message;
mod texts;
mod transport;
mod worker;

#[cfg(test)]
mod tests;

pub use message::Sender;
pub use transport::{SendError, Transport, TransportError};
pub use worker::Worker;
