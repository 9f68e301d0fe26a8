//! The worker against a real one-member store, a folder, and real mail servers: well, down, slow, refusing.

use super::testing::{MailServer, certificate, free_port};
use super::{Channels, Handover, Sender, Transport, Worker, handover};
use crate::config::{Login, MailTransport, SmtpServer, SmtpTls};
use crate::gateway::Gateway;
use crate::replication::Replication;
use crate::replication::testing::single_node;
use crate::secrets::KeyRing;
use crate::shutdown::{self, Stopper};
use crate::telemetry::metrics::Metrics;
use crate::{clock, entropy};
use auth_core::command::{Command, RegisterAccount, ReleaseMail};
use auth_core::entry::{Client, Entry};
use auth_core::ids::{AccountId, RequestId};
use auth_core::query;
use auth_core::reply::Reply;
use auth_core::secret::Sealed;
use secrecy::SecretString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn propose(replication: &Replication, command: Command) -> Reply {
    let entry = Entry {
        request_id: RequestId(entropy::bytes()),
        at: clock::now(),
        client: Client::default(),
        command,
    };
    replication
        .propose(&entry, clock::monotonic() + PATIENCE)
        .await
        .unwrap()
}

/// Registers the same mail address twice: its owner is told. Gives the key of that mail.
async fn cause_mail(replication: &Replication) -> u64 {
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
        let _ = propose(replication, Command::RegisterAccount(register)).await;
    }
    let waiting = query::outbox(&replication.view(), 10).unwrap();
    waiting.first().expect("a mail waits").key
}

/// A worker that runs, and its numbers.
pub(super) struct Post {
    pub(super) metrics: Metrics,
    _stopper: Stopper,
}

impl Post {
    fn start(replication: &Replication, transport: &MailTransport) -> Self {
        Self::by(replication, transport, None)
    }

    pub(super) fn by(replication: &Replication, transport: &MailTransport, gateway: Option<Gateway>) -> Self {
        crate::tls::install_provider();
        let metrics = Metrics::new().unwrap();
        let sender = Sender::parse("tfauth <no-reply@auth.example>").unwrap();
        let channels = Channels {
            ring: Arc::new(KeyRing::for_tests()),
            mail: Some((sender, Transport::new(transport).unwrap())),
            gateway,
        };
        let (stopper, stop) = shutdown::channel();
        let worker = Worker::new(replication.clone(), channels, metrics.clone());
        tokio::spawn(worker.run(stop));
        Self {
            metrics,
            _stopper: stopper,
        }
    }

    pub(super) fn count(&self, outcome: &str) -> u64 {
        self.metrics.mails.with_label_values(&[outcome]).get()
    }
}

pub(super) fn plain(port: u16) -> SmtpServer {
    SmtpServer {
        host: "127.0.0.1".into(),
        port,
        tls: SmtpTls::None,
        authority: None,
        login: None,
    }
}

fn waiting(replication: &Replication) -> usize {
    query::outbox(&replication.view(), 10).unwrap().len()
}

pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
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
    let post = Post::start(&replication, &MailTransport::Folder(folder.clone()));
    let key = cause_mail(&replication).await;
    until("the mail is sent and recorded", || {
        post.count("sent") == 1 && waiting(&replication) == 0
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
    let known = handover(&replication, key, Duration::ZERO).await.unwrap();
    assert_eq!(known, Handover::Done);
    // A repeat that comes long after: what became of it is forgotten, and it is no failure.
    let forgotten = handover(&replication, key + 1, PATIENCE).await.unwrap();
    assert_eq!(forgotten, Handover::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_with_starttls_and_login_gets_the_mail_encrypted() {
    gets_the_mail_encrypted(SmtpTls::Starttls, "take").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_with_tls_from_the_first_byte_and_login_gets_the_mail_encrypted() {
    gets_the_mail_encrypted(SmtpTls::Tls, "implicit").await;
}

async fn gets_the_mail_encrypted(tls: SmtpTls, mode: &str) {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    let (pem, key_pem) = certificate();
    let (pem_path, key_path) = (dir.path().join("mail.pem"), dir.path().join("mail.key"));
    std::fs::write(&pem_path, &pem).unwrap();
    std::fs::write(&key_path, key_pem).unwrap();
    let mut server = MailServer::start(free_port(), mode, Some((&pem_path, &key_path))).await;
    let configured = |authority: Option<&String>, password: &str| SmtpServer {
        host: "localhost".into(),
        port: server.port,
        tls,
        authority: authority.cloned(),
        login: Some(Login {
            username: "tfauth".into(),
            password: SecretString::from(password),
        }),
    };
    let stranger = MailTransport::Smtp(vec![configured(None, "mail-password"), configured(Some(&pem), "wrong")]);
    let key = cause_mail(&replication).await;
    {
        let post = Post::start(&replication, &stranger);
        until("neither a foreign certificate nor a wrong password will do", || {
            post.count("nobody_there") >= 1
        })
        .await;
        let mail = query::outbox(&replication.view(), 9).unwrap().remove(0);
        assert_eq!(mail.attempts, 0, "it is not the mail's fault");
    }
    let post = Post::start(
        &replication,
        &MailTransport::Smtp(vec![configured(Some(&pem), "mail-password")]),
    );
    let taken = server.taken().await;
    assert_eq!(taken.to, ["maria@example.org"]);
    assert!(taken.encrypted && taken.login);
    let id = format!("<{key}.{}@auth.example>", replication.status().cluster_id);
    assert!(taken.mail.contains(&format!("Message-ID: {id}")), "{}", taken.mail);
    until("the mail is recorded", || waiting(&replication) == 0).await;
    assert_eq!(post.count("sent"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_server_serves_while_the_first_is_down() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    let mut second = MailServer::start(free_port(), "take", None).await;
    let servers = vec![plain(free_port()), plain(second.port)];
    let post = Post::start(&replication, &MailTransport::Smtp(servers));
    cause_mail(&replication).await;
    assert_eq!(second.taken().await.to, ["maria@example.org"]);
    until("the mail is recorded", || waiting(&replication) == 0).await;
    assert_eq!((post.count("sent"), post.count("failed")), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_waits_for_a_server_that_is_down_and_is_not_charged_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    let port = free_port();
    let post = Post::start(&replication, &MailTransport::Smtp(vec![plain(port)]));
    let key = cause_mail(&replication).await;
    until("it was tried", || post.count("nobody_there") >= 1).await;
    let asked = handover(&replication, key, Duration::from_millis(200)).await.unwrap();
    assert_eq!(asked, Handover::Pending, "a request is not held up");
    let mut server = MailServer::start(port, "take", None).await;
    server.taken().await;
    until("the mail is recorded", || waiting(&replication) == 0).await;
    assert_eq!(post.count("failed"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_to_wait_gets_the_mail_again_later() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    let mut server = MailServer::start(free_port(), "later", None).await;
    let post = Post::start(&replication, &MailTransport::Smtp(vec![plain(server.port)]));
    let key = cause_mail(&replication).await;
    for _ in 0..2 {
        assert_eq!(server.line().await, r#"{"refused": 451}"#);
    }
    until("both tries are recorded", || {
        query::outbox(&replication.view(), 9).unwrap()[0].attempts == 2
    })
    .await;
    let mail = query::outbox(&replication.view(), 9).unwrap().remove(0);
    assert!(mail.next_attempt_at > Some(clock::now()));
    let reason = mail.last_error.unwrap();
    assert!(reason.contains("451") && !reason.contains("maria"), "{reason}");
    assert_eq!(post.count("failed"), 2);
    let asked = handover(&replication, key, Duration::ZERO).await.unwrap();
    assert_eq!(asked, Handover::Pending);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_refused_for_good_is_told_at_once_and_goes_to_quarantine() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    let server = MailServer::start(free_port(), "never", None).await;
    let post = Post::start(&replication, &MailTransport::Smtp(vec![plain(server.port)]));
    let key = cause_mail(&replication).await;
    let began = clock::monotonic();
    let known = handover(&replication, key, crate::limits::HANDOVER_WAIT_MAX)
        .await
        .unwrap();
    assert_eq!(known, Handover::Refused);
    let took = clock::monotonic().saturating_duration_since(began);
    assert!(took < crate::limits::HANDOVER_WAIT_MAX, "{took:?}");
    assert_eq!(waiting(&replication), 0);
    until("it is counted", || {
        post.count("quarantined") == 1 && post.metrics.mail_quarantined.get() == 1
    })
    .await;
    let kept = query::quarantine(&replication.view(), 9).unwrap().remove(0);
    let reason = kept.last_error.unwrap();
    assert!(reason.contains("550") && !reason.contains("maria"), "{reason}");
    drop(post);
    // An operator has repaired what was wrong and releases it.
    let mut repaired = MailServer::start(free_port(), "take", None).await;
    let _post = Post::start(&replication, &MailTransport::Smtp(vec![plain(repaired.port)]));
    propose(&replication, Command::ReleaseMail(ReleaseMail { key, retry: true })).await;
    assert_eq!(repaired.taken().await.to, ["maria@example.org"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn en_3_a_slow_server_holds_up_neither_requests_nor_other_mails() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    let mut server = MailServer::start(free_port(), "slow", None).await;
    let _post = Post::start(&replication, &MailTransport::Smtp(vec![plain(server.port)]));
    let began = clock::monotonic();
    let key = cause_mail(&replication).await;
    let asked = handover(&replication, key, Duration::from_millis(300)).await.unwrap();
    assert_eq!(asked, Handover::Pending);
    let took = clock::monotonic().saturating_duration_since(began);
    assert!(took < Duration::from_secs(4), "the server takes five: {took:?}");
    server.taken().await;
    let known = handover(&replication, key, PATIENCE).await.unwrap();
    assert_eq!(known, Handover::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_must_encrypt_and_does_not_gets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    let server = MailServer::start(free_port(), "take", None).await;
    let strict = SmtpServer {
        tls: SmtpTls::Starttls,
        ..plain(server.port)
    };
    let post = Post::start(&replication, &MailTransport::Smtp(vec![strict]));
    cause_mail(&replication).await;
    until("it was tried", || post.count("nobody_there") >= 1).await;
    assert_eq!((waiting(&replication), post.count("sent")), (1, 0));
}
