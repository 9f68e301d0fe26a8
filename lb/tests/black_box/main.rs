//! The real `tfauth-lb` in front of small nodes that do what a test tells them. Nothing of the library is called: what
//! counts is what goes over the wire.

mod drain;
mod failover;
mod http2;
mod hygiene;
mod intake;
mod ops;
mod refusal;
mod reload;
mod smuggling;
mod support;
mod trust;
mod under_load;
