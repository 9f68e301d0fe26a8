//! The last entry that this process saw reach the disk, written with every group but not synced.
//!
//! The guard's own record of it is synced and therefore up to 100 ms old. This one is exact whenever the kernel lived on,
//! however the process died, so that damage that cuts the very end of the log is noticed as well. After a power cut it
//! may be older or gone, then the guard's record stands alone. Must never be ahead of the log: it is written after a
//! flush, and lowered, with a sync, before the log is cut.

use std::io;
use std::path::Path;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::codec::{DecodeError, Decoded, Decoder, Encoder};
use crate::disk::{Disk, DiskFile};
use crate::identity::Identity;
use crate::types::LogId;

const FILE: &str = "tip";
const MAGIC: u32 = 0x5446_5450;
/// One sector: it is written as a whole or not at all.
const RECORD_BYTES: usize = 512;

pub(crate) struct Tip {
    file: DiskFile,
    identity: Identity,
    written: Mutex<Option<LogId>>,
}

impl Tip {
    pub(crate) fn open(disk: &Disk, folder: &Path, identity: Identity) -> io::Result<Self> {
        let written = Mutex::new(peek(disk, folder, identity)?);
        let file = disk.open_file(&folder.join(FILE))?;
        Ok(Self {
            file,
            identity,
            written,
        })
    }

    /// The log is on disk up to `last`.
    pub(crate) fn raise(&self, last: Option<LogId>) -> io::Result<()> {
        let mut written = self.written.lock();
        if *written != last {
            self.file.write_all_at(&encode(self.identity, last), 0)?;
            *written = last;
        }
        Ok(())
    }

    /// The log is about to be cut behind `after`; returns when that is on disk. What is below stays: entries up to
    /// `after` may be of the same group and not on disk yet.
    pub(crate) fn lower(&self, after: Option<LogId>) -> io::Result<()> {
        let above = |written: &LogId| after.is_none_or(|after| written.index > after.index);
        if self.written.lock().as_ref().is_some_and(above) {
            self.raise(after)?;
        }
        self.file.sync()
    }
}

/// What the file of a folder says, if it says anything.
pub(crate) fn peek(disk: &Disk, folder: &Path, identity: Identity) -> io::Result<Option<LogId>> {
    let bytes = disk.read_file(&folder.join(FILE))?.unwrap_or_default();
    Ok(decode(bytes.into(), identity).ok().flatten())
}

fn encode(identity: Identity, last: Option<LogId>) -> Vec<u8> {
    let mut body = Encoder::versioned();
    body.raw(&identity.incarnation);
    body.log_id_option(last.as_ref());
    let body = body.finish();
    let mut record = Encoder::default();
    record.u32(MAGIC);
    record.u32(crc32c::crc32c(&body));
    record.bytes(&body);
    let mut record = record.finish().to_vec();
    record.resize(RECORD_BYTES, 0);
    record
}

fn decode(bytes: Bytes, identity: Identity) -> Decoded<Option<LogId>> {
    let mut record = Decoder::new(bytes);
    if record.u32("magic")? != MAGIC {
        return Err(DecodeError::Invalid("magic"));
    }
    let checksum = record.u32("checksum")?;
    let body = record.bytes("body")?;
    if crc32c::crc32c(&body) != checksum {
        return Err(DecodeError::Invalid("checksum"));
    }
    let mut body = Decoder::versioned(body)?;
    if body.fixed::<16>("incarnation")? != identity.incarnation {
        return Err(DecodeError::Invalid("owner"));
    }
    body.log_id_option()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::LeaderId;

    const OWNER: Identity = Identity {
        cluster_id: [3; 16],
        node_id: 4,
        incarnation: [5; 16],
    };

    #[test]
    fn the_tip_is_what_was_written_last_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let peek_as = |identity| peek(&Disk::Real, folder.path(), identity).unwrap();
        let at = |index| LogId {
            leader_id: LeaderId { term: 2, node_id: 1 },
            index,
        };
        assert_eq!(peek_as(OWNER), None);
        let tip = Tip::open(&Disk::Real, folder.path(), OWNER).unwrap();
        tip.raise(Some(at(7))).unwrap();
        assert_eq!(peek_as(OWNER), Some(at(7)));
        tip.lower(Some(at(3))).unwrap();
        assert_eq!(peek_as(OWNER), Some(at(3)));
        tip.lower(Some(at(5))).unwrap();
        assert_eq!(peek_as(OWNER), Some(at(3)), "a cut promises nothing");
        let other = Identity {
            incarnation: [6; 16],
            ..OWNER
        };
        assert_eq!(peek_as(other), None);
        std::fs::write(folder.path().join(FILE), b"nonsense").unwrap();
        assert_eq!(peek_as(OWNER), None);
    }

    #[test]
    fn the_record_fits_into_a_sector() {
        let far = LogId {
            leader_id: LeaderId {
                term: u64::MAX,
                node_id: u64::MAX,
            },
            index: u64::MAX,
        };
        assert_eq!(encode(OWNER, Some(far)).len(), RECORD_BYTES);
    }
}
