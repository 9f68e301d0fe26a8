//! The worker against a real one-member store, a folder, and a mail server of a few lines.

use super::{Sender, Transport, Worker};
use crate::config::{MailTransport, SmtpTls};
use crate::replication::Replication;
use crate::replication::testing::single_node;
use crate::shutdown;
use crate::telemetry::metrics::Metrics;
use crate::{clock, entropy};
use auth_core::command::{Command, RegisterAccount};
use auth_core::entry::{Client, Entry};
use auth_core::ids::{AccountId, RequestId};
use auth_core::query;
use auth_core::secret::Sealed;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(20);

/// Registers the same mail address twice: its owner is told.
async fn cause_mail(replication: &Replication) {
    for name in ["maria", "mallory"] {
        let register = RegisterAccount {
            account: AccountId(entropy::bytes()),
            username: name.into(),
            username_key: name.into(),
            email: "maria@example.org".into(),
            email_key: "maria@example.org".into(),
            password: Sealed(vec![1]),
            password_alone: false,
            confirmation: None,
        };
        let entry = Entry {
            request_id: RequestId(entropy::bytes()),
            at: clock::now(),
            client: Client::default(),
            command: Command::RegisterAccount(register),
        };
        replication
            .propose(&entry, clock::monotonic() + PATIENCE)
            .await
            .unwrap();
    }
}

fn worker(replication: &Replication, transport: &MailTransport) -> (Worker, Metrics) {
    crate::tls::install_provider();
    let metrics = Metrics::new().unwrap();
    let sender = Sender::parse("tfauth <no-reply@auth.example>").unwrap();
    let transport = Transport::new(transport).unwrap();
    (
        Worker::new(replication.clone(), transport, sender, metrics.clone()),
        metrics,
    )
}

fn waiting(replication: &Replication) -> usize {
    query::outbox(&replication.view(), 10).unwrap().len()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waited).await.is_ok(), "{what}");
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_becomes_one_private_file_and_leaves_the_outbox() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    let folder = dir.path().join("mail");
    let (worker, metrics) = worker(&replication, &MailTransport::Folder(folder.clone()));
    let (stopper, stop) = shutdown::channel();
    let running = tokio::spawn(worker.run(stop));
    cause_mail(&replication).await;
    until("the mail is sent and recorded", || {
        metrics.mails.with_label_values(&["sent"]).get() == 1 && waiting(&replication) == 0
    })
    .await;
    let names = files(&folder);
    let [name] = &names[..] else { panic!("{names:?}") };
    let path = folder.join(name);
    assert!(name.ends_with(".eml"), "{name}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("To: maria@example.org") && text.contains("already"),
        "{text}"
    );
    stopper.stop();
    tokio::time::timeout(PATIENCE, running)
        .await
        .expect("the worker stops")
        .unwrap();
}

/// What the mail server below says to `RCPT TO`.
const TAKEN: &str = "250 fine";
const NOT_NOW: &str = "451 greylisted, come back";
const NEVER: &str = "550 no such user <maria@example.org>";

/// A mail server of a few lines. It answers each recipient with the next of `answers` and tells what it was given.
async fn mail_server(answers: &'static [&'static str]) -> (u16, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (given, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for answer in answers {
            let (stream, _) = listener.accept().await.unwrap();
            if let Some(mail) = converse(stream, answer).await {
                given.send(mail).unwrap();
            }
        }
    });
    (port, receiver)
}

async fn converse(stream: TcpStream, recipient_answer: &str) -> Option<String> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 sink\r\n").await.unwrap();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap() == 0 {
            return None;
        }
        let verb = line.split([' ', '\r']).next().unwrap_or_default().to_uppercase();
        let answer = match verb.as_str() {
            "EHLO" | "HELO" | "MAIL" | "RSET" => "250 fine",
            "RCPT" => recipient_answer,
            "QUIT" => "221 bye",
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.unwrap();
                let mut mail = String::new();
                while !mail.ends_with("\r\n.\r\n") {
                    stream.read_line(&mut mail).await.unwrap();
                }
                stream.write_all(b"250 taken\r\n").await.unwrap();
                return Some(mail);
            }
            _ => "500 what?",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
    }
}

fn smtp(port: u16) -> MailTransport {
    MailTransport::Smtp {
        host: "127.0.0.1".into(),
        port,
        tls: SmtpTls::Opportunistic,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_gets_the_mail_and_one_that_wants_to_wait_gets_it_later() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    cause_mail(&replication).await;
    let (port, mut given) = mail_server(&[NOT_NOW, TAKEN]).await;
    let (worker, metrics) = worker(&replication, &smtp(port));
    let (_stopper, stop) = shutdown::channel();
    tokio::spawn(worker.run(stop));
    let mail = tokio::time::timeout(PATIENCE, given.recv())
        .await
        .expect("it is tried again")
        .unwrap();
    let cluster_id = replication.status().cluster_id;
    assert!(mail.contains("To: maria@example.org"), "{mail}");
    assert!(mail.contains(&format!(".{cluster_id}@auth.example>")), "{mail}");
    until("the mail is recorded", || waiting(&replication) == 0).await;
    let count = |outcome| metrics.mails.with_label_values(&[outcome]).get();
    assert_eq!((count("failed"), count("sent")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_refused_for_good_does_not_stay() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    cause_mail(&replication).await;
    let (port, _given) = mail_server(&[NEVER]).await;
    let (mut worker, metrics) = worker(&replication, &smtp(port));
    worker.round().await;
    assert_eq!(waiting(&replication), 0);
    assert_eq!(metrics.mails.with_label_values(&["refused"]).get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_must_encrypt_and_does_not_gets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    cause_mail(&replication).await;
    let (port, mut given) = mail_server(&[TAKEN]).await;
    let transport = MailTransport::Smtp {
        host: "127.0.0.1".into(),
        port,
        tls: SmtpTls::Required,
    };
    let (mut worker, metrics) = worker(&replication, &transport);
    worker.round().await;
    assert!(given.try_recv().is_err());
    assert_eq!(metrics.mails.with_label_values(&["failed"]).get(), 1);
    assert_eq!(waiting(&replication), 1, "it is tried again later");
    let round = tokio::time::timeout(PATIENCE, worker.round());
    round.await.expect("a mail that has to wait is not tried at once");
    assert_eq!(metrics.mails.with_label_values(&["failed"]).get(), 1);
}
