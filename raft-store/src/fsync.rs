//! Makes every flush of sled a real fsync.
//!
//! sled 0.34 flushes with `sync_file_range`, which writes neither metadata nor the device's cache, and falls back to
//! fsync only when the kernel does not know that call. A system call filter makes it unknown. Must not be loosened:
//! without it an acknowledged entry can be lost with the power, and with it a vote.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter_all_threads};

use crate::FsyncFilterError;

/// Installs the filter for all threads of the process and checks that it works. Call it as the first line of `main`.
///
/// The filter cannot be taken off again, and the process gives up the right to gain privileges by running others.
pub fn install_real_fsync() -> Result<(), FsyncFilterError> {
    let failed = |error: &dyn std::fmt::Display| FsyncFilterError::Install(error.to_string());
    let errno = u32::try_from(libc::ENOSYS).map_err(|error| failed(&error))?;
    let arch = std::env::consts::ARCH.try_into().map_err(|error| failed(&error))?;
    let unknown_calls = BTreeMap::from([(libc::SYS_sync_file_range, Vec::new())]);
    let filter = SeccompFilter::new(unknown_calls, SeccompAction::Allow, SeccompAction::Errno(errno), arch)
        .map_err(|error| failed(&error))?;
    let program: BpfProgram = filter.try_into().map_err(|error| failed(&error))?;
    apply_filter_all_threads(&program).map_err(|error| failed(&error))?;
    check_real_fsync()
}

/// Whether this process asked to run without the filter.
static WITHOUT_FILTER: AtomicBool = AtomicBool::new(false);
/// Whether this process asked for a log that is not synced.
static LOG_UNSYNCED: AtomicBool = AtomicBool::new(false);

/// Lets a store of this process open although a flush of sled is no fsync: its tables will lose what a checkpoint wrote when
/// the power goes. Nothing else is left out. Here for one purpose: tests show with it that they would notice. The
/// architecture test refuses every caller outside of `chaos-tests`.
pub fn dangerously_allow_flush_without_fsync() {
    tracing::error!("flushes of tables are no fsyncs in this process: they will be lost");
    WITHOUT_FILTER.store(true, Relaxed);
}

/// Leaves out the fdatasync of the log, and nothing else: acknowledged entries and votes will be lost when the power goes. For
/// the same purpose, and for nobody else.
pub fn dangerously_leave_log_unsynced() {
    tracing::error!("the log of this process is not synced: acknowledged writes will be lost");
    LOG_UNSYNCED.store(true, Relaxed);
}

/// What opening a store demands.
pub(crate) fn require_real_fsync() -> Result<(), FsyncFilterError> {
    if WITHOUT_FILTER.load(Relaxed) {
        return Ok(());
    }
    check_real_fsync()
}

/// Whether the log is not synced, on purpose.
pub(crate) fn log_is_unsynced() -> bool {
    LOG_UNSYNCED.load(Relaxed)
}

/// Calls `sync_file_range` and demands that the kernel does not know it.
fn check_real_fsync() -> Result<(), FsyncFilterError> {
    // SAFETY: the call takes four integers and no pointer; -1 is never an open file.
    #[expect(unsafe_code, reason = "the one system call whose absence has to be shown")]
    let answer = unsafe { libc::syscall(libc::SYS_sync_file_range, -1, 0_i64, 0_i64, 0_u32) };
    let error = std::io::Error::last_os_error();
    match (answer, error.raw_os_error()) {
        (-1, Some(libc::ENOSYS)) => Ok(()),
        (-1, _) => Err(FsyncFilterError::NotInForce(error.to_string())),
        _ => Err(FsyncFilterError::NotInForce("success".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_reaches_threads_that_exist_already() {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || {
            wait.recv().unwrap();
            check_real_fsync()
        });
        install_real_fsync().unwrap();
        go.send(()).unwrap();
        assert_eq!(other.join().unwrap(), Ok(()));
    }

    #[test]
    fn a_flush_of_sled_calls_fsync_only() {
        install_real_fsync().unwrap();
        // The call that sled would make on a real file is refused as well, not only the one on a bad descriptor.
        let file = tempfile::tempfile().unwrap();
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&file);
        // SAFETY: the descriptor is open for the whole call, and the call takes no pointer.
        #[expect(unsafe_code, reason = "what sled calls, on a file that is open")]
        let answer = unsafe { libc::sync_file_range(descriptor, 0, 0, 7) };
        assert_eq!(
            (answer, std::io::Error::last_os_error().raw_os_error()),
            (-1, Some(libc::ENOSYS))
        );
    }
}
