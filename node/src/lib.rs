//! One node of tfauth: pages and APIs over HTTP, hashing, signing and mail, around a replicated log.
//!
//! The rules live in `auth-core`, the log in `raft-store`; this crate joins them to the outside. Only [`clock`] reads
//! the clock and only [`entropy`] draws randomness.

pub mod cli;
pub mod clock;
pub mod config;
pub mod data_folder;
pub mod email;
pub mod entropy;
pub mod gateway;
pub mod hashing;
pub mod http;
pub mod limits;
pub mod passwords;
pub mod replication;
pub mod resealing;
pub mod secrets;
pub mod service;
pub mod shutdown;
pub mod signing;
pub mod startup;
pub mod telemetry;
pub mod tls;
