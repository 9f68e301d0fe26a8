//! The tables on disk as of one entry of the log, in a sled database of their own.
//!
//! They change only while a checkpoint is written, one thread at a time. A value too large for one record lies in
//! parts beside it. Must not be read without the rows in memory above it, see `view`.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::Bytes;

use super::digest::RowsDigest;
use crate::codec::{Decoded, Decoder, Encoder};
use crate::disk::{self, Database, Disk, Tree};
use crate::limits::RECORD_BYTES_MAX;
use crate::types::{LogId, StoredMembership};
use crate::{OpenError, StorageError, record};

const FLAG_WHOLE: u8 = 0;
const FLAG_PARTS: u8 = 1;
const META_APPLIED: &[u8] = b"applied";
const META_OWNER: &[u8] = b"owner";

/// Up to where entries are contained in tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) log_id: Option<LogId>,
    pub(crate) membership: StoredMembership,
    pub(crate) digest: RowsDigest,
}

impl Mark {
    /// Number of entries, counted from the start of the log.
    pub(crate) fn seen(&self) -> u64 {
        self.log_id.map_or(0, |id| id.index + 1)
    }

    pub(crate) fn encode(&self, encoder: &mut Encoder) {
        encoder.log_id_option(self.log_id.as_ref());
        encoder.stored_membership(&self.membership);
        self.digest.encode(encoder);
    }

    pub(crate) fn decode(decoder: &mut Decoder) -> Decoded<Self> {
        Ok(Self {
            log_id: decoder.log_id_option()?,
            membership: decoder.stored_membership()?,
            digest: RowsDigest::decode(decoder)?,
        })
    }
}

/// The database, and the folder that goes away with it once it is retired.
pub(crate) struct Base {
    disk: Disk,
    db: Option<Database>,
    rows: Tree,
    parts: Tree,
    meta: Tree,
    folder: PathBuf,
    retired: AtomicBool,
}

impl Base {
    pub(crate) fn open(disk: &Disk, folder: &Path, cache_bytes: u64) -> Result<Self, OpenError> {
        let path = folder.join("base");
        let db = disk.open_database(&path, cache_bytes)?;
        let failed = |error: io::Error| OpenError::unreadable(&path, error);
        let tree = |name: &str| disk::no_panic(|| db.open_tree(name)).map_err(failed);
        let (rows, parts, meta) = (tree("rows")?, tree("parts")?, tree("meta")?);
        Ok(Self {
            disk: disk.clone(),
            db: Some(db),
            rows,
            parts,
            meta,
            folder: folder.to_path_buf(),
            retired: AtomicBool::new(false),
        })
    }

    /// The folder is removed when the last user is gone.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Relaxed);
    }

    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes new tables those of a data folder; tables of another one are refused.
    pub(crate) fn claim(&self, owner: [u8; 16]) -> Result<(), OpenError> {
        if self.owner()?.is_none() && self.is_new()? {
            let sealed = record::seal(META_OWNER, 0, &owner).map_err(OpenError::io("cannot mark", &self.folder))?;
            let marked = disk::no_panic(|| self.meta.insert(META_OWNER, sealed));
            return marked.map_err(OpenError::io("cannot mark", &self.folder));
        }
        self.check_owner(owner)
    }

    /// Tables that hold anything must be those of this data folder.
    pub(crate) fn check_owner(&self, owner: [u8; 16]) -> Result<(), OpenError> {
        match self.owner()? {
            Some(found) if found == owner => Ok(()),
            None if self.is_new()? => Ok(()),
            Some(_) | None => Err(OpenError::quarantine(
                &self.folder,
                "its tables are those of another data folder",
            )),
        }
    }

    fn owner(&self) -> Result<Option<[u8; 16]>, OpenError> {
        let found =
            disk::no_panic(|| self.meta.get(META_OWNER)).map_err(|error| OpenError::unreadable(&self.folder, error))?;
        let Some(value) = found else {
            return Ok(None);
        };
        let owner = record::open(META_OWNER, &value).map(|(_, payload)| payload.try_into());
        match owner {
            Ok(Ok(owner)) => Ok(Some(owner)),
            Ok(Err(_)) | Err(_) => Err(OpenError::quarantine(
                &self.folder,
                "the record of its owner is damaged",
            )),
        }
    }

    fn is_new(&self) -> Result<bool, OpenError> {
        let mark = self.mark()?;
        let first = disk::no_panic(|| self.rows.iter().next().transpose())
            .map_err(|error| OpenError::unreadable(&self.folder, error))?;
        Ok(mark == Mark::default() && first.is_none())
    }

    /// Up to where these tables go. Damage is told from a disk that fails.
    pub(crate) fn mark(&self) -> Result<Mark, OpenError> {
        let found = self
            .stored_mark()
            .map_err(|error| OpenError::unreadable(&self.folder, error))?;
        decode_mark(found).map_err(|error| OpenError::quarantine(&self.folder, error.to_string()))
    }

    fn stored_mark(&self) -> io::Result<Option<disk::Value>> {
        disk::no_panic(|| self.meta.get(META_APPLIED))
    }

    pub(crate) fn set_mark(&self, mark: &Mark) -> io::Result<()> {
        let mut encoder = Encoder::default();
        mark.encode(&mut encoder);
        let sealed = record::seal(META_APPLIED, 0, &encoder.finish())?;
        disk::no_panic(|| self.meta.insert(META_APPLIED, sealed))
    }

    pub(crate) fn flush(&self) -> io::Result<()> {
        let Some(db) = &self.db else {
            return Ok(());
        };
        disk::no_panic(|| db.flush())
    }

    /// The value of a row key (table byte and key).
    pub(crate) fn get(&self, row: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let found = disk::no_panic(|| self.rows.get(row)).map_err(storage)?;
        found.map(|value| self.value(row, &value)).transpose()
    }

    /// Up to `limit` rows from `start` on and before `end`.
    pub(crate) fn page(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StorageError> {
        let to = end.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = disk::no_panic(|| {
            let rows = self.rows.range(Bound::Included(start), to).take(limit);
            rows.collect::<io::Result<Vec<_>>>()
        });
        let rows = rows.map_err(storage)?;
        rows.into_iter()
            .map(|(key, value)| Ok((Bytes::copy_from_slice(&key), self.value(&key, &value)?)))
            .collect()
    }

    fn value(&self, row: &[u8], stored: &[u8]) -> Result<Bytes, StorageError> {
        let damaged = |what: &str| StorageError::Damaged {
            table: row.first().copied().unwrap_or(0),
            what: what.into(),
        };
        let (flags, payload) = record::open(row, stored).map_err(damaged)?;
        match flags {
            FLAG_WHOLE => Ok(Bytes::copy_from_slice(payload)),
            FLAG_PARTS => {
                let mut head = Decoder::new(Bytes::copy_from_slice(payload));
                let length = head.u32("length").map_err(|_| damaged("shorter than its head"))? as usize;
                let mut value = Vec::with_capacity(length);
                for part in 0..part_count(length) {
                    let key = part_key(row, part);
                    let stored = disk::no_panic(|| self.parts.get(&key)).map_err(storage)?;
                    let stored = stored.ok_or_else(|| damaged("missing one of its parts"))?;
                    value.extend_from_slice(record::open(&key, &stored).map_err(damaged)?.1);
                }
                if value.len() == length {
                    Ok(Bytes::from(value))
                } else {
                    Err(damaged("of the wrong length"))
                }
            }
            _ => Err(damaged("of an unknown kind")),
        }
    }

    /// Sets or removes a row. Doing it again changes nothing.
    pub(crate) fn write(&self, row: &[u8], value: Option<&[u8]>) -> io::Result<()> {
        disk::no_panic(|| match value {
            Some(value) if value.len() <= RECORD_BYTES_MAX => {
                let sealed = record::seal(row, FLAG_WHOLE, value)?;
                self.rows.insert(row, sealed)?;
                self.remove_parts_from(row, 0)
            }
            Some(value) => self.write_parts(row, value),
            None => {
                self.rows.remove(row)?;
                self.remove_parts_from(row, 0)
            }
        })
    }

    fn write_parts(&self, row: &[u8], value: &[u8]) -> io::Result<()> {
        let count = part_count(value.len());
        for (part, chunk) in (0..count).zip(value.chunks(RECORD_BYTES_MAX)) {
            let key = part_key(row, part);
            let sealed = record::seal(&key, FLAG_WHOLE, chunk)?;
            self.parts.insert(&key, sealed)?;
        }
        let length = u32::try_from(value.len()).map_err(io::Error::other)?;
        let sealed = record::seal(row, FLAG_PARTS, &length.to_be_bytes())?;
        self.rows.insert(row, sealed)?;
        self.remove_parts_from(row, count)
    }

    fn remove_parts_from(&self, row: &[u8], first: u16) -> io::Result<()> {
        let (from, to) = (part_key(row, first), part_key(row, u16::MAX));
        for part in self.parts.range(Bound::Included(&from), Bound::Included(&to)) {
            let (key, _) = part?;
            // A longer row can lie between the parts of a shorter one.
            if key.len() == row.len() + 2 {
                self.parts.remove(&key)?;
            }
        }
        Ok(())
    }

    /// Writes rows and the mark, in an order that can be repeated from the start after a kill.
    pub(crate) fn write_all(&self, rows: &BTreeMap<Bytes, Option<Bytes>>, mark: &Mark) -> io::Result<()> {
        for (row, value) in rows {
            self.write(row, value.as_deref())?;
        }
        self.set_mark(mark)?;
        self.flush()
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        // Closing writes what sled still holds; the folder can only go afterwards.
        drop(self.db.take());
        if self.retired.load(Relaxed)
            && let Err(error) = self.disk.remove_folder(&self.folder)
        {
            tracing::warn!(folder = %self.folder.display(), %error, "old tables could not be removed");
        }
    }
}

fn decode_mark(found: Option<disk::Value>) -> Result<Mark, StorageError> {
    let damaged = |what: String| StorageError::Damaged { table: 0xFF, what };
    let Some(value) = found else {
        return Ok(Mark::default());
    };
    let (_, payload) = record::open(META_APPLIED, &value).map_err(|what| damaged(what.into()))?;
    let mut decoder = Decoder::new(Bytes::copy_from_slice(payload));
    Mark::decode(&mut decoder).map_err(|error| damaged(error.to_string()))
}

pub(crate) fn storage(error: io::Error) -> StorageError {
    StorageError::Io(error.to_string())
}

fn part_count(length: usize) -> u16 {
    u16::try_from(length.div_ceil(RECORD_BYTES_MAX)).unwrap_or(u16::MAX)
}

fn part_key(row: &[u8], part: u16) -> Vec<u8> {
    let mut key = row.to_vec();
    key.extend_from_slice(&part.to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_size_come_back_and_leave_no_parts_behind() {
        let folder = tempfile::tempdir().unwrap();
        let base = Base::open(&Disk::Real, folder.path(), 1 << 20).unwrap();
        for length in [0, 1, RECORD_BYTES_MAX, RECORD_BYTES_MAX + 1, 5 * RECORD_BYTES_MAX, 100] {
            let value: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            base.write(b"\x01key", Some(&value)).unwrap();
            base.write(b"\x01key\x00", Some(&value)).unwrap();
            assert_eq!(base.get(b"\x01key").unwrap().unwrap(), value);
            assert_eq!(base.get(b"\x01key\x00").unwrap().unwrap(), value);
        }
        assert!(base.parts.iter().next().is_none());
        base.write(b"\x01key", None).unwrap();
        assert_eq!(base.get(b"\x01key").unwrap(), None);
        assert!(base.get(b"\x01key\x00").unwrap().is_some());
    }

    #[test]
    fn no_value_makes_sled_write_an_unsynced_file() {
        let folder = tempfile::tempdir().unwrap();
        let base = Base::open(&Disk::Real, folder.path(), 1 << 20).unwrap();
        for number in 0..400_u32 {
            let row = [vec![1], vec![b'k'; 508], number.to_be_bytes().to_vec()].concat();
            base.write(&row, Some(&vec![7; RECORD_BYTES_MAX])).unwrap();
        }
        base.flush().unwrap();
        assert_eq!(disk::unsynced(&folder.path().join("base")), 0);
    }

    #[test]
    fn a_retired_base_takes_its_folder_along() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1");
        let base = Base::open(&Disk::Real, &path, 1 << 20).unwrap();
        base.retire();
        drop(base);
        assert!(!path.exists());
    }
}
