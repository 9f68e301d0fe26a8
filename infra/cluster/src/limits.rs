//! Every bound of the development cluster, with its unit in its name.

use std::time::Duration;

/// Most nodes of one local cluster: the ports of a kind lie in a block of ten.
pub const NODES_MAX: u16 = 9;
/// Most load balancers of one local cluster.
pub const LBS_MAX: u16 = 9;
/// Ports that a cluster with `--base-port` occupies, from its base.
pub const PORTS_PER_CLUSTER: u16 = 50;
/// How long a cluster may take until a login succeeds.
pub const START_SECONDS_MAX: u64 = 90;
/// How long one process may take until it answers on its operations port.
pub const CHILD_START_SECONDS_MAX: u64 = 20;
/// How long a new node may take until it has the place of the one that it replaces.
pub const REPLACE_SECONDS_MAX: u64 = 60;
/// How long a command waits for a restarted process to be ready before it says that it is not yet.
pub const CHILD_READY_SECONDS_MAX: u64 = 5;
/// How long a process may take for an orderly stop before it is killed.
pub const CHILD_STOP_SECONDS_MAX: u64 = 15;
/// How long a stop of the whole cluster may take, as seen by `down`.
pub const DOWN_SECONDS_MAX: u64 = 60;
/// Deadline of one request to the cluster.
pub const REQUEST_SECONDS_MAX: u64 = 12;
/// Deadline of one question on an operations port.
pub const PROBE_MILLIS_MAX: u64 = 800;
/// Pause between two looks at a condition that is waited for.
pub const POLL_MILLIS: u64 = 100;
/// Pause between two drawings of the live table.
pub const TABLE_MILLIS: u64 = 1000;
/// Lines of a log that are shown when its process failed to start.
pub const LOG_TAIL_LINES_MAX: usize = 12;
/// Bytes of a log that are read for that.
pub const LOG_TAIL_BYTES_MAX: u64 = 16 * 1024;
/// Longest line of the control socket.
pub const CONTROL_LINE_BYTES_MAX: u64 = 64 * 1024;
/// Life of the throw-away certificates.
pub const CERTIFICATE_DAYS: u64 = 800;
/// Requests per second that one address may send to a load balancer: room for a load test from 127.0.0.1.
pub const DEV_REQUESTS_PER_SECOND: u32 = 100_000;
/// Connections of one address to a load balancer: everybody here is the same address.
pub const DEV_CONNECTIONS_PER_ADDRESS: u32 = 10_000;
/// Longest path of a unix socket that Linux takes.
pub const SOCKET_PATH_BYTES_MAX: usize = 107;
/// Logins per minute that one address may send: likewise.
pub const DEV_LOGINS_PER_MINUTE: u32 = 600_000;
/// Shortest drain of a load balancer here: no balancer stands in front of it that has to notice.
pub const DEV_DRAIN_MILLIS_MIN: u64 = 200;
/// Longest drain of a load balancer here: longer than a request may take on a machine that is busy with other things.
pub const DEV_DRAIN_MILLIS_MAX: u64 = 12_000;

/// [`POLL_MILLIS`] as a duration.
pub(crate) const POLL: Duration = Duration::from_millis(POLL_MILLIS);

const _: () = assert!(NODES_MAX < 10 && LBS_MAX < 10, "ports of a kind lie in a block of ten");
const _: () = assert!(PORTS_PER_CLUSTER == 50, "five kinds of ports in blocks of ten");
const _: () = assert!(
    DEV_DRAIN_MILLIS_MAX < CHILD_STOP_SECONDS_MAX * 1000,
    "a drain must end before the stop gives up"
);
const _: () = assert!(DEV_DRAIN_MILLIS_MIN < DEV_DRAIN_MILLIS_MAX);
const _: () = assert!(
    DOWN_SECONDS_MAX > 2 * CHILD_STOP_SECONDS_MAX,
    "load balancers stop first, then nodes"
);
