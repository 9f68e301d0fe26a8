//! A whole cluster on one machine: certificates, configurations and the real programs as child processes.
//!
//! Used by `infra/dev` through the binary `tfauth-cluster`, and by tests and benches through [`cluster::Cluster`].
//! Knows how to start, stop, kill, pause and resume members; knows nothing of what they do inside. Never for production:
//! keys lie beside certificates and limits are open.

pub mod binaries;
pub mod bring_up;
pub mod certs;
mod child_log;
mod clock;
pub mod cluster;
pub mod commands;
pub mod config;
pub mod control;
pub mod description;
mod entropy;
pub mod equipment;
pub mod error;
mod files;
pub mod first_login;
pub mod http;
pub mod layout;
pub mod limits;
pub mod logs;
pub mod ports;
mod process;
pub mod replace;
pub mod resize;
pub mod screen;
pub mod serve;
pub mod settings;
pub mod status;
pub mod supervisor;
pub mod surroundings;
