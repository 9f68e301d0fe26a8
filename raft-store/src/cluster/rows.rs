//! What the cluster knows of its own members, replicated in a table of the store: who has which id, who was removed,
//! which tokens are open, which version all members speak.
//!
//! Consensus keeps the voters; these rows keep what it forgets. Must not be written but by `apply`.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::StorageError;
use crate::codec::wire::Message;
use crate::codec::{DecodeError, Decoded, Decoder, Encoder};
use crate::limits::TABLE_RESERVED_FIRST;
use crate::machine::{Read, TableId, Transaction};

pub(crate) const TABLE: TableId = TableId(TABLE_RESERVED_FIRST);
const NODE: u8 = b'n';
const TOKEN: u8 = b't';
const VERSION_KEY: &[u8] = b"v";
const AUTOMATIC_KEY: &[u8] = b"a";
/// The version of a cluster that was never raised.
const VERSION_FIRST: u32 = 1;

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Has an id; is a learner at most.
    Joining,
    /// Votes, or has voted and still belongs to the cluster.
    Member,
    /// Gone for ever.
    Removed,
}

/// Everything that is remembered of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeRow {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) incarnation: [u8; 16],
    pub(crate) standing: Standing,
    /// The id whose place it takes.
    pub(crate) replaces: Option<u64>,
    /// Becomes a voter as soon as it has caught up.
    pub(crate) promote: bool,
}

impl Message for NodeRow {
    fn encode(&self, to: &mut Encoder) {
        to.bytes(self.name.as_bytes());
        to.bytes(self.address.as_bytes());
        to.raw(&self.incarnation);
        to.u8(match self.standing {
            Standing::Joining => 0,
            Standing::Member => 1,
            Standing::Removed => 2,
        });
        to.option(self.replaces.as_ref(), |to, id| to.u64(*id));
        to.bool(self.promote);
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        Ok(Self {
            name: from.text("name")?,
            address: from.text("address")?,
            incarnation: from.fixed("incarnation")?,
            standing: match from.u8("standing")? {
                0 => Standing::Joining,
                1 => Standing::Member,
                2 => Standing::Removed,
                tag => {
                    return Err(DecodeError::Tag {
                        what: "standing",
                        tag: tag.into(),
                    });
                }
            },
            replaces: from.option("replaced id", |from| from.u64("replaced id"))?,
            promote: from.bool("promotion")?,
        })
    }
}

/// A token that an operator made. It stays until it expires, so that the node that used it can ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenRow {
    pub(crate) expires_ms: u64,
    pub(crate) replaces: Option<u64>,
    pub(crate) used_by: Option<u64>,
}

impl Message for TokenRow {
    fn encode(&self, to: &mut Encoder) {
        to.u64(self.expires_ms);
        to.option(self.replaces.as_ref(), |to, id| to.u64(*id));
        to.option(self.used_by.as_ref(), |to, id| to.u64(*id));
    }

    fn decode(from: &mut Decoder) -> Decoded<Self> {
        Ok(Self {
            expires_ms: from.u64("end of the token")?,
            replaces: from.option("replaced id", |from| from.u64("replaced id"))?,
            used_by: from.option("user of the token", |from| from.u64("user of the token"))?,
        })
    }
}

fn node_key(id: u64) -> Vec<u8> {
    [&[NODE][..], &id.to_be_bytes()].concat()
}

fn token_key(hash: &[u8; 32]) -> Vec<u8> {
    [&[TOKEN][..], hash].concat()
}

fn read<M: Message>(value: Bytes) -> Result<M, StorageError> {
    M::from_bytes(value).map_err(|error| StorageError::Damaged {
        table: TABLE.0,
        what: error.to_string(),
    })
}

pub(crate) fn node(from: &dyn Read, id: u64) -> Result<Option<NodeRow>, StorageError> {
    from.get(TABLE, &node_key(id))?.map(read).transpose()
}

/// Every id that was ever given, with what became of it.
pub(crate) fn nodes(from: &dyn Read) -> Result<BTreeMap<u64, NodeRow>, StorageError> {
    let rows = from.range(TABLE, &[NODE], &[NODE + 1], usize::MAX)?;
    rows.into_iter()
        .map(|(key, value)| {
            let id = key.iter().skip(1).fold(0, |id, byte| (id << 8) | u64::from(*byte));
            Ok((id, read(value)?))
        })
        .collect()
}

pub(crate) fn put_node(to: &mut Transaction<'_>, id: u64, row: &NodeRow) {
    to.put_own(TABLE, &node_key(id), row.to_bytes());
}

pub(crate) fn token(from: &dyn Read, hash: &[u8; 32]) -> Result<Option<TokenRow>, StorageError> {
    from.get(TABLE, &token_key(hash))?.map(read).transpose()
}

pub(crate) fn put_token(to: &mut Transaction<'_>, hash: &[u8; 32], row: &TokenRow) {
    to.put_own(TABLE, &token_key(hash), row.to_bytes());
}

/// Drops tokens that can no longer be used or asked about.
pub(crate) fn drop_expired_tokens(tables: &mut Transaction<'_>, now_ms: u64) -> Result<(), StorageError> {
    for (key, value) in tables.range(TABLE, &[TOKEN], &[TOKEN + 1], usize::MAX)? {
        if read::<TokenRow>(value)?.expires_ms < now_ms {
            tables.remove_own(TABLE, &key);
        }
    }
    Ok(())
}

/// The version that every member speaks.
pub(crate) fn cluster_version(from: &dyn Read) -> Result<u32, StorageError> {
    let row = from.get(TABLE, VERSION_KEY)?.map(read::<u64>).transpose()?;
    Ok(row.map_or(VERSION_FIRST, |version| u32::try_from(version).unwrap_or(u32::MAX)))
}

pub(crate) fn put_cluster_version(to: &mut Transaction<'_>, version: u32) {
    to.put_own(TABLE, VERSION_KEY, u64::from(version).to_bytes());
}

/// When a node last replaced another one without an operator, in milliseconds of the leader's clock.
pub(crate) fn last_automatic(from: &dyn Read) -> Result<Option<u64>, StorageError> {
    from.get(TABLE, AUTOMATIC_KEY)?.map(read::<u64>).transpose()
}

pub(crate) fn put_last_automatic(to: &mut Transaction<'_>, now_ms: u64) {
    to.put_own(TABLE, AUTOMATIC_KEY, now_ms.to_bytes());
}
