//! Every bound of the node, with its unit in its name. What an operator tunes is in [`crate::config`].

use std::time::Duration;

/// Time for one request, unless configured.
pub const REQUEST_DEADLINE_DEFAULT: Duration = Duration::from_millis(5000);
/// Shortest configurable time for one request.
pub const REQUEST_DEADLINE_MIN: Duration = Duration::from_millis(500);
/// Longest configurable time for one request: the load balancer stops reading after six seconds.
pub const REQUEST_DEADLINE_MAX: Duration = Duration::from_millis(5500);

/// From a request's deadline until it is answered without its handler, which should have answered before.
pub const DEADLINE_SLACK: Duration = Duration::from_millis(250);

/// Connections of load balancers, unless configured.
pub const CONNECTIONS_DEFAULT: usize = 4096;
/// Most connections that can be configured.
pub const CONNECTIONS_MAX: usize = 65_536;
/// Connections to the operations listener.
pub const OPS_CONNECTIONS_MAX: usize = 64;
/// From accepted to encrypted.
pub const TLS_HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// From the first byte to the end of a request's header.
pub const HEADER_READ_MAX: Duration = Duration::from_secs(10);
/// Silence after which an idle connection is closed. Longer than the load balancer keeps it, so that a request never
/// meets a connection that is being closed.
pub const KEEP_ALIVE_MAX: Duration = Duration::from_secs(75);
/// How long the load balancer keeps an idle connection.
pub const LB_KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Header fields of one request.
pub const HEADER_FIELDS_MAX: usize = 96;
/// Buffer of one connection, which bounds the header's size.
pub const HEADER_BYTES_MAX: usize = 32 * 1024;

/// Entries that may be committed and not yet applied on a node that is ready.
pub const LAG_ENTRIES_MAX: u64 = 1000;
/// How long no quorum may answer a node that calls itself ready. Longer than an election takes: the death of a leader is
/// waited out, not answered with refusals.
pub const QUORUM_SILENCE_MAX: Duration = Duration::from_millis(3000);
/// Pause between two signs of life of the quorum.
pub const PULSE_PAUSE: Duration = Duration::from_millis(500);
/// How long one sign of life is waited for.
pub const PULSE_WAIT_MAX: Duration = Duration::from_millis(1000);
/// Connections of operators at a time, and the largest request of one.
pub const ADMIN_CONNECTIONS_MAX: usize = 16;
/// See above.
pub const ADMIN_BODY_BYTES_MAX: usize = 16 * 1024;
/// Versions of a cluster that this program can take part in. The newest one is raised with every release after which
/// nodes behave differently towards each other; the oldest one when a release stops to understand it.
pub const CLUSTER_VERSIONS: raft_store::Versions = raft_store::Versions { min: 1, max: 1 };
/// How far the own clock may be behind the log's clock.
pub const CLOCK_BEHIND_SECONDS_MAX: u64 = 5;

/// From the signal to stop until no connection is accepted any more: the load balancers' probes see it in that time.
pub const DRAIN_NOTICE: Duration = Duration::from_millis(1200);
/// For requests in flight when connections are no longer accepted.
pub const DRAIN_REQUESTS_MAX: Duration = Duration::from_secs(8);
/// For questions to the operations listener at the end.
pub const OPS_DRAIN_MAX: Duration = Duration::from_millis(500);
/// For handing leadership over and closing the store.
pub const STORE_SHUTDOWN_MAX: Duration = Duration::from_secs(5);

/// Shortest time that a check of the data folder is given; sound folders of a few rows take milliseconds.
pub const VERIFY_WAIT_BASE: Duration = Duration::from_secs(120);
/// Speed below which a check of the data folder counts as hanging.
pub const VERIFY_BYTES_PER_SECOND_MIN: u64 = 5 * 1024 * 1024;
/// Pause between two looks at the process that checks.
pub const VERIFY_POLL: Duration = Duration::from_millis(5);
/// Kept of what that process says.
pub const VERIFY_STDERR_BYTES_MAX: usize = 64 * 1024;
/// Address space of that process, beside its share per byte of the folder.
pub const VERIFY_MEMORY_BYTES_BASE: u64 = 4 * 1024 * 1024 * 1024;
/// Address space of that process per byte of the folder.
pub const VERIFY_MEMORY_PER_BYTE: u64 = 4;
/// Damaged contents that may lie beside each other before a person has to look at the disk.
pub const QUARANTINES_KEPT_MAX: usize = 3;

/// Members of a cluster.
pub const MEMBERS_MAX: usize = 15;
/// Length of a member's name.
pub const NAME_BYTES_MAX: usize = 63;
/// Size of any configuration, key or certificate file.
pub const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Messages looked at in one round of the worker.
pub const MAIL_READ_MAX: usize = 1024;
/// Messages on their way at a time by each channel: a slow server must not hold all others up.
pub const MAIL_PARALLEL_MAX: usize = 16;
/// Of these, messages that failed before.
pub const MAIL_AGAIN_MAX: usize = MAIL_PARALLEL_MAX / 2;
/// Rows counted at a time for the metrics.
pub const MAIL_COUNT_STEP: usize = 1024;
/// From so many conversations that broke off at one message on, each is counted as its failure.
pub const MAIL_BREAKS_MAX: u32 = 3;
/// A server at which so many different messages broke off in a row is at fault itself.
pub const SERVER_BREAKS_MAX: usize = 3;
/// Pause between two rounds.
pub const MAIL_ROUND_PAUSE: Duration = Duration::from_secs(1);
/// Pause after a round, however much is applied meanwhile.
pub const MAIL_WAKE_PAUSE: Duration = Duration::from_millis(100);
/// Age at which a message is given up, in seconds: three days.
pub const MAIL_AGE_SECONDS_MAX: u64 = 3 * 24 * 3600;
/// For one step of the conversation with a mail server.
pub const MAIL_STEP_MAX: Duration = Duration::from_secs(10);
/// First pause after a message was not taken; doubles with each further failure.
pub const MAIL_BACKOFF_MIN: Duration = Duration::from_secs(2);
/// Longest pause after failures.
pub const MAIL_BACKOFF_MAX: Duration = Duration::from_secs(3600);
/// For one try of recording what became of a message.
pub const MAIL_MARK_MAX: Duration = Duration::from_secs(5);
/// Tries of recording; then the message is handed over again.
pub const MAIL_MARK_TRIES: u32 = 60;
/// Pause between two of them.
pub const MAIL_MARK_PAUSE: Duration = Duration::from_millis(500);
/// For messages on their way when the node stops.
pub const MAIL_STOP_MAX: Duration = Duration::from_secs(3);
/// First rest of a mail server that failed; doubles with each further failure.
pub const SERVER_REST_MIN: Duration = Duration::from_secs(1);
/// Longest rest of a mail server.
pub const SERVER_REST_MAX: Duration = Duration::from_secs(60);
/// For one message to the gateway.
pub const GATEWAY_SEND_MAX: Duration = Duration::from_secs(10);
/// How long a request waits for what becomes of its mail, where its answer depends on that (EN-3).
pub const HANDOVER_WAIT_MAX: Duration = Duration::from_secs(2);

/// Sealed values looked at in one batch of sealing anew.
pub const RESEAL_BATCH: usize = 64;
/// Pause between two batches: requests come first.
pub const RESEAL_PAUSE: Duration = Duration::from_millis(50);
/// Pause while there is nothing to seal anew.
pub const RESEAL_IDLE_PAUSE: Duration = Duration::from_secs(5);
/// How often a leader walks over everything again, after nothing was left to do.
pub const RESEAL_LOOK_PAUSE: Duration = Duration::from_secs(3600);
/// For putting one batch into the log.
pub const RESEAL_MARK_MAX: Duration = Duration::from_secs(5);

/// Pause between two tries of giving the cluster its signing key.
pub const SIGNING_KEY_PAUSE: Duration = Duration::from_millis(250);

const _: () = assert!(KEEP_ALIVE_MAX.as_secs() > LB_KEEP_ALIVE.as_secs());
const _: () = assert!(REQUEST_DEADLINE_MIN.as_millis() < REQUEST_DEADLINE_DEFAULT.as_millis());
const _: () = assert!(REQUEST_DEADLINE_DEFAULT.as_millis() < REQUEST_DEADLINE_MAX.as_millis());
const _: () = assert!(
    REQUEST_DEADLINE_MAX.as_millis() + DEADLINE_SLACK.as_millis() < 6000,
    "before the lb gives up"
);
const _: () = assert!(DRAIN_REQUESTS_MAX.as_millis() > REQUEST_DEADLINE_MAX.as_millis());
const _: () = assert!(MAIL_BACKOFF_MIN.as_secs() < MAIL_BACKOFF_MAX.as_secs());
const _: () = assert!(MAIL_PARALLEL_MAX <= MAIL_READ_MAX);
const _: () = assert!(HANDOVER_WAIT_MAX.as_millis() < REQUEST_DEADLINE_DEFAULT.as_millis());
const _: () = assert!(SERVER_REST_MIN.as_secs() < SERVER_REST_MAX.as_secs());
const _: () = assert!(QUORUM_SILENCE_MAX.as_millis() > PULSE_PAUSE.as_millis() + PULSE_WAIT_MAX.as_millis());
