//! The load balancer: takes TLS from clients, picks the least loaded ready node, repeats a request elsewhere when a node
//! dies, and leaves without dropping anything.
//!
//! It holds no state that another balancer would need, and it decides nothing about accounts, passwords or tokens.
//! `pool`, `flood` and the `admit`, `forwarded`, `retry` and `route` parts of `proxy` are pure; everything else acts.

pub mod admin;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod drain;
pub mod entropy;
pub mod flood;
pub mod front;
pub mod limits;
pub mod link;
pub mod live;
pub mod logging;
pub mod metrics;
pub mod open_files;
pub mod ops;
pub mod peer;
pub mod pool;
pub mod probe;
pub mod proxy;
pub mod redirect;
pub mod reload;
pub mod serve;
pub mod tls;
