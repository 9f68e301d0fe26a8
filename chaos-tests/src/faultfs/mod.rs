//! A disk that can lose power: a filesystem in memory, mounted through FUSE by a process of its own.
//!
//! It keeps two states of every file and folder: what programs see, and what a power loss would leave for certain. Only
//! an fsync moves the first into the second:
//!
//! - `FSYNC` on a file (`fsync`, `fdatasync`, and the one that the kernel sends after each write to a file opened with
//!   `O_DSYNC` or `O_SYNC`) makes the bytes and the length of that file durable, and nothing else.
//! - `FSYNCDIR` on a folder makes names in that folder durable: files created, renamed and removed. An fsync of a file
//!   does not keep its name.
//! - `sync_file_range` is **not** an fsync. The kernel answers it from its page cache and sends the filesystem `WRITE`
//!   requests at most, never `FSYNC`: that is also what it does on a real disk, where it starts the transfer of pages
//!   but neither commits the metadata that finds them nor empties the cache of the drive. So a program that relies on
//!   it, as sled's `flush` does on Linux, loses what it took for durable. This is what the proofs with the filter
//!   switched off show.
//!
//! A power loss then keeps a random part of the rest, repeated exactly by its seed: each page of 4 KiB as it was at some
//! moment since the last fsync, or torn at sectors of 512 bytes between two such moments; each file with some length
//! that it had; each change of a name or not, a rename as a whole. See [`disk`] and [`content`].
//!
//! An error of fsync drops what it was asked to keep for good, as Linux does: a later fsync succeeds and does not bring
//! it back. See [`faults`] for slow, full, failing and read-only disks.
//!
//! The data live in the memory of that process. A killed program leaves it untouched, as a kernel would. After a power
//! loss every file has a new number and the old ones are stale, so nothing that the kernel still holds can come back.
//! Must not be used for anything but tests.

pub mod client;
pub mod content;
pub mod control;
pub mod disk;
#[cfg(test)]
mod disk_tests;
pub mod faults;
mod limits;
pub mod program;
mod serve;

pub use client::{FaultDisk, missing};
