//! Secrets that a test used, and a search for them where they must not be.

use std::fs;
use std::path::{Path, PathBuf};

/// Something that must not be found.
#[derive(Clone, Debug)]
pub struct Canary {
    /// What it is, for the message; the value itself is not printed.
    pub what: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Digits count only as a whole word that is no fraction: clocks and counters are full of digits.
    whole_word: bool,
}

impl Canary {
    /// A value that is long enough to occur by no accident.
    #[must_use]
    pub fn long(what: &str, bytes: &[u8]) -> Self {
        Self {
            what: what.to_owned(),
            bytes: bytes.to_vec(),
            whole_word: false,
        }
    }

    /// A six-digit code.
    #[must_use]
    pub fn code(what: &str, code: &str) -> Self {
        Self {
            what: what.to_owned(),
            bytes: code.as_bytes().to_vec(),
            whole_word: true,
        }
    }

    /// Whether it occurs.
    #[must_use]
    pub fn is_in(&self, haystack: &[u8]) -> bool {
        let size = self.bytes.len();
        let mut places = haystack
            .windows(size)
            .enumerate()
            .filter(|(_, window)| *window == self.bytes);
        if !self.whole_word {
            return places.next().is_some();
        }
        places.any(|(at, _)| {
            let before = at.checked_sub(1).and_then(|i| haystack.get(i)).copied().unwrap_or(b' ');
            let after = haystack.get(at + size).copied().unwrap_or(b' ');
            !(before.is_ascii_alphanumeric() || before == b'.' || after.is_ascii_alphanumeric())
        })
    }
}

/// Every file below a folder.
///
/// # Errors
/// Something cannot be read.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).map_err(|e| format!("{}: {e}", next.display()))? {
            let path = entry.map_err(|e| e.to_string())?.path();
            let kind = fs::symlink_metadata(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                // Sockets hold nothing.
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// Where canaries were found, one line each.
#[must_use]
pub fn search(canaries: &[Canary], name: &str, haystack: &[u8]) -> Vec<String> {
    canaries
        .iter()
        .filter(|c| c.is_in(haystack))
        .map(|c| format!("{name} contains {}", c.what))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_where_it_is() {
        let canary = Canary::long("password", b"hunter2 canary");
        assert!(canary.is_in(b"{\"password\":\"hunter2 canary\"}"));
        assert!(!canary.is_in(b"hunter2 canar"));
    }

    #[test]
    fn digits_of_clocks_and_counters_are_no_code() {
        let canary = Canary::code("code", "760573");
        for clean in ["2025-02-13T15:15:41.760573Z", "pid 1760573", "7605731", "a760573"] {
            assert!(!canary.is_in(clean.as_bytes()), "{clean}");
        }
        for leak in ["\"760573\"", "code=760573 ", "760573"] {
            assert!(canary.is_in(leak.as_bytes()), "{leak}");
        }
    }
}
