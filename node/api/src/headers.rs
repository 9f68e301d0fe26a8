//! Header names between client, load balancer and node. All lower case, as HTTP/2 wants them.

/// 32 hexadecimal characters that name one client request in every log; made by the load balancer, echoed to the client.
pub const REQUEST_ID: &str = "x-request-id";
/// 32 hexadecimal characters on every mutating request; the same value on every retry of the same client request, so
/// that a node can recognise work that was already done.
pub const OPERATION: &str = "x-tfauth-operation";
/// On a 503 of a node: the request had no effect and may be sent to another node, whatever its method.
pub const NOT_EXECUTED: &str = "x-tfauth-not-executed";
/// Prefix of every header that is internal to the system: never accepted from clients, never sent to them.
pub const INTERNAL_PREFIX: &str = "x-tfauth-";
/// The address of the client, written by the load balancer only.
pub const FORWARDED_FOR: &str = "x-forwarded-for";
/// The scheme that the client used, written by the load balancer only.
pub const FORWARDED_PROTO: &str = "x-forwarded-proto";
/// The `Host` that the client sent, written by the load balancer only.
pub const FORWARDED_HOST: &str = "x-forwarded-host";
/// W3C trace context.
pub const TRACEPARENT: &str = "traceparent";
