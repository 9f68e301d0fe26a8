//! What a member said: where its output goes, and the end of it when it failed to start.

use crate::error::{Error, Result};
use crate::limits::{LOG_TAIL_BYTES_MAX, LOG_TAIL_LINES_MAX};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitStatus;

/// A refusal of the child stays a refusal.
pub(crate) fn start_failure(name: &str, status: Option<ExitStatus>, log: &Path) -> Error {
    let how = status.map_or_else(|| "ended".to_owned(), |s| format!("ended at once ({s})"));
    let message = format!("{name} {how}; the end of {}:\n{}", log.display(), tail(log));
    match status.and_then(|s| s.code()) {
        Some(2) => Error::Refused(message),
        None | Some(_) => Error::Fault(message),
    }
}

/// Opens a log for a process that starts: what earlier ones said stays.
pub(crate) fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| Error::file("open", path, &e))
}

/// The last lines of a log.
pub(crate) fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES_MAX)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_else(|e| format!("(cannot be read: {e})"));
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(LOG_TAIL_LINES_MAX)..)
        .unwrap_or_default()
        .join("\n")
}
