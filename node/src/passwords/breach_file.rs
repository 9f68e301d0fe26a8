//! The file of a filter of breached passwords: written once by a command, read whole at start, never changed.
//!
//! ```text
//! "tfbreach" | format u16 = 1 | hash u8 = 1 (SHA-1) | bits u8 = 8
//! parts:  1 u8 | last key u64 | seed u64 | segment length u32 | segment count length u32 | bytes u32 | fingerprints
//! end:    0 u8 | passwords u64 | SHA-256 of everything before it
//! ```
//! Numbers are big-endian. Keys are the first eight bytes of a hash; parts are in their order.

use super::breach_filter::{BreachFilter, Part};
use super::limits::FILTER_PART_BYTES_MAX;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use thiserror::Error;
use xorf::{BinaryFuse8, Descriptor};

const HEADER: [u8; 12] = *b"tfbreach\x00\x01\x01\x08";
const PART: u8 = 1;
const END: u8 = 0;
const READ_BYTES: usize = 1 << 20;
/// Slots of a filter that one key is looked up in.
const ARITY: u32 = 3;

/// Why a file of a filter cannot be used. What to do is the same for all but the first: build it again.
#[derive(Debug, Error)]
pub enum BreachFileError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// Another program's file, or another version's.
    #[error("is no filter of breached passwords of this version: build it with tfauth-node breach-filter build")]
    Foreign,
    /// It does not say what was once written.
    #[error("is damaged ({0}): build it again with tfauth-node breach-filter build")]
    Damaged(&'static str),
}

/// Writes a file part by part.
pub(super) struct Writer<W> {
    out: W,
    digest: Sha256,
}

impl<W: Write> Writer<W> {
    pub(super) fn begin(out: W) -> io::Result<Self> {
        let mut writer = Self {
            out,
            digest: Sha256::new(),
        };
        writer.put(&HEADER)?;
        Ok(writer)
    }

    pub(super) fn part(&mut self, last: u64, filter: &BinaryFuse8) -> io::Result<()> {
        let bytes = u32::try_from(filter.fingerprints.len())
            .ok()
            .filter(|bytes| *bytes <= FILTER_PART_BYTES_MAX)
            .ok_or_else(|| io::Error::other("a part of the filter is too large"))?;
        self.put(&[PART])?;
        self.put(&last.to_be_bytes())?;
        self.put(&filter.descriptor.seed.to_be_bytes())?;
        self.put(&filter.descriptor.segment_length.to_be_bytes())?;
        self.put(&filter.descriptor.segment_count_length.to_be_bytes())?;
        self.put(&bytes.to_be_bytes())?;
        self.put(&filter.fingerprints)
    }

    pub(super) fn end(mut self, passwords: u64) -> io::Result<W> {
        self.put(&[END])?;
        self.put(&passwords.to_be_bytes())?;
        let digest = self.digest.finalize();
        self.out.write_all(&digest)?;
        Ok(self.out)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.out.write_all(bytes)
    }
}

impl BreachFilter {
    /// Reads a file into memory; its size is the memory it takes.
    ///
    /// # Errors
    /// When it cannot be read, or is not what was written.
    pub fn load(path: &Path) -> Result<Self, BreachFileError> {
        Self::read(BufReader::with_capacity(READ_BYTES, File::open(path)?))
    }

    pub(super) fn read(input: impl Read) -> Result<Self, BreachFileError> {
        let mut reader = Reader {
            input,
            digest: Sha256::new(),
        };
        if reader.array::<{ HEADER.len() }>()? != HEADER {
            return Err(BreachFileError::Foreign);
        }
        let mut parts: Vec<Part> = Vec::new();
        loop {
            match reader.array::<1>()? {
                [PART] => {
                    let part = reader.part()?;
                    if parts.last().is_some_and(|before| before.last >= part.last) {
                        return Err(BreachFileError::Damaged("parts are out of order"));
                    }
                    parts.push(part);
                }
                [END] => break,
                _ => return Err(BreachFileError::Damaged("neither part nor end")),
            }
        }
        let passwords = u64::from_be_bytes(reader.array()?);
        let expected: [u8; 32] = reader.digest.clone().finalize().into();
        if reader.array::<32>()? != expected {
            return Err(BreachFileError::Damaged("the checksum is another"));
        }
        if reader.input.read(&mut [0])? != 0 {
            return Err(BreachFileError::Damaged("something follows its end"));
        }
        Ok(Self::of(passwords, parts))
    }
}

struct Reader<R> {
    input: R,
    digest: Sha256,
}

impl<R: Read> Reader<R> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), BreachFileError> {
        self.input.read_exact(bytes).map_err(|error| {
            if error.kind() == io::ErrorKind::UnexpectedEof {
                BreachFileError::Damaged("it ends too early")
            } else {
                BreachFileError::Read(error)
            }
        })?;
        self.digest.update(bytes);
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BreachFileError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// A part whose lookups stay inside of it: the library does not check.
    fn part(&mut self) -> Result<Part, BreachFileError> {
        let last = u64::from_be_bytes(self.array()?);
        let seed = u64::from_be_bytes(self.array()?);
        let segment_length = u32::from_be_bytes(self.array()?);
        let segment_count_length = u32::from_be_bytes(self.array()?);
        let bytes = u32::from_be_bytes(self.array()?);
        let reach = segment_length
            .checked_mul(ARITY - 1)
            .and_then(|reach| reach.checked_add(segment_count_length));
        if !segment_length.is_power_of_two() || bytes > FILTER_PART_BYTES_MAX || reach != Some(bytes) {
            return Err(BreachFileError::Damaged("a part of impossible size"));
        }
        let mut fingerprints = vec![0; bytes as usize].into_boxed_slice();
        self.fill(&mut fingerprints)?;
        let descriptor = Descriptor {
            seed,
            segment_length,
            segment_length_mask: segment_length - 1,
            segment_count_length,
        };
        Ok(Part {
            last,
            filter: BinaryFuse8 {
                descriptor,
                fingerprints,
            },
        })
    }
}
