//! Messages between members.
//!
//! Must not open connections or decide what to do with a message.

use bytes::Bytes;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, StreamAppendError, StreamAppendResult, TransferLeaderError,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};

use super::log::ENTRY_HEAD_BYTES;
use super::{DecodeError, Decoded, Decoder, Encoder};
use crate::types::{SnapshotMeta, Types, Vote};

/// What a frame holds. Numbers are forever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// An append of an ordered stream; the session comes before the request.
    AppendStream = 1,
    /// A single append, in no order with others.
    Append = 2,
    Vote = 3,
    PreVote = 4,
    TransferLeader = 5,
    Propose = 6,
    ReadIndex = 7,
    Pristine = 8,
    SnapshotBegin = 9,
    SnapshotChunk = 10,
    SnapshotEnd = 11,
    Answer = 0x80,
    /// The request was understood and not carried out; holds the reason.
    Refusal = 0x81,
}

impl Kind {
    pub(crate) fn from_u8(tag: u8) -> Decoded<Self> {
        const ALL: [Kind; 13] = [
            Kind::AppendStream,
            Kind::Append,
            Kind::Vote,
            Kind::PreVote,
            Kind::TransferLeader,
            Kind::Propose,
            Kind::ReadIndex,
            Kind::Pristine,
            Kind::SnapshotBegin,
            Kind::SnapshotChunk,
            Kind::SnapshotEnd,
            Kind::Answer,
            Kind::Refusal,
        ];
        ALL.into_iter().find(|kind| *kind as u8 == tag).ok_or(DecodeError::Tag {
            what: "frame",
            tag: tag.into(),
        })
    }
}

/// A message that can be sent as the payload of a frame.
pub(crate) trait Message: Sized {
    fn encode(&self, to: &mut Encoder);
    fn decode(from: &mut Decoder) -> Decoded<Self>;

    fn to_bytes(&self) -> Bytes {
        let mut encoder = Encoder::versioned();
        self.encode(&mut encoder);
        encoder.finish()
    }

    fn from_bytes(bytes: Bytes) -> Decoded<Self> {
        let mut decoder = Decoder::versioned(bytes)?;
        let message = Self::decode(&mut decoder)?;
        decoder.end("message")?;
        Ok(message)
    }
}

impl Message for AppendEntriesRequest<Types> {
    fn encode(&self, to: &mut Encoder) {
        to.vote(&self.vote);
        to.log_id_option(self.prev_log_id.as_ref());
        to.log_id_option(self.leader_commit.as_ref());
        to.count(self.entries.len());
        for entry in &self.entries {
            to.entry(entry);
        }
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        let vote = from.vote()?;
        let prev_log_id = from.log_id_option()?;
        let leader_commit = from.log_id_option()?;
        let count = from.count(ENTRY_HEAD_BYTES, "entries")?;
        let entries = (0..count).map(|_| from.entry()).collect::<Decoded<Vec<_>>>()?;
        Ok(Self {
            vote,
            prev_log_id,
            entries,
            leader_commit,
        })
    }
}

/// An append of the ordered stream `session`.
pub(crate) struct StreamedAppend {
    pub(crate) session: u64,
    pub(crate) request: AppendEntriesRequest<Types>,
}

impl Message for StreamedAppend {
    fn encode(&self, to: &mut Encoder) {
        to.u64(self.session);
        self.request.encode(to);
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        Ok(Self {
            session: from.u64("session")?,
            request: AppendEntriesRequest::decode(from)?,
        })
    }
}

impl Message for StreamAppendResult<Types> {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Ok(matching) => {
                to.u8(0);
                to.log_id_option(matching.as_ref());
            }
            Err(StreamAppendError::Conflict(at)) => {
                to.u8(1);
                to.log_id(at);
            }
            Err(StreamAppendError::HigherVote(vote)) => {
                to.u8(2);
                to.vote(vote);
            }
        }
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        match from.u8("append answer")? {
            0 => Ok(Ok(from.log_id_option()?)),
            1 => Ok(Err(StreamAppendError::Conflict(from.log_id()?))),
            2 => Ok(Err(StreamAppendError::HigherVote(from.vote()?))),
            tag => Err(DecodeError::Tag {
                what: "append answer",
                tag: tag.into(),
            }),
        }
    }
}

impl Message for AppendEntriesResponse<Types> {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Success => to.u8(0),
            Self::PartialSuccess(matching) => {
                to.u8(1);
                to.log_id_option(matching.as_ref());
            }
            Self::Conflict => to.u8(2),
            Self::HigherVote(vote) => {
                to.u8(3);
                to.vote(vote);
            }
        }
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        match from.u8("append answer")? {
            0 => Ok(Self::Success),
            1 => Ok(Self::PartialSuccess(from.log_id_option()?)),
            2 => Ok(Self::Conflict),
            3 => Ok(Self::HigherVote(from.vote()?)),
            tag => Err(DecodeError::Tag {
                what: "append answer",
                tag: tag.into(),
            }),
        }
    }
}

impl Message for VoteRequest<Types> {
    fn encode(&self, to: &mut Encoder) {
        to.vote(&self.vote);
        to.log_id_option(self.last_log_id.as_ref());
        to.bool(self.leadership_transfer);
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        let mut request = Self::new(from.vote()?, from.log_id_option()?);
        request.leadership_transfer = from.bool("leadership transfer")?;
        Ok(request)
    }
}

impl Message for VoteResponse<Types> {
    fn encode(&self, to: &mut Encoder) {
        to.vote(&self.vote);
        to.bool(self.vote_granted);
        to.log_id_option(self.last_log_id.as_ref());
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        let vote = from.vote()?;
        let granted = from.bool("granted")?;
        Ok(Self::new(vote, from.log_id_option()?, granted))
    }
}

impl Message for TransferLeaderRequest<Types> {
    fn encode(&self, to: &mut Encoder) {
        to.vote(self.from_leader());
        to.u64(*self.to_node_id());
        to.log_id_option(self.last_log_id());
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        Ok(Self::new(from.vote()?, from.u64("new leader")?, from.log_id_option()?))
    }
}

impl Message for TransferLeaderResponse<Types> {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Ok(()) => to.u8(0),
            Err(TransferLeaderError::VoteChanged { expected, actual }) => {
                to.u8(1);
                to.vote(expected);
                to.vote(actual);
            }
            Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
                to.u8(2);
                to.log_id_option(expected.as_ref());
                to.log_id_option(actual.as_ref());
            }
        }
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        match from.u8("transfer answer")? {
            0 => Ok(Ok(())),
            1 => Ok(Err(TransferLeaderError::VoteChanged {
                expected: from.vote()?,
                actual: from.vote()?,
            })),
            2 => Ok(Err(TransferLeaderError::LogNotFlushed {
                expected: from.log_id_option()?,
                actual: from.log_id_option()?,
            })),
            tag => Err(DecodeError::Tag {
                what: "transfer answer",
                tag: tag.into(),
            }),
        }
    }
}

/// A proposal given to the leader. `patience_ms` is how long the sender still waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Propose {
    pub(crate) patience_ms: u32,
    pub(crate) command: Bytes,
}

impl Message for Propose {
    fn encode(&self, to: &mut Encoder) {
        to.u32(self.patience_ms);
        to.bytes(&self.command);
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        Ok(Self {
            patience_ms: from.u32("patience")?,
            command: from.bytes("command")?,
        })
    }
}

/// What became of a forwarded proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proposed {
    Applied {
        index: u64,
        reply: Bytes,
    },
    /// In no log, because this member does not lead.
    NotLeader,
    /// In no log, because too many wait.
    Busy,
    /// Maybe in a log.
    Unknown {
        reason: String,
    },
}

impl Message for Proposed {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Applied { index, reply } => {
                to.u8(0);
                to.u64(*index);
                to.bytes(reply);
            }
            Self::NotLeader => to.u8(1),
            Self::Busy => to.u8(2),
            Self::Unknown { reason } => {
                to.u8(3);
                to.bytes(reason.as_bytes());
            }
        }
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        match from.u8("proposal answer")? {
            0 => Ok(Self::Applied {
                index: from.u64("index")?,
                reply: from.bytes("reply")?,
            }),
            1 => Ok(Self::NotLeader),
            2 => Ok(Self::Busy),
            3 => Ok(Self::Unknown {
                reason: from.text("reason")?,
            }),
            tag => Err(DecodeError::Tag {
                what: "proposal answer",
                tag: tag.into(),
            }),
        }
    }
}

/// Whether a member has ever been in a cluster, and which data folder it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pristine {
    pub(crate) pristine: bool,
    pub(crate) incarnation: [u8; 16],
}

impl Message for Pristine {
    fn encode(&self, to: &mut Encoder) {
        to.bool(self.pristine);
        to.raw(&self.incarnation);
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        Ok(Self {
            pristine: from.bool("pristine")?,
            incarnation: from.fixed("incarnation")?,
        })
    }
}

/// The start of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotBegin {
    pub(crate) vote: Vote,
    pub(crate) meta: SnapshotMeta,
}

impl Message for SnapshotBegin {
    fn encode(&self, to: &mut Encoder) {
        to.vote(&self.vote);
        to.snapshot_meta(&self.meta);
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        Ok(Self {
            vote: from.vote()?,
            meta: from.snapshot_meta()?,
        })
    }
}

/// Rows in ascending order, with a checksum of their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotChunk {
    pub(crate) checksum: u32,
    pub(crate) rows: Bytes,
}

impl Message for SnapshotChunk {
    fn encode(&self, to: &mut Encoder) {
        to.u32(self.checksum);
        to.bytes(&self.rows);
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        Ok(Self {
            checksum: from.u32("checksum")?,
            rows: from.bytes("rows")?,
        })
    }
}

/// The end of a snapshot: how many rows, and the SHA-256 of all their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotEnd {
    pub(crate) rows: u64,
    pub(crate) digest: [u8; 32],
}

impl Message for SnapshotEnd {
    fn encode(&self, to: &mut Encoder) {
        to.u64(self.rows);
        to.raw(&self.digest);
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        Ok(Self {
            rows: from.u64("rows")?,
            digest: from.fixed("digest")?,
        })
    }
}

/// The receiver's vote.
impl Message for Vote {
    fn encode(&self, to: &mut Encoder) {
        to.vote(self);
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        from.vote()
    }
}

/// An index.
impl Message for u64 {
    fn encode(&self, to: &mut Encoder) {
        to.u64(*self);
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        from.u64("number")
    }
}

/// Nothing to say.
impl Message for () {
    fn encode(&self, _: &mut Encoder) {}

    fn decode(_: &mut Decoder) -> Decoded<Self> {
        Ok(())
    }
}
