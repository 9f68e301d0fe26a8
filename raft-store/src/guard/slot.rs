//! One of the two places in the guard file, as bytes, and which of the two counts.
//!
//! Must not write anything.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;

use super::{Found, Promises};
use crate::OpenError;
use crate::codec::{DecodeError, Decoded, Decoder, Encoder};
use crate::disk::Disk;
use crate::identity::Identity;
use crate::limits::{LIVES_REMEMBERED_MAX, MEMBERS_REMEMBERED_MAX};
use crate::lives::{Lineage, Memory};

const MAGIC: u32 = 0x5446_4755;
pub(super) const SLOT_BYTES: usize = 4096;
/// Everything in a slot but the lives.
const REST_BYTES_MAX: usize = 256;
const LIFE_BYTES: usize = 24;
const MEMBER_BYTES: usize = 56;
const _: () =
    assert!(REST_BYTES_MAX + LIVES_REMEMBERED_MAX * LIFE_BYTES + MEMBERS_REMEMBERED_MAX * MEMBER_BYTES <= SLOT_BYTES);

/// Whose file it is, and in which boot of the machine it was written.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) identity: Identity,
    pub(super) boot_id: [u8; 16],
}

pub(super) fn encode(owner: Owner, lineage: &Lineage, promises: &Promises, members: &BTreeMap<u64, Memory>) -> Vec<u8> {
    let mut body = Encoder::versioned();
    body.u64(lineage.now.reached);
    body.raw(&owner.identity.cluster_id);
    body.u64(owner.identity.node_id);
    body.option(promises.vote.as_ref(), Encoder::vote);
    body.log_id_option(promises.log.as_ref());
    body.u64(promises.checkpoint);
    body.raw(&owner.boot_id);
    body.bool(promises.clean);
    lineage.encode(&mut body);
    body.count(members.len());
    for (id, memory) in members {
        body.u64(*id);
        memory.encode(&mut body);
    }
    let body = body.finish();
    let mut slot = Encoder::default();
    slot.u32(MAGIC);
    slot.u32(crc32c::crc32c(&body));
    slot.bytes(&body);
    let mut slot = slot.finish().to_vec();
    slot.resize(SLOT_BYTES, 0);
    slot
}

/// The newer of the two slots that are whole. A torn write spoils one of them at most.
///
/// Without a log beside it, a missing promise only means that the folder is new.
pub(super) fn choose(bytes: &[u8], disk: &Disk, folder: &Path, identity: Identity) -> Result<Found, OpenError> {
    let slots = bytes.chunks_exact(SLOT_BYTES);
    let whole = slots.filter_map(|slot| decode_slot(Bytes::copy_from_slice(slot), identity).ok());
    let newest = whole.max_by_key(|found| found.lineage.now.reached);
    match (newest, disk.exists(&folder.join("log"))) {
        (Some(found), true) => Ok(found),
        (Some(found), false) => {
            let promises = &found.promises;
            if promises.vote.is_some() || promises.log.is_some() || promises.checkpoint > 0 {
                return Err(OpenError::quarantine(
                    folder,
                    "its log is missing, although this node has voted or stored entries",
                ));
            }
            Ok(found)
        }
        (None, true) => Err(OpenError::quarantine(
            folder,
            "its guard file is missing, damaged or of another node",
        )),
        (None, false) => Ok(Found::default()),
    }
}

fn decode_slot(bytes: Bytes, identity: Identity) -> Decoded<Found> {
    let mut slot = Decoder::new(bytes);
    if slot.u32("magic")? != MAGIC {
        return Err(DecodeError::Invalid("magic"));
    }
    let checksum = slot.u32("checksum")?;
    let body = slot.bytes("body")?;
    if crc32c::crc32c(&body) != checksum {
        return Err(DecodeError::Invalid("checksum"));
    }
    let mut body = Decoder::versioned(body)?;
    let number = body.u64("number of the write")?;
    if body.fixed::<16>("cluster")? != identity.cluster_id || body.u64("node")? != identity.node_id {
        return Err(DecodeError::Invalid("owner"));
    }
    let vote = body.option("vote", Decoder::vote)?;
    let log = body.log_id_option()?;
    let checkpoint = body.u64("checkpoint")?;
    let boot_id = body.fixed::<16>("boot id")?;
    let clean = body.bool("clean")?;
    let mut lineage = Lineage::decode(&mut body)?;
    // The life in the slot reached the write that brought the slot.
    lineage.now.reached = number;
    let count = body.count(MEMBER_BYTES, "members")?;
    let members = (0..count).map(|_| Ok((body.u64("member")?, Memory::decode(&mut body)?)));
    let members = members.collect::<Decoded<_>>()?;
    Ok(Found {
        lineage,
        members,
        promises: Promises {
            vote,
            log,
            checkpoint,
            clean,
        },
        boot_id,
    })
}
