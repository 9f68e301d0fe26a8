//! aiosmtpd in a process of its own: a mail server that this project did not write. `infra/dev test` installs it.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde::Deserialize;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

const PATIENCE: Duration = Duration::from_secs(20);

/// What the server tells of a mail.
#[derive(Debug, Deserialize)]
pub(super) struct Taken {
    pub(super) to: Vec<String>,
    pub(super) mail: String,
    pub(super) encrypted: bool,
    pub(super) login: bool,
}

/// A running server; it ends with this value.
pub(super) struct MailServer {
    pub(super) port: u16,
    lines: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

/// Certificate and key of a server for `localhost`, as PEM.
pub(super) fn certificate() -> (String, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

/// A port that is free now.
pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

impl MailServer {
    /// Starts one on `port`; with certificate and key it wants STARTTLS (in the mode `implicit` TLS from the first byte) and a login.
    pub(super) async fn start(port: u16, mode: &str, tls: Option<(&Path, &Path)>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/email/testing_server.py");
        // Debian's package is for Debian's own Python.
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).arg(port.to_string()).arg(mode);
        if let Some((certificate, key)) = tls {
            command.arg(certificate).arg(key);
        }
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("python3 with aiosmtpd: apt-get install python3-aiosmtpd");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let first = first.expect("the mail server starts").unwrap();
        assert_eq!(first.as_deref(), Some("READY"), "apt-get install python3-aiosmtpd");
        Self {
            port,
            lines,
            _process: process,
        }
    }

    /// The next line that it prints.
    pub(super) async fn line(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        line.expect("the mail server gets something").unwrap().unwrap()
    }

    /// The next mail that it took.
    pub(super) async fn taken(&mut self) -> Taken {
        let line = self.line().await;
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}
