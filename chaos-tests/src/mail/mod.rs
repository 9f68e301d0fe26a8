//! A mail server that this project did not write (aiosmtpd), steered and watched by a test, and what is read from mails.
//!
//! Must know nothing of the cluster that sends to it.

pub mod user;

use crate::limits::POLL;
use serde::Deserialize;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a mail may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);
/// Debian's package is for Debian's own Python.
const PYTHON: &str = "/usr/bin/python3";

/// A mail that the server took.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Mail {
    /// Recipient.
    pub to: String,
    /// Its Message-ID.
    pub id: String,
    /// Its subject.
    pub subject: String,
    /// What it says, decoded.
    pub text: String,
    /// Whether it came over TLS.
    pub encrypted: bool,
    /// Whether the sender had logged in.
    pub login: bool,
}

#[derive(Deserialize)]
struct Refused {
    refused: u16,
    to: String,
}

#[derive(Default)]
struct Seen {
    mails: Vec<Mail>,
    refused: Vec<(u16, String)>,
    modes: usize,
}

/// A running server; it ends with this value.
pub struct MailServer {
    port: u16,
    process: Child,
    orders: ChildStdin,
    given: usize,
    seen: Arc<Mutex<Seen>>,
}

/// Why there cannot be one here; none when there can.
#[must_use]
pub fn missing() -> Option<String> {
    let asked = Command::new(PYTHON).args(["-c", "import aiosmtpd"]).output();
    match asked {
        Ok(output) if output.status.success() => None,
        Ok(_) | Err(_) => Some("python3-aiosmtpd is not installed: `infra/dev test` installs it".to_owned()),
    }
}

/// A port that is free now.
///
/// # Errors
/// There is none.
pub fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
    Ok(listener.local_addr().map_err(|e| e.to_string())?.port())
}

impl MailServer {
    /// Starts one; with certificate and key it wants STARTTLS and the login `tfauth`, `mail-password`.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(port: u16, tls: Option<(&Path, &Path)>) -> Result<Self, String> {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/mail/server.py");
        let mut command = Command::new(PYTHON);
        command.arg(script).arg(port.to_string());
        if let Some((certificate, key)) = tls {
            command.arg(certificate).arg(key);
        }
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("no mail server: {e}"))?;
        let orders = process.stdin.take().ok_or("no input of the mail server")?;
        let output = process.stdout.take().ok_or("no output of the mail server")?;
        let mut lines = BufReader::new(output).lines();
        let first = lines.next().and_then(Result::ok);
        if first.as_deref() != Some("READY") {
            return Err(missing().unwrap_or_else(|| format!("the mail server said {first:?}")));
        }
        let seen = Arc::new(Mutex::new(Seen::default()));
        let noted = Arc::clone(&seen);
        // Ends with the server's output.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                note(&mut noted.lock().unwrap_or_else(PoisonError::into_inner), &line);
            }
        });
        Ok(Self {
            port,
            process,
            orders,
            given: 0,
            seen,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes what it does, see the script; returns when it does that.
    ///
    /// # Errors
    /// It does not obey.
    pub async fn mode(&mut self, mode: &str) -> Result<(), String> {
        writeln!(self.orders, "mode {mode}").map_err(|e| e.to_string())?;
        self.orders.flush().map_err(|e| e.to_string())?;
        self.given += 1;
        let given = self.given;
        self.until("the mail server obeys", |seen| (seen.modes >= given).then_some(()))
            .await
    }

    /// The newest mail to an address whose text holds `words`, waiting for it.
    ///
    /// # Errors
    /// None came; with the subjects of those that did.
    pub async fn mail(&self, to: &str, words: &str) -> Result<Mail, String> {
        let found = |seen: &Seen| {
            let fits = |mail: &&Mail| mail.to == to && (mail.text.contains(words) || mail.subject.contains(words));
            seen.mails.iter().rev().find(fits).cloned()
        };
        self.until(&format!("a mail to {to} with {words:?}"), found).await
    }

    /// Waits until it has refused something for this address.
    ///
    /// # Errors
    /// It did not.
    pub async fn refused(&self, to: &str) -> Result<u16, String> {
        let found = |seen: &Seen| {
            seen.refused
                .iter()
                .rev()
                .find(|(_, who)| who == to)
                .map(|(code, _)| *code)
        };
        self.until(&format!("a refusal of {to}"), found).await
    }

    /// Every mail so far.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).mails.clone()
    }

    async fn until<T>(&self, what: &str, look: impl Fn(&Seen) -> Option<T>) -> Result<T, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            {
                let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(found) = look(&seen) {
                    return Ok(found);
                }
                if Instant::now() > deadline {
                    let had: Vec<String> = seen.mails.iter().map(|m| format!("{}: {}", m.to, m.subject)).collect();
                    return Err(format!("waited {PATIENCE:?} for {what} in vain; came: {had:?}"));
                }
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

fn note(seen: &mut Seen, line: &str) {
    if line == "MODE" {
        seen.modes += 1;
    } else if let Ok(mail) = serde_json::from_str::<Mail>(line) {
        seen.mails.push(mail);
    } else if let Ok(Refused { refused, to }) = serde_json::from_str(line) {
        seen.refused.push((refused, to));
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The six digits of a mail.
#[must_use]
pub fn code_in(text: &str) -> Option<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .find(|word| word.len() == 6 && word.bytes().all(|b| b.is_ascii_digit()))
        .map(str::to_owned)
}

/// The 25 characters in groups of five of a mail.
#[must_use]
pub fn token_in(text: &str) -> Option<String> {
    let is_group = |part: &str| part.len() == 5 && part.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    text.split_whitespace()
        .find(|word| word.split('-').count() == 5 && word.split('-').all(is_group))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_tokens_are_found_in_the_text() {
        let text = "Hello maria,\n\nyour code: 042137. It is good until 12:34.\n\nABCDE-FGHIJ-KLMN2-OPQRS-TUVWX\n";
        assert_eq!(code_in(text).as_deref(), Some("042137"));
        assert_eq!(token_in(text).as_deref(), Some("ABCDE-FGHIJ-KLMN2-OPQRS-TUVWX"));
        assert_eq!((code_in("12345 1234567"), token_in("ABCDE-FGHIJ")), (None, None));
    }

    #[test]
    fn what_the_server_says_is_noted() {
        let mut seen = Seen::default();
        note(&mut seen, "MODE");
        note(&mut seen, r#"{"refused": 550, "to": "a@b"}"#);
        note(
            &mut seen,
            r#"{"to":"a@b","id":"<1@c>","subject":"s","text":"t","encrypted":false,"login":false}"#,
        );
        assert_eq!((seen.modes, seen.mails.len()), (1, 1));
        assert_eq!(seen.refused, [(550, "a@b".to_owned())]);
    }
}
