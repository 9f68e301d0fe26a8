//! What a checkpoint is about to write, on disk before the first of it: after a kill it is simply done again.
//!
//! The file appears under its name only when it is whole and on disk. Must be removed only after the tables are.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::base::Mark;
use crate::codec::{DecodeError, Decoded, Decoder, Encoder};
use crate::disk::Disk;
use crate::limits::REDO_FRAME_BYTES_MAX;

const MAGIC: &[u8; 8] = b"TFREDO\x00\x01";

pub(crate) type Changes = BTreeMap<Bytes, Option<Bytes>>;

fn path(folder: &Path) -> PathBuf {
    folder.join("redo")
}

/// Writes the file and returns when it is on disk.
pub(crate) fn write(disk: &Disk, folder: &Path, mark: &Mark, changes: &Changes) -> io::Result<()> {
    let temporary = folder.join("redo.tmp");
    let mut file = BufWriter::with_capacity(REDO_FRAME_BYTES_MAX, disk.create_file(&temporary)?);
    file.write_all(MAGIC)?;
    let mut head = Encoder::default();
    mark.encode(&mut head);
    head.u64(changes.len() as u64);
    write_frame(&mut file, head)?;
    let mut frame = Encoder::default();
    for (row, value) in changes {
        frame.bytes(row);
        frame.option(value.as_ref(), |encoder, value| encoder.bytes(value));
        if frame.len() >= REDO_FRAME_BYTES_MAX {
            write_frame(&mut file, std::mem::take(&mut frame))?;
        }
    }
    write_frame(&mut file, frame)?;
    file.into_inner()?.sync()?;
    disk.rename(&temporary, &path(folder))?;
    disk.sync_folder(folder)
}

fn write_frame(file: &mut impl Write, frame: Encoder) -> io::Result<()> {
    let body = frame.finish();
    let mut head = Encoder::default();
    head.u32(crc32c::crc32c(&body));
    head.count(body.len());
    file.write_all(&head.finish())?;
    file.write_all(&body)
}

/// What an interrupted checkpoint wanted to write, if one was.
pub(crate) fn read(disk: &Disk, folder: &Path) -> io::Result<Option<(Mark, Changes)>> {
    match disk.read_file(&path(folder))? {
        Some(bytes) => decode(bytes.into()).map(Some).map_err(io::Error::other),
        None => Ok(None),
    }
}

fn decode(bytes: Bytes) -> Decoded<(Mark, Changes)> {
    let mut file = Decoder::new(bytes);
    if &file.fixed::<8>("magic")? != MAGIC {
        return Err(DecodeError::Invalid("magic of the redo file"));
    }
    let mut head = read_frame(&mut file)?;
    let mark = Mark::decode(&mut head)?;
    let expected = head.u64("number of rows")?;
    let mut changes = Changes::new();
    while !file.is_empty() {
        let mut frame = read_frame(&mut file)?;
        while !frame.is_empty() {
            let row = frame.bytes("row")?;
            let value = frame.option("value", |decoder| decoder.bytes("value"))?;
            changes.insert(row, value);
        }
    }
    if changes.len() as u64 == expected {
        Ok((mark, changes))
    } else {
        Err(DecodeError::Short("redo file"))
    }
}

fn read_frame(file: &mut Decoder) -> Decoded<Decoder> {
    let checksum = file.u32("checksum")?;
    let body = file.bytes("frame of the redo file")?;
    if crc32c::crc32c(&body) == checksum {
        Ok(Decoder::new(body))
    } else {
        Err(DecodeError::Invalid("redo file"))
    }
}

/// Removes the file. A removal that a power cut undoes only repeats what is there already.
pub(crate) fn remove(disk: &Disk, folder: &Path) -> io::Result<()> {
    disk.remove_file(&path(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_survive_a_round_trip_and_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(&Disk::Real, folder.path()).unwrap().is_none());
        let changes: Changes = (0..5000_u32)
            .map(|number| {
                let value = (number % 3 != 0).then(|| Bytes::from(vec![1; 100 + number as usize % 50]));
                (Bytes::from(number.to_be_bytes().to_vec()), value)
            })
            .collect();
        write(&Disk::Real, folder.path(), &Mark::default(), &changes).unwrap();
        assert_eq!(
            read(&Disk::Real, folder.path()).unwrap().unwrap(),
            (Mark::default(), changes)
        );
        let mut bytes = std::fs::read(path(folder.path())).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path(folder.path()), bytes).unwrap();
        assert!(read(&Disk::Real, folder.path()).is_err());
        remove(&Disk::Real, folder.path()).unwrap();
        remove(&Disk::Real, folder.path()).unwrap();
    }
}
