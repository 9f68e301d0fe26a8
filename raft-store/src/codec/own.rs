//! Messages between members that consensus does not know: proposals, read indexes, snapshots in parts.
//!
//! Must not open connections or decide what to do with a message.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::wire::Message;
use super::{DecodeError, Decoded, Decoder, Encoder};
use crate::Fault;
use crate::lives::Life;
use crate::state::RowsDigest;
use crate::types::{SnapshotMeta, Vote};

/// A proposal given to the leader. `patience_ms` is how long the sender still waits, `sent_ms` what its clock shows.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Propose {
    pub(crate) patience_ms: u32,
    pub(crate) sent_ms: u64,
    pub(crate) command: Bytes,
}

impl Message for Propose {
    fn encode(&self, to: &mut Encoder) {
        to.u32(self.patience_ms);
        to.u64(self.sent_ms);
        to.bytes(&self.command);
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        Ok(Self {
            patience_ms: from.u32("patience")?,
            sent_ms: from.u64("clock")?,
            command: from.bytes("command")?,
        })
    }
}

/// What became of a forwarded proposal.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) enum Proposed {
    Applied {
        index: u64,
        reply: Bytes,
    },
    /// In no log, because this member does not lead.
    NotLeader,
    /// In no log, because too many wait.
    Busy,
    /// In no log, because the sender's clock runs ahead.
    Clock,
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
            Self::Clock => to.u8(4),
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
            4 => Ok(Self::Clock),
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

/// What members ask each other again and again: the time, and how far this life has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pulse {
    pub(crate) clock_ms: u64,
    pub(crate) life: Life,
}

impl Message for Pulse {
    fn encode(&self, to: &mut Encoder) {
        to.u64(self.clock_ms);
        self.life.encode(to);
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        Ok(Self {
            clock_ms: from.u64("clock")?,
            life: Life::decode(from)?,
        })
    }
}

/// Whether a member has ever been in a cluster, which data folder it has, and a digest of the members it is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pristine {
    pub(crate) pristine: bool,
    pub(crate) incarnation: [u8; 16],
    pub(crate) configured: [u8; 32],
}

impl Message for Pristine {
    fn encode(&self, to: &mut Encoder) {
        to.bool(self.pristine);
        to.raw(&self.incarnation);
        to.raw(&self.configured);
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        Ok(Self {
            pristine: from.bool("pristine")?,
            incarnation: from.fixed("incarnation")?,
            configured: from.fixed("digest of the configured members")?,
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
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
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

/// The digests of its tables that a member noted, by entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digests(pub(crate) BTreeMap<u64, RowsDigest>);

impl Message for Digests {
    fn encode(&self, to: &mut Encoder) {
        to.count(self.0.len());
        for (index, digest) in &self.0 {
            to.u64(*index);
            digest.encode(to);
        }
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        let count = from.count(48, "digests")?;
        let digests = (0..count).map(|_| Ok((from.u64("index")?, RowsDigest::decode(from)?)));
        Ok(Self(digests.collect::<Decoded<_>>()?))
    }
}

/// What a member is told that has other tables than the majority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Diverged {
    pub(crate) index: u64,
    pub(crate) yours: RowsDigest,
    pub(crate) right: RowsDigest,
}

impl Diverged {
    pub(crate) fn fault(&self) -> Fault {
        Fault::Diverged {
            index: self.index,
            ours: self.yours.to_string(),
            majority: self.right.to_string(),
        }
    }
}

impl Message for Diverged {
    fn encode(&self, to: &mut Encoder) {
        to.u64(self.index);
        self.yours.encode(to);
        self.right.encode(to);
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        Ok(Self {
            index: from.u64("index")?,
            yours: RowsDigest::decode(from)?,
            right: RowsDigest::decode(from)?,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::hex;

    #[test]
    fn golden_messages() {
        let propose = Propose {
            patience_ms: 5000,
            sent_ms: 9,
            command: Bytes::from_static(b"hi"),
        };
        assert_eq!(
            hex(&propose.to_bytes()),
            "01000013880000000000000009".to_owned() + "000000026869"
        );
        let applied = Proposed::Applied {
            index: 7,
            reply: Bytes::from_static(b"ok"),
        };
        assert_eq!(
            hex(&applied.to_bytes()),
            "01000000000000000007".to_owned() + "000000026f6b"
        );
        assert_eq!(hex(&Proposed::NotLeader.to_bytes()), "0101");
        assert_eq!(hex(&Proposed::Busy.to_bytes()), "0102");
        assert_eq!(hex(&Proposed::Clock.to_bytes()), "0104");
        assert_eq!(hex(&7_u64.to_bytes()), "010000000000000007");
        let end = SnapshotEnd {
            rows: 2,
            digest: [9; 32],
        };
        assert_eq!(hex(&end.to_bytes()), "010000000000000002".to_owned() + &"09".repeat(32));
    }

    #[test]
    fn digests_survive_a_round_trip() {
        let mut digest = RowsDigest::default();
        digest.add(b"row", b"value");
        let digests = Digests(BTreeMap::from([(7, digest), (9, RowsDigest::default())]));
        assert_eq!(Digests::from_bytes(digests.to_bytes()), Ok(digests));
        let diverged = Diverged {
            index: 7,
            yours: digest,
            right: RowsDigest::default(),
        };
        assert_eq!(Diverged::from_bytes(diverged.to_bytes()), Ok(diverged));
    }

    #[test]
    fn nothing_may_follow_a_message() {
        let mut bytes = Proposed::NotLeader.to_bytes().to_vec();
        bytes.push(0);
        assert!(Proposed::from_bytes(bytes.into()).is_err());
    }

    proptest! {
        #[test]
        fn proposals_survive_a_round_trip(
            patience_ms in any::<u32>(),
            body in proptest::collection::vec(any::<u8>(), 0..200),
            index in any::<u64>(),
        ) {
            let propose = Propose { patience_ms, sent_ms: index, command: body.clone().into() };
            prop_assert_eq!(Propose::from_bytes(propose.to_bytes()).unwrap(), propose);
            let applied = Proposed::Applied { index, reply: body.into() };
            prop_assert_eq!(Proposed::from_bytes(applied.to_bytes()).unwrap(), applied);
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let bytes = Bytes::from(bytes);
            let _proposed = Proposed::from_bytes(bytes.clone());
            let _begin = SnapshotBegin::from_bytes(bytes.clone());
            let _chunk = SnapshotChunk::from_bytes(bytes);
        }
    }
}
