//! Makes segments: new files of zeros, or files whose entries were purged, under a new name.
//!
//! Zeros, and not only room: writing into room that was never written makes each sync change the file's metadata as well.
//! A segment has its name only once all of it is on disk, and a file that is used again loses its old name before its head
//! changes. Must not touch a segment that is in use.

use std::io;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use super::format::{self, HEADER_BYTES, Header};
use super::reader::{Extent, UNFINISHED};
use crate::disk::{Disk, DiskFile};
use crate::entropy;
use crate::limits::ZEROS_BYTES;

/// A segment that is written to.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) extent: Extent,
    pub(super) file: DiskFile,
    pub(super) seed: u32,
}

impl Segment {
    pub(super) fn new(extent: Extent, file: DiskFile) -> Self {
        let seed = extent.header.seed();
        Self { extent, file, seed }
    }

    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.extent.end.saturating_add(bytes) <= self.extent.header.bytes
    }

    /// Makes zeros of everything behind the end: what a torn write left must never meet what is written next.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        let Extent { header, end, .. } = self.extent;
        write_zeros(&self.file, end, header.bytes)?;
        self.file.sync()?;
        self.extent.littered = false;
        Ok(())
    }
}

/// Where segments are made, for whom, and how long.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    pub(crate) disk: Disk,
    pub(crate) folder: PathBuf,
    pub(crate) owner: [u8; 16],
    pub(crate) segment_bytes: u64,
}

impl Maker {
    /// A segment that is on disk with its name; from the file of an old one, if there is one.
    /// Nothing half-made stays: on a full disk it would take the room that the next start needs.
    pub(super) fn make(&self, sequence: u64, bytes: u64, old: Option<&Path>) -> io::Result<Segment> {
        let made = self.try_to_make(sequence, bytes, old);
        if made.is_err() {
            let _first_error_counts = self.disk.remove_file(&self.folder.join(UNFINISHED));
        }
        made
    }

    fn try_to_make(&self, sequence: u64, bytes: u64, old: Option<&Path>) -> io::Result<Segment> {
        let unfinished = self.folder.join(UNFINISHED);
        let file = match old {
            Some(old) => {
                self.disk.rename(old, &unfinished)?;
                self.disk.sync_folder(&self.folder)?;
                self.disk.open_file(&unfinished)?
            }
            None => {
                let file = self.disk.create_file(&unfinished)?;
                write_zeros(&file, HEADER_BYTES, bytes)?;
                file
            }
        };
        let header = Header {
            sequence,
            owner: self.owner,
            bytes,
            nonce: entropy::identity(),
        };
        file.write_all_at(&header.encode(), 0)?;
        file.sync()?;
        let path = self.folder.join(format::name_of(sequence));
        self.disk.rename(&unfinished, &path)?;
        self.disk.sync_folder(&self.folder)?;
        let extent = Extent {
            path,
            header,
            end: HEADER_BYTES,
            highest: None,
            littered: old.is_some(),
        };
        Ok(Segment::new(extent, file))
    }

    /// Removes the oldest segment. That is on disk when this returns: without it a later one must not go.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_file(path)?;
        self.disk.sync_folder(&self.folder)
    }
}

fn write_zeros(file: &DiskFile, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS_BYTES];
    let mut at = from;
    while at < to {
        let piece = usize::try_from(to - at).unwrap_or(usize::MAX).min(ZEROS_BYTES);
        file.write_all_at(&zeros[..piece], at)?;
        at += piece as u64;
    }
    Ok(())
}

/// The segment after the current one, made before it is needed.
#[derive(Debug, Default)]
pub(super) enum Next {
    #[default]
    None,
    /// By a thread of its own.
    Making(JoinHandle<io::Result<Segment>>),
    /// The same on a simulated disk.
    #[cfg(any(test, feature = "sim"))]
    Asked(Box<Asked>),
    Ready(Segment),
}

/// Work that a thread has taken but not begun, as late as it can be: each run has the same order of writes.
#[cfg(any(test, feature = "sim"))]
#[derive(Debug)]
pub(super) struct Asked {
    maker: Maker,
    sequence: u64,
    old: Option<PathBuf>,
    /// Somebody has looked for it.
    missed: bool,
}

#[cfg(any(test, feature = "sim"))]
impl Asked {
    fn make(&self) -> io::Result<Segment> {
        self.maker
            .make(self.sequence, self.maker.segment_bytes, self.old.as_deref())
    }
}

impl Next {
    /// Begins to make it. On a simulated disk nothing of that is done before it is looked for a second time, or needed.
    pub(super) fn begin(maker: &Maker, sequence: u64, old: Option<PathBuf>) -> io::Result<Self> {
        match maker.disk {
            Disk::Real => {
                let maker = maker.clone();
                let make = move || maker.make(sequence, maker.segment_bytes, old.as_deref());
                let thread = std::thread::Builder::new().name("log-segments".into()).spawn(make)?;
                Ok(Self::Making(thread))
            }
            #[cfg(any(test, feature = "sim"))]
            Disk::Simulated(_) => Ok(Self::Asked(Box::new(Asked {
                maker: maker.clone(),
                sequence,
                old,
                missed: false,
            }))),
        }
    }

    pub(super) const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Whether the old segment it is made of may still have its name on disk.
    pub(super) const fn is_making(&self) -> bool {
        match self {
            Self::None | Self::Ready(_) => false,
            Self::Making(_) => true,
            #[cfg(any(test, feature = "sim"))]
            Self::Asked(_) => true,
        }
    }

    /// The segment, if it is ready or being made; waits for it.
    pub(super) fn wait(&mut self) -> io::Result<Option<Segment>> {
        match std::mem::take(self) {
            Self::None => Ok(None),
            Self::Ready(segment) => Ok(Some(segment)),
            Self::Making(thread) => {
                let made = thread.join().map_err(|_| io::Error::other("making a segment failed"))?;
                made.map(Some)
            }
            #[cfg(any(test, feature = "sim"))]
            Self::Asked(asked) => asked.make().map(Some),
        }
    }

    /// What has to happen before somebody else may have the folder. A simulated thread that did not begin never will.
    pub(super) fn end(&mut self) -> io::Result<()> {
        #[cfg(any(test, feature = "sim"))]
        if matches!(self, Self::Asked(_)) {
            *self = Self::None;
        }
        self.wait().map(drop)
    }

    /// Takes it over when it is ready; an error of making it is told here, before it is needed.
    pub(super) fn poll(&mut self) -> io::Result<()> {
        match self {
            Self::Making(thread) if thread.is_finished() => {
                let made = self.wait()?;
                *self = made.map_or(Self::None, Self::Ready);
                Ok(())
            }
            #[cfg(any(test, feature = "sim"))]
            Self::Asked(asked) if !asked.missed => {
                asked.missed = true;
                Ok(())
            }
            #[cfg(any(test, feature = "sim"))]
            Self::Asked(asked) => {
                let made = asked.make()?;
                *self = Self::Ready(made);
                Ok(())
            }
            Self::None | Self::Making(_) | Self::Ready(_) => Ok(()),
        }
    }
}
