//! The real `tfauth-lb` in front of small nodes that do what a test tells them. Nothing of the library is called: what
//! counts is what goes over the wire.

mod backlog;
mod clients;
mod corpus;
mod drain;
mod failover;
mod frames;
mod http2;
mod hygiene;
mod intake;
mod limits;
mod ops;
mod orders;
mod refusal;
mod reload;
mod silence;
#[expect(unreachable_pub, reason = "the file is a module of a library, too")]
#[path = "../../../chaos-tests/src/skipping.rs"]
mod skipping;
mod smuggling;
mod support;
mod trust;
mod under_load;
mod unread;
