//! Paths that both the load balancer and the nodes name.

/// Status of a node for the load balancer's probe; never proxied.
pub const INTERNAL_STATUS: &str = "/internal/v1/status";
/// Everything below is between the load balancer and the nodes only.
pub const INTERNAL_PREFIX: &str = "/internal";
/// Prometheus text, on the operations listener only.
pub const METRICS: &str = "/metrics";
/// The public keys that verify access tokens.
pub const JWKS: &str = "/.well-known/jwks.json";
/// The OpenAPI document.
pub const OPENAPI: &str = "/openapi.json";
/// The same as a page.
pub const DOCS: &str = "/docs";
