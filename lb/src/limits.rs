//! Every bound of the load balancer in one place, with how they relate. Values only, no code.

/// Most nodes in one configuration: a set of nodes is one 64-bit word.
pub const NODES_MAX: usize = 64;
/// Longest node or balancer name.
pub const NAME_CHARS_MAX: usize = 40;
/// Largest configuration, certificate or key file that is read.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Listening addresses of the front.
pub const FRONT_LISTENERS_MAX: usize = 16;
/// Certificates of the front.
pub const CERTIFICATES_MAX: usize = 64;
/// Time before the end of a certificate from which on it is warned about.
pub const CERTIFICATE_EXPIRY_WARNING_SECONDS: i64 = 21 * 86_400;
/// Longest path of a unix socket that Linux takes.
pub const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Times one client request is sent to a node, the first one included.
pub const ATTEMPTS_PER_REQUEST_MAX: u32 = 8;
/// Times a request is repeated after an answer that leaves its outcome open.
pub const UNKNOWN_OUTCOME_RETRIES_MAX: u32 = 1;
/// Less time than this to the deadline: not worth another attempt.
pub const RETRY_REMAINING_MS_MIN: u64 = 50;
/// Less time than this to the deadline: not worth repeating a request whose outcome is open.
pub const UNKNOWN_RETRY_REMAINING_MS_MIN: u64 = 1_000;
/// Pause before nodes that were tried are tried once more.
pub const SECOND_ROUND_PAUSE_MS: u64 = 100;
/// How long a request waits for a usable node where nothing is configured: an election takes a third of it.
pub const HOLD_MS: u64 = 4_000;
/// Span over which repetitions are compared with requests.
pub const RETRY_BUDGET_SECONDS: u64 = 10;
/// Repetitions per hundred requests.
pub const RETRY_BUDGET_PERCENT: u64 = 20;
/// Repetitions per second that are always allowed.
pub const RETRY_BUDGET_FLOOR_PER_SECOND: u64 = 3;
/// Requests that may wait for a usable node at the same time.
pub const HELD_REQUESTS_MAX: u32 = 1_024;
/// Seconds after which a client that got a 503 should come back.
pub const UNAVAILABLE_RETRY_AFTER_SECONDS: u64 = 1;

/// Longest request target, path and query together.
pub const TARGET_BYTES_MAX: usize = 4_096;
/// Headers of a request.
pub const HEADERS_COUNT_MAX: usize = 100;
/// Names and values of all headers of a request together.
pub const HEADERS_BYTES_MAX: usize = 32 * 1024;
/// Bytes that the head of a request over HTTP/1 may have before it is looked at.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Time to receive a request body.
pub const BODY_READ_MS_MAX: u64 = 10_000;
/// Time between two reads of a request.
pub const CLIENT_READ_MS_MAX: u64 = 10_000;
/// Time to write a piece of an answer.
pub const CLIENT_WRITE_MS_MAX: u64 = 10_000;
/// Bytes of an answer that are gathered before they are sent; larger pieces go as they are. One TLS record holds 16 KiB.
pub const GATHERED_BYTES_MAX: usize = 8 * 1024;
/// Bytes that are read at once when a request begins; most requests are shorter.
pub const FIRST_BYTES_MAX: usize = 4 * 1024;
/// Time from the first byte of a request to the end of its headers; with HTTP/2, of each frame but those of a body.
pub const CLIENT_HEAD_MS_MAX: u64 = 10_000;
/// Time for a client's TLS handshake, with what is announced before it.
pub const CLIENT_HANDSHAKE_MS_MAX: u64 = 10_000;
/// Largest number of connections that can be configured.
pub const CONNECTIONS_MAX: u64 = 1_000_000;
/// Errors in a row after which a process that leaves gives up accepting whoever had connected.
pub const BACKLOG_FAULTS_MAX: u32 = 20;
/// Pause after an error before the next connection is accepted: others have to end first.
pub const ACCEPT_PAUSE_MS: u64 = 100;
/// Open files for everything that is no client's connection and no idle one to a node.
pub const OPEN_FILES_BESIDE_CONNECTIONS: usize = 512;
/// Entries of `X-Forwarded-For` that are looked at, from the right.
pub const FORWARDED_HOPS_MAX: usize = 16;
/// Bytes of a refused body, or of a head that is too long, that are read so that the client can see the refusal.
pub const REFUSED_BODY_DRAIN_BYTES_MAX: usize = 1024 * 1024;
/// Time for the above.
pub const REFUSED_BODY_DRAIN_MS_MAX: u64 = 1_000;
/// Requests on one HTTP/1.1 connection.
pub const REQUESTS_PER_CONNECTION_MAX: u32 = 10_000;
/// Idle time of a client's connection; below what cloud balancers allow.
pub const CLIENT_IDLE_SECONDS_MAX: u64 = 60;

/// Failed probes in a row after which a node gets no requests.
pub const PROBE_FAILURES_MAX: u32 = 2;
/// Unanswered probes in a row after which a node is not even a last resort.
pub const PROBE_SILENCES_MAX: u32 = 8;
/// Probes on one connection.
pub const PROBES_PER_CONNECTION_MAX: u32 = 10;
/// Pause between probes while no node is ready.
pub const PROBE_INTERVAL_UNREADY_MS: u64 = 100;
/// Largest body of a probe's answer.
pub const PROBE_BODY_BYTES_MAX: usize = 16 * 1024;

/// Gateway errors in a row after which a node is set aside.
pub const EJECTION_ERRORS_MIN: u32 = 5;
/// Time until a node that became ready gets its full share.
pub const RAMP_MS: u64 = 10_000;
/// Share that it gets at once, in thousandths.
pub const RAMP_PERMILLE_MIN: u64 = 100;
/// Time in which the memory of slow answers halves.
pub const SLOWNESS_HALF_LIFE_MS: u64 = 5_000;
/// Slowest that a node can count, in thousandths of the average.
pub const SLOWNESS_PERMILLE_MAX: u32 = 8_000;
/// Times that a slow node's load counts at most.
pub const DRAG_MAX: u64 = 8;
/// Largest number of requests at one node that can be configured.
pub const NODE_IN_FLIGHT_MAX: u64 = 1_000_000;

/// Time aside, times the number of ejections so far.
pub const EJECTION_MS: u64 = 5_000;
/// Longest time aside.
pub const EJECTION_MS_MAX: u64 = 60_000;

/// Idle connections to one node that are kept.
pub const NODE_CONNECTIONS_IDLE_MAX: usize = 512;
/// Idle time of a connection to a node; nodes keep theirs for longer.
pub const NODE_IDLE_SECONDS_MAX: u64 = 60;
/// Silence of a node in the middle of a stream; it says something every half minute.
pub const NODE_STREAM_READ_MS_MAX: u64 = 90_000;
/// Time to write a request to a node.
pub const NODE_WRITE_MS_MAX: u64 = 5_000;
/// Silence on a connection to a node before the kernel asks whether it lives.
pub const NODE_KEEPALIVE_IDLE_MS: u64 = 1_000;
/// Questions of the kernel before it gives the connection up.
pub const NODE_KEEPALIVE_PROBES_MAX: usize = 3;
/// Time that sent data may stay unacknowledged by a node.
pub const NODE_UNACKNOWLEDGED_MS_MAX: u64 = 3_000;

/// Slots of each of the two rows of a flood limit.
pub const FLOOD_SLOTS: usize = 1 << 15;

/// Concurrent connections of the operations listener.
pub const OPS_CONNECTIONS_MAX: usize = 64;
/// Time for a request on the operations listener.
pub const OPS_REQUEST_MS_MAX: u64 = 5_000;

/// Concurrent connections of the redirecting listener.
pub const REDIRECT_CONNECTIONS_MAX: usize = 1_024;
/// Time for a request on the redirecting listener.
pub const REDIRECT_REQUEST_MS_MAX: u64 = 5_000;

/// Shortest time that connections get to end once nobody is let in any more.
pub const CLOSE_LINGER_MS: u64 = 400;
/// Silence after which a client's connection is closed when nobody is let in any more.
pub const DRAIN_SILENCE_MS: u64 = 2_000;

const _: () = assert!(
    HEAD_BYTES_MAX > TARGET_BYTES_MAX + HEADERS_BYTES_MAX + 8 * HEADERS_COUNT_MAX,
    "what is admitted must get that far"
);
const _: () = assert!(NODES_MAX <= 64);
const _: () = assert!(PROBE_FAILURES_MAX < PROBE_SILENCES_MAX);
const _: () = assert!(RETRY_REMAINING_MS_MIN < UNKNOWN_RETRY_REMAINING_MS_MIN);
const _: () = assert!(EJECTION_MS <= EJECTION_MS_MAX);
const _: () = assert!(NODE_STREAM_READ_MS_MAX > NODE_KEEPALIVE_IDLE_MS);
const _: () = assert!(RETRY_BUDGET_PERCENT <= 100 && RETRY_BUDGET_SECONDS > 0);
const _: () = assert!(FLOOD_SLOTS.is_power_of_two());
const _: () = assert!(
    auth_api::limits::BODY_BYTES_MAX <= 64 * 1024,
    "the replay buffer of pingora holds 64 KiB"
);
