//! The wire contract: what clients, the load balancer and the nodes say to each other.
//!
//! Names and shapes only, and the OpenAPI document that is made from them. No I/O, no decisions: those live in `lb` and
//! `node`.

pub mod audit_export;
#[macro_use]
pub mod body;
pub mod cluster;
pub mod dialect_002;
pub mod dialect_003;
pub mod dialect_004;
pub mod headers;
pub mod limits;
pub mod openapi;
pub mod operation;
pub mod operations;
pub mod operator;
pub mod paths;
pub mod problem;
mod schema;
pub mod status;
pub mod surface;
pub mod v1;
