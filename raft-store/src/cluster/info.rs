//! What the leader knows about the members, for operators.
//!
//! Must not decide anything.

use crate::Versions;
use crate::codec::wire::Message;
use crate::codec::{DecodeError, Decoded, Decoder, Encoder};

/// The part that a node has in the membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Has an id, receives nothing yet.
    Joining,
    /// Receives entries, has no vote.
    Learner,
    /// Votes.
    Voter,
    /// Votes, and will not any more when the change that is under way is done.
    Leaving,
}

impl Part {
    /// The name in documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Learner => "learner",
            Self::Voter => "voter",
            Self::Leaving => "leaving",
        }
    }
}

/// One node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberInfo {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Where members reach it.
    pub address: String,
    /// Its data folder.
    pub incarnation: [u8; 16],
    /// What it does.
    pub part: Part,
    /// Whose place it is about to take.
    pub replaces: Option<u64>,
    /// Up to where the leader knows its log to be the same.
    pub matched: Option<u64>,
    /// Cluster versions that it announced to the leader.
    pub versions: Option<Versions>,
    /// How far its clock is ahead of the leader's, in milliseconds.
    pub clock_ahead_ms: Option<i64>,
}

/// The cluster as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterInfo {
    /// Its identity.
    pub cluster_id: [u8; 16],
    /// The version that all members speak.
    pub cluster_version: u32,
    /// Who leads.
    pub leader: u64,
    /// Last entry of the leader's log.
    pub last_log: u64,
    /// Whether a change of the voters is under way.
    pub changing: bool,
    /// Every node that belongs to it or is about to.
    pub members: Vec<MemberInfo>,
}

impl Message for MemberInfo {
    fn encode(&self, to: &mut Encoder) {
        to.u64(self.id);
        to.bytes(self.name.as_bytes());
        to.bytes(self.address.as_bytes());
        to.raw(&self.incarnation);
        to.u8(match self.part {
            Part::Joining => 0,
            Part::Learner => 1,
            Part::Voter => 2,
            Part::Leaving => 3,
        });
        to.option(self.replaces.as_ref(), |to, id| to.u64(*id));
        to.option(self.matched.as_ref(), |to, index| to.u64(*index));
        to.option(self.versions.as_ref(), |to, versions| {
            to.u32(versions.min);
            to.u32(versions.max);
        });
        to.option(self.clock_ahead_ms.as_ref(), |to, ms| to.raw(&ms.to_be_bytes()));
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        Ok(Self {
            id: from.u64("id")?,
            name: from.text("name")?,
            address: from.text("address")?,
            incarnation: from.fixed("incarnation")?,
            part: match from.u8("part")? {
                0 => Part::Joining,
                1 => Part::Learner,
                2 => Part::Voter,
                3 => Part::Leaving,
                tag => {
                    return Err(DecodeError::Tag {
                        what: "part",
                        tag: tag.into(),
                    });
                }
            },
            replaces: from.option("replaced id", |from| from.u64("replaced id"))?,
            matched: from.option("matched index", |from| from.u64("matched index"))?,
            versions: from.option("versions", |from| {
                Ok(Versions {
                    min: from.u32("lowest cluster version")?,
                    max: from.u32("highest cluster version")?,
                })
            })?,
            clock_ahead_ms: from.option("clock", |from| Ok(i64::from_be_bytes(from.fixed("clock")?)))?,
        })
    }
}

impl Message for ClusterInfo {
    fn encode(&self, to: &mut Encoder) {
        to.raw(&self.cluster_id);
        to.u32(self.cluster_version);
        to.u64(self.leader);
        to.u64(self.last_log);
        to.bool(self.changing);
        to.count(self.members.len());
        for member in &self.members {
            member.encode(to);
        }
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        Ok(Self {
            cluster_id: from.fixed("cluster id")?,
            cluster_version: from.u32("cluster version")?,
            leader: from.u64("leader")?,
            last_log: from.u64("last entry")?,
            changing: from.bool("change under way")?,
            members: {
                let count = from.count(32, "members")?;
                (0..count).map(|_| MemberInfo::decode(from)).collect::<Decoded<_>>()?
            },
        })
    }
}
