//! Members talk to each other: mutual TLS, a greeting, frames.
//!
//! Must not be reachable without a certificate of the cluster's CA, and not by anyone who is not a member.

mod append_session;
mod connection;
mod directory;
mod frame;
pub(crate) mod greeting;
mod handshake;
mod link;
mod listener;
mod network;
mod serve;
mod snapshot_receive;
mod snapshot_send;

pub(crate) use self::connection::{CallError, Connection};
pub(crate) use self::directory::Directory;
pub(crate) use self::handshake::exchange;
pub(crate) use self::link::{Class, Dialer, Links};
pub(crate) use self::listener::Listener;
pub(crate) use self::network::Network;
pub(crate) use self::serve::Service;
