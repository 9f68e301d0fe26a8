//! The store as a node uses it: several members over real sockets, and processes that are killed.

mod cluster;
mod refusals;
mod support;
