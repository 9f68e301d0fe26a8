//! Mails as their recipients get them: files that nodes leave in a folder.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// One mail.
#[derive(Clone, Debug)]
struct Mail {
    to: String,
    text: String,
}

/// All mails of a cluster.
pub struct Mailbox {
    folder: PathBuf,
    read: Mutex<(BTreeSet<PathBuf>, Vec<Mail>)>,
}

impl Mailbox {
    /// The mails in that folder.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            read: Mutex::default(),
        }
    }

    /// How many mails an address has got so far: what comes later is the answer to what is done next.
    #[must_use]
    pub fn count(&self, address: &str) -> usize {
        self.of(address).len()
    }

    /// The code in the first mail with one that comes after `seen` others.
    pub async fn code(&self, address: &str, seen: usize, patience: Duration) -> Option<String> {
        let deadline = Instant::now() + patience;
        loop {
            let found = self.of(address).iter().skip(seen).find_map(|mail| code_in(&mail.text));
            if found.is_some() || Instant::now() > deadline {
                return found;
            }
            tokio::time::sleep(crate::limits::POLL).await;
        }
    }

    fn of(&self, address: &str) -> Vec<Mail> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, mails) = &mut *read;
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut fresh: Vec<PathBuf> = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "eml") && !known.contains(path))
            .collect();
        fresh.sort_by_key(|path| number(path));
        for path in fresh {
            if let Some(mail) = fs::read_to_string(&path).ok().and_then(|text| parse(&text)) {
                mails.push(mail);
                known.insert(path);
            }
        }
        mails.iter().filter(|mail| mail.to == address).cloned().collect()
    }
}

/// Files are numbered in the order in which their mails were asked for.
fn number(path: &std::path::Path) -> u64 {
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    name.parse().unwrap_or(u64::MAX)
}

fn parse(text: &str) -> Option<Mail> {
    let (head, body) = text
        .replace("\r\n", "\n")
        .split_once("\n\n")
        .map(|(h, b)| (h.to_owned(), b.to_owned()))?;
    let to = head.lines().find_map(|line| line.strip_prefix("To: "))?.to_owned();
    Some(Mail { to, text: body })
}

/// Codes stand on a line of their own, indented.
fn code_in(body: &str) -> Option<String> {
    let indented = body.lines().filter_map(|line| line.strip_prefix("    "));
    indented
        .map(str::trim_end)
        .find(|word| word.len() >= 6 && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_code_of_the_next_mail_is_found_and_not_an_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, to: &str, code: &str| {
            let text = format!("From: x\r\nTo: {to}\r\n\r\nEnter it:\r\n\r\n    {code}\r\n\r\nIt is good once.\r\n");
            fs::write(folder.path().join(name), text).unwrap();
        };
        let mailbox = Mailbox::new(folder.path().to_owned());
        write("9.eml", "a@example.org", "123456");
        write("10.eml", "b@example.org", "HTHDH-M3VSO");
        let none = Duration::ZERO;
        assert_eq!(
            mailbox.code("b@example.org", 0, none).await.as_deref(),
            Some("HTHDH-M3VSO")
        );
        let seen = mailbox.count("a@example.org");
        assert_eq!((seen, mailbox.code("a@example.org", seen, none).await), (1, None));
        write("11.eml", "a@example.org", "654321");
        assert_eq!(
            mailbox.code("a@example.org", seen, none).await.as_deref(),
            Some("654321")
        );
    }
}
