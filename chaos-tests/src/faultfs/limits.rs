//! Sizes of the disk and of its patience.

use std::time::Duration;

/// What reaches a real disk as one: a page of the page cache.
pub(crate) const PAGE_BYTES: usize = 4096;
/// What a real disk writes whole or not at all.
pub(crate) const SECTOR_BYTES: usize = 512;
/// Largest file, so that a wild offset is an error and not the end of the machine.
pub(crate) const FILE_BYTES_MAX: u64 = 8 << 30;
/// Size that the filesystem claims to have when no capacity was set.
pub(crate) const CLAIMED_BYTES: u64 = 1 << 40;
/// Threads that answer the kernel, so that a slow fsync does not hold up reads.
pub(crate) const SERVING_THREADS: usize = 4;
/// How long the process may take to answer a command.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(60);

const _: () = assert!(PAGE_BYTES.is_multiple_of(SECTOR_BYTES));
