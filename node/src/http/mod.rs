//! HTTP: the accept loop, what a request tells, the routes and their answers. Decisions live in [`crate::service`].

pub mod admin_keys;
pub mod admin_socket;
pub mod browser;
pub mod context;
pub mod cookies;
mod deliver;
pub mod forms;
pub mod guards;
pub mod handlers;
mod head_timeout;
mod idempotency;
pub mod operators;
pub mod ops;
pub mod pipeline;
pub mod refusal;
pub mod respond;
pub mod routes;
pub mod security_headers;
pub mod server;
pub mod status;
pub mod times;
pub mod words;
