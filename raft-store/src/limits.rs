//! Every fixed limit of the store, in one place, with the relations between them checked at compile time.
//!
//! Must not hold anything an operator tunes: that is [`crate::Limits`].

use std::time::Duration;

/// Largest command that [`crate::Store::propose`] takes.
pub const COMMAND_BYTES_MAX: usize = 64 * 1024;

/// Largest reply of the state machine that is carried to another member.
pub(crate) const REPLY_BYTES_MAX: usize = 1024 * 1024;

/// Largest value in a table. Values of more than 4 KiB are stored in parts.
pub const VALUE_BYTES_MAX: usize = 256 * 1024;

/// Largest key in a table.
pub const KEY_BYTES_MAX: usize = 512;

/// Tables from here on belong to the store itself.
pub(crate) const TABLE_RESERVED_FIRST: u8 = 0xF0;

/// Largest value handed to sled in one record. Above about 7.5 KiB a page can outgrow a segment, and sled then writes
/// it to a separate file without any fsync.
pub(crate) const RECORD_BYTES_MAX: usize = 4 * 1024;

/// The size above which writing a record is refused outright, as the last guard before sled.
pub(crate) const SLED_VALUE_BYTES_MAX: usize = 7 * 1024;

/// Length of a segment of the log on disk, and what may be set.
pub(crate) const LOG_SEGMENT_BYTES_DEFAULT: u64 = 8 * 1024 * 1024;
pub(crate) const LOG_SEGMENT_BYTES_MIN: u64 = 64 * 1024;
pub(crate) const LOG_SEGMENT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Length of a frame of the log on disk, but for one with a single larger entry. What a group gathers fits into one.
pub(crate) const LOG_FRAME_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Segments whose entries are purged and that are kept to be used again.
pub(crate) const LOG_SPARE_SEGMENTS_MAX: usize = 4;

/// Piece in which a new segment is filled with zeros.
pub(crate) const ZEROS_BYTES: usize = 1024 * 1024;

/// Work that one fsync covers.
pub(crate) const GROUP_ENTRIES_MAX: usize = 4096;
pub(crate) const GROUP_BYTES_MAX: usize = 1024 * 1024;

/// Entries in one append sent to a follower, and their total size (one entry is always sent). A path that takes longer than
/// [`SILENCE_MAX`] for one of them is taken for a dead one.
pub(crate) const APPEND_ENTRIES_MAX: u64 = 512;
pub(crate) const APPEND_BYTES_MAX: usize = 128 * 1024;

/// Appends sent to one follower before the first answer.
pub(crate) const APPEND_IN_FLIGHT_MAX: usize = 8;

/// How many times the patience with one append is had with one in a stream, which waits for those before it.
pub(crate) const APPEND_ROUNDS: u32 = 8;

/// Largest frame on a connection between members.
pub(crate) const PEER_FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Largest greeting, read before the other side is known.
pub(crate) const HELLO_BYTES_MAX: usize = 4 * 1024;

/// Requests of one connection that are worked on at the same time.
pub(crate) const PEER_REQUESTS_IN_FLIGHT_MAX: usize = 8192;

/// Connections of members accepted at the same time.
pub(crate) const PEER_CONNECTIONS_MAX: usize = 256;

/// Payload of one part of a snapshot stream.
pub(crate) const SNAPSHOT_CHUNK_BYTES_MAX: usize = 256 * 1024;

/// Commands handed to consensus at once.
pub(crate) const PROPOSAL_BATCH_MAX: usize = 1024;

/// Callers that wait for the same read index.
pub(crate) const BARRIER_WAITERS_MAX: usize = 65_536;

/// Entries of a redo log in one frame.
pub(crate) const REDO_FRAME_BYTES_MAX: usize = 256 * 1024;

/// The greatest id of a founding member. Ids of all others are given by the cluster, above it: this number plus the index
/// of the entry that gave it.
pub const FOUNDER_ID_MAX: u64 = 999;

/// Members named in a configuration.
pub(crate) const MEMBERS_MAX: usize = 15;

/// Length of a member's name.
pub(crate) const NAME_BYTES_MAX: usize = 63;

/// Establishing a connection to a member: TCP, TLS and the greeting.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// An accepted connection must say who it is within this time.
pub(crate) const GREETING_TIMEOUT: Duration = Duration::from_secs(3);

/// How long requests on a connection may wait for any answer before it is given up, by what it is for. A leader
/// without a quorum may take longer over a proposal than over anything else.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(1);
pub(crate) const SILENCE_FORWARD_MAX: Duration = Duration::from_millis(2500);

/// A connection on which nothing is asked for this long is closed.
pub(crate) const PEER_SILENCE_MAX: Duration = Duration::from_secs(600);

/// The shortest and longest pause before a failed connection is tried again.
pub(crate) const REDIAL_PAUSE_MIN: Duration = Duration::from_millis(20);
pub(crate) const REDIAL_PAUSE_MAX: Duration = Duration::from_millis(200);

/// A follower that accepts no part of a snapshot for this long is given up, and tried again from the start.
pub(crate) const SNAPSHOT_STALL_MAX: Duration = Duration::from_secs(15);

/// How long a checkpoint waits for readers of the previous one before it ends them. It goes on waiting for a snapshot on its
/// way to another member while that gets on, until so many bytes of commands have come meanwhile; before that, commands
/// that come faster than the snapshot gets on are held back.
pub(crate) const CHECKPOINT_WAIT_DEFAULT: Duration = Duration::from_secs(60);
pub(crate) const CHECKPOINT_WAIT_BYTES_MAX: u64 = 128 * 1024 * 1024;
pub(crate) const CHECKPOINT_WAIT_LOOK: Duration = Duration::from_millis(50);

/// Commands of so many bytes a second are always taken: a snapshot that would not arrive in time beside them is not waited
/// for, and begun anew.
pub(crate) const HELD_BACK_BYTES_PER_SECOND_MIN: u64 = 256 * 1024;

/// How long commands are held back for a snapshot of which no part has arrived yet.
pub(crate) const FIRST_PART_WAIT_MAX: Duration = Duration::from_secs(2);

/// Memory for entries that are not purged. At half of it tables are saved and entries purged, down to a quarter; a leader
/// that reaches it takes no commands.
pub(crate) const LOG_MEMORY_BYTES_DEFAULT: u64 = 512 * 1024 * 1024;
pub(crate) const LOG_MEMORY_LOOK: Duration = Duration::from_millis(50);

/// How often the guard file is refreshed with the position of the log.
pub(crate) const GUARD_REFRESH_INTERVAL: Duration = Duration::from_millis(100);

/// Starts of a data folder, and other members, that its guard file remembers.
pub(crate) const LIVES_REMEMBERED_MAX: usize = 48;
pub(crate) const MEMBERS_REMEMBERED_MAX: usize = 32;

/// Cache of each database while a folder is checked: everything is read once.
pub(crate) const VERIFY_CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// Age from which a full check of the data folder is due again at the next start.
pub(crate) const VERIFY_AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long a check waits for a process that is just ending to leave the folder.
pub(crate) const LOCK_WAIT_MAX: Duration = Duration::from_secs(2);

/// What a disk must still take before a data folder is opened: a segment of the log, which is made at once, and 4 MiB.
pub(crate) const ROOM_BYTES_MIN: u64 = LOG_SEGMENT_BYTES_DEFAULT + 4 * 1024 * 1024;

/// Pause after each step of the scrubber: at most 2 MiB of a file or 1,024 rows a second.
pub(crate) const SCRUB_PAUSE_DEFAULT: Duration = Duration::from_millis(250);

/// Bytes of the log read in one step, but for one larger frame.
pub(crate) const SCRUB_LOG_BYTES_PER_STEP: usize = 512 * 1024;

/// Rows of the tables read in one step.
pub(crate) const SCRUB_ROWS_PER_STEP: usize = 256;

/// Pause between two tries of a proposal or a read when no change of leader was seen.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Asking to be let into a cluster is given up after this time; whatever started the node may start it again.
pub(crate) const JOIN_PATIENCE: Duration = Duration::from_secs(60);

/// One step of an operation on the membership, on the leader; and the call of a member that asks for it.
pub(crate) const OPERATION_STEP_MAX: Duration = Duration::from_millis(1500);
pub(crate) const OPERATION_CALL_MAX: Duration = Duration::from_secs(4);

/// Pause before an operation on the membership is asked for again.
pub(crate) const OPERATION_PAUSE: Duration = Duration::from_millis(100);

/// Longest life of a token that lets a node in.
pub(crate) const TOKEN_LIFE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// A node comes back by itself, in its own place and without an operator, at most this often in the whole cluster.
pub(crate) const AUTOMATIC_REPLACEMENT_INTERVAL: Duration = Duration::from_secs(600);

/// A learner that is no more than this behind the leader's log may vote.
pub(crate) const LEARNER_LAG_ENTRIES_MAX: u64 = 1024;

/// A member that has answered within this time is there.
pub(crate) const MEMBER_SILENCE_MAX: Duration = Duration::from_secs(2);

/// How often members' clocks are compared; how soon again when one is off; and the longest trip of an answer that counts.
pub(crate) const CLOCK_COMPARE_PAUSE: Duration = Duration::from_secs(1);
pub(crate) const CLOCK_SOON: Duration = Duration::from_millis(50);
pub(crate) const CLOCK_TRIP_MAX: Duration = Duration::from_millis(500);

/// How far a clock may be from the median of a quorum. A member beyond it stamps nothing.
pub const CLOCK_OFFSET_MAX: Duration = Duration::from_secs(5);

/// How often the leader compares digests, how many each member remembers, and how long an answer may take.
pub(crate) const DIGEST_COMPARE_PAUSE: Duration = Duration::from_millis(500);
pub(crate) const DIGESTS_KEPT_MAX: usize = 64;
pub(crate) const AGREEMENT_CALL_MAX: Duration = Duration::from_millis(700);

/// How often the leader looks whether the membership has to be changed.
pub(crate) const RECONCILE_PAUSE: Duration = Duration::from_millis(100);

const _: () = assert!(CHECKPOINT_WAIT_BYTES_MAX < LOG_MEMORY_BYTES_DEFAULT / 2);
const _: () = assert!(APPEND_ROUNDS as usize == APPEND_IN_FLIGHT_MAX);
const _: () = assert!(OPERATION_STEP_MAX.as_millis() * 2 < OPERATION_CALL_MAX.as_millis());
const _: () = assert!(RECORD_BYTES_MAX < SLED_VALUE_BYTES_MAX);
const _: () = assert!(COMMAND_BYTES_MAX < GROUP_BYTES_MAX);
const _: () = assert!(GROUP_BYTES_MAX + COMMAND_BYTES_MAX < LOG_FRAME_BYTES_MAX);
const _: () = assert!(LOG_FRAME_BYTES_MAX as u64 * 4 <= LOG_SEGMENT_BYTES_DEFAULT);
const _: () = assert!(REPLY_BYTES_MAX + 1024 < PEER_FRAME_BYTES_MAX);
const _: () = assert!(APPEND_BYTES_MAX + COMMAND_BYTES_MAX + 1024 < PEER_FRAME_BYTES_MAX);
const _: () = assert!(SNAPSHOT_CHUNK_BYTES_MAX + VALUE_BYTES_MAX + KEY_BYTES_MAX + 64 < PEER_FRAME_BYTES_MAX);
const _: () = assert!(VALUE_BYTES_MAX / RECORD_BYTES_MAX < u16::MAX as usize);

/// Piece in which files are written again after a disk failed.
pub(crate) const REWRITE_BYTES: usize = 1 << 20;
