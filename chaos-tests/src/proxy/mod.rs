//! Networks that misbehave, without root: one TCP proxy for each pair of members and each direction of dialling.
//!
//! What such a proxy can do, and what it cannot:
//!
//! - **Delay, jitter, bandwidth** are what they are on a network, in each direction on its own.
//! - **Loss** cannot be had: TCP would send a lost segment again, and so does the kernel here. What a program sees of loss is
//!   a pause of at least one retransmission timeout (200 ms on Linux, doubled each time) in which everything behind waits,
//!   too; that pause is what the proxy makes.
//! - **Duplicated and reordered packets** never reach a program over TCP. Their only effect is delay. Real ones need root, and a
//!   network namespace.
//! - **A black hole** swallows what is sent and what would be answered. Connections can still be opened, because the kernel
//!   answers for the proxy, but nobody speaks on them: a TLS handshake never ends. What was held comes out when the hole is
//!   closed, late, as retransmitted segments would.
//! - **A one-way cut** holds one direction of data on both connections of a pair. Below TCP the other direction would starve,
//!   too, for want of acknowledgements; above a proxy it does not, which is the harder case for a consensus protocol.
//! - **Resets** are real ones, as a firewall sends them that lost its state.
//!
//! The dice that choose pauses fall the same way for one seed; what they fall upon depends on the machine.

mod link;
mod network;
mod pump;
#[cfg(test)]
mod tests;
mod way;

pub use link::{Link, LinkFigures};
pub use network::Network;
pub use way::{Faults, Way};
