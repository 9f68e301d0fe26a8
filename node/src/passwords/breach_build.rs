//! Builds a filter from a file of SHA-1 hashes as published lists have them: `HASH` or `HASH:COUNT`, ordered by hash.
//!
//! Runs in bounded memory, whatever the length of the list. The new file appears whole or not at all.

use super::breach_file::Writer;
use super::limits::{FILTER_PART_KEYS_MAX, HASH_LINE_BYTES_MAX};
use std::fs::File;
use std::io::{self, BufRead, BufWriter, Read as _, Write};
use std::path::Path;
use thiserror::Error;
use xorf::BinaryFuse8;

/// Hexadecimal digits of a SHA-1 hash.
const HASH_DIGITS: usize = 40;

/// Why no filter was built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The list cannot be read.
    #[error("the list cannot be read: {0}")]
    Read(io::Error),
    /// A line is no hash.
    #[error("line {line} is no SHA-1 hash: expected 40 hexadecimal digits, then nothing or : and a count")]
    Line {
        /// Counting from 1.
        line: u64,
    },
    /// Hashes are out of order.
    #[error("line {line} is smaller than the line before: order the list first (LC_ALL=C sort -u FILE)")]
    Order {
        /// Counting from 1.
        line: u64,
    },
    /// No hash at all.
    #[error("the list is empty")]
    Empty,
    /// The filter cannot be written.
    #[error("the filter cannot be written: {0}")]
    Write(io::Error),
}

/// What was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Built {
    /// Different passwords in the filter.
    pub passwords: u64,
    /// Size of the file, and of the memory that it takes at a node.
    pub bytes: u64,
}

/// Builds the filter of `list` as the file `to`. `progress` is told the number of lines read, after each part.
///
/// # Errors
/// See [`BuildError`]; the file at `to` is then as it was.
pub fn build(list: impl BufRead, to: &Path, progress: impl FnMut(u64)) -> Result<Built, BuildError> {
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let written = write_file(list, partial, progress).and_then(|built| {
        std::fs::rename(partial, to).map_err(BuildError::Write)?;
        Ok(built)
    });
    if written.is_err() {
        // Perhaps it was never made; the first error is the one to tell.
        let _ = std::fs::remove_file(partial);
    }
    written
}

fn write_file(list: impl BufRead, partial: &Path, progress: impl FnMut(u64)) -> Result<Built, BuildError> {
    let file = File::create(partial).map_err(BuildError::Write)?;
    let (passwords, out) = write(list, BufWriter::new(file), progress)?;
    let file = out
        .into_inner()
        .map_err(|error| BuildError::Write(error.into_error()))?;
    file.sync_all().map_err(BuildError::Write)?;
    let bytes = file.metadata().map_err(BuildError::Write)?.len();
    Ok(Built { passwords, bytes })
}

/// Reads the list and writes the file's bytes; tells how many different passwords there were.
pub(super) fn write<W: Write>(
    mut list: impl BufRead,
    out: W,
    mut progress: impl FnMut(u64),
) -> Result<(u64, W), BuildError> {
    let mut writer = Writer::begin(out).map_err(BuildError::Write)?;
    let (mut keys, mut text) = (Vec::new(), Vec::with_capacity(HASH_LINE_BYTES_MAX));
    let (mut line, mut passwords, mut before) = (0, 0, None);
    loop {
        text.clear();
        // A line without an end would be read until memory is full.
        let read = list
            .by_ref()
            .take(HASH_LINE_BYTES_MAX as u64)
            .read_until(b'\n', &mut text)
            .map_err(BuildError::Read)?;
        if read == 0 {
            break;
        }
        line += 1;
        let trimmed = text.trim_ascii();
        if trimmed.is_empty() {
            continue;
        }
        let hash = parse(trimmed).ok_or(BuildError::Line { line })?;
        if before.is_some_and(|before| before > hash) {
            return Err(BuildError::Order { line });
        }
        if before == Some(hash) {
            continue;
        }
        before = Some(hash);
        passwords += 1;
        let key = key(&hash);
        // Two hashes may begin alike; a filter must not be given a key twice.
        if keys.last() == Some(&key) {
            continue;
        }
        if keys.len() == FILTER_PART_KEYS_MAX {
            write_part(&mut writer, &mut keys)?;
            progress(line);
        }
        keys.push(key);
    }
    if passwords == 0 {
        return Err(BuildError::Empty);
    }
    write_part(&mut writer, &mut keys)?;
    progress(line);
    let out = writer.end(passwords).map_err(BuildError::Write)?;
    Ok((passwords, out))
}

fn write_part<W: Write>(writer: &mut Writer<W>, keys: &mut Vec<u64>) -> Result<(), BuildError> {
    let Some(last) = keys.last().copied() else {
        return Ok(());
    };
    let filter = BinaryFuse8::try_from(keys.as_slice()).map_err(|why| BuildError::Write(io::Error::other(why)))?;
    keys.clear();
    writer.part(last, &filter).map_err(BuildError::Write)
}

fn key(hash: &[u8; HASH_DIGITS / 2]) -> u64 {
    let mut key = [0; 8];
    key.copy_from_slice(&hash[..8]);
    u64::from_be_bytes(key)
}

/// The hash that a line begins with.
fn parse(line: &[u8]) -> Option<[u8; HASH_DIGITS / 2]> {
    let (digits, rest) = line.split_at_checked(HASH_DIGITS)?;
    if !matches!(rest.first(), None | Some(b':')) {
        return None;
    }
    let mut hash = [0; HASH_DIGITS / 2];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(hash)
}
