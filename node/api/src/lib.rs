//! The wire contract: what clients, the load balancer and the nodes say to each other.
//!
//! Names and shapes only. No I/O, no decisions: those live in `lb` and `node`.

pub mod dialect_003;
pub mod headers;
pub mod limits;
pub mod paths;
pub mod status;
