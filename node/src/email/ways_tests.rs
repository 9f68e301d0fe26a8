//! What does not get out by one way, or at one recipient, holds up nothing else; and what waits is counted to the last one.

use super::testing::{MailServer, free_port};
use super::tests::{PATIENCE, Post, plain, propose, until};
use crate::clock;
use crate::config::MailTransport;
use crate::entropy;
use crate::gateway::testing::{gateway, receiver};
use crate::limits::{MAIL_BREAKS_MAX, MAIL_READ_MAX, MAIL_STEP_MAX};
use crate::replication::Replication;
use crate::replication::testing::single_node;
use crate::secrets::{KeyRing, Purpose};
use auth_core::command::{Command, ConfirmEmail, NewCode, NewSession, NewToken, RegisterAccount, SignIn};
use auth_core::ids::{AccountId, ChallengeId, SessionId};
use auth_core::outbox::{Channel, Mail};
use auth_core::query;
use auth_core::reply::Reply;
use auth_core::secret::{Mac, Sealed};
use std::net::TcpListener;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// "At once", on a busy machine: far below what a step with a server that says nothing takes.
const AT_ONCE: Duration = Duration::from_secs(4);
const MANY: usize = 20;

fn seal(record: &[u8; 16], text: &str) -> Sealed {
    KeyRing::for_tests()
        .seal(Purpose::MailSecret, record, text.as_bytes())
        .unwrap()
}

/// Registers somebody, whose address is to be confirmed by mail.
async fn register(replication: &Replication, name: &str) -> (AccountId, Mac) {
    let (account, hash) = (AccountId(entropy::bytes()), Mac(entropy::bytes()));
    let command = RegisterAccount {
        account,
        username: name.into(),
        username_key: name.into(),
        email: format!("{name}@example.org"),
        email_key: format!("{name}@example.org"),
        password: Sealed(vec![1]),
        password_alone: true,
        confirmation: Some(NewToken {
            hash,
            sealed: seal(&account.0, "ABCDE-FGHIJ"),
        }),
    };
    let reply = propose(replication, Command::RegisterAccount(command)).await;
    assert!(!matches!(reply, Reply::Denied(_)), "{reply:?}");
    (account, hash)
}

/// Has a login code of somebody new sent by the gateway.
async fn cause_code(replication: &Replication, name: &str) {
    let (account, token) = register(replication, name).await;
    let reply = propose(replication, Command::ConfirmEmail(ConfirmEmail { token })).await;
    assert!(!matches!(reply, Reply::Denied(_)), "{reply:?}");
    let challenge = ChallengeId(entropy::bytes());
    let row = query::account(&replication.view(), account).unwrap().unwrap();
    let command = SignIn {
        account,
        base_seq: row.auth_seq,
        challenge,
        session: NewSession {
            session: SessionId(entropy::bytes()),
            seconds: 3600,
            idle_seconds: None,
            device: None,
        },
        answer: None,
        always: true,
        share: Some(9_999),
        code: Some(NewCode {
            mac: Mac(entropy::bytes()),
            sealed: seal(&challenge.0, "042137"),
            channel: Channel::Gateway,
        }),
    };
    let reply = propose(replication, Command::SignIn(command)).await;
    assert!(matches!(reply, Reply::SecondFactorRequired { .. }), "{reply:?}");
}

fn waiting(replication: &Replication) -> Vec<Mail> {
    query::outbox(&replication.view(), 9_999).unwrap()
}

/// Takes connections and never says a word.
fn silence() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn assert_at_once(what: &str, began: Instant) {
    let took = clock::monotonic().saturating_duration_since(began);
    println!("{what}: after {} ms", took.as_millis());
    assert!(took < AT_ONCE, "{what}: {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_mails_for_a_dead_server_hold_up_no_code_by_the_gateway() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    // One that says nothing keeps its connections for long; one that is not there fails at once, again and again.
    let (_held, silent) = silence();
    for (round, port) in [silent, free_port()].into_iter().enumerate() {
        for number in 0..MANY {
            register(&replication, &format!("waiting-{round}-{number}")).await;
        }
        let (gateway_port, authority, mut arrived) = receiver(200).await;
        let gateway = gateway(gateway_port, Some(authority), true);
        let post = Post::by(&replication, &MailTransport::Smtp(vec![plain(port)]), Some(gateway));
        until("the worker is at them", || {
            round == 0 || post.count("nobody_there") >= MANY as u64
        })
        .await;
        let began = clock::monotonic();
        cause_code(&replication, &format!("hurried-{round}")).await;
        let message = tokio::time::timeout(PATIENCE, arrived.recv()).await.unwrap().unwrap();
        assert!(String::from_utf8_lossy(&message.body).contains("042137"));
        assert_at_once("a code by the gateway", began);
        until("it is recorded", || {
            post.count("sent") == 1 && waiting(&replication).len() == (round + 1) * (MANY + 1)
        })
        .await;
        assert_eq!(post.count("failed"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_codes_for_a_dead_gateway_hold_up_no_mail() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    for number in 0..MANY {
        cause_code(&replication, &format!("waiting-{number}")).await;
    }
    let mut server = MailServer::start(free_port(), "take", None).await;
    let (_held, silent) = silence();
    let post = Post::by(
        &replication,
        &MailTransport::Smtp(vec![plain(server.port)]),
        Some(gateway(silent, None, true)),
    );
    for _ in 0..MANY {
        server.taken().await;
    }
    let began = clock::monotonic();
    register(&replication, "hurried").await;
    assert_eq!(server.taken().await.to, ["hurried@example.org"]);
    assert_at_once("a mail", began);
    assert_eq!(post.count("failed"), 0);
    let codes = || {
        waiting(&replication)
            .iter()
            .all(|mail| mail.channel == Channel::Gateway)
    };
    until("mails are recorded, codes wait", || {
        waiting(&replication).len() == MANY && codes()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recipients_at_which_the_server_hangs_hold_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    let mut server = MailServer::start(free_port(), "moody", None).await;
    for number in 0..8 {
        register(&replication, &format!("hang-{number}")).await;
    }
    let post = Post::by(&replication, &MailTransport::Smtp(vec![plain(server.port)]), None);
    for number in 0..3 {
        let (began, name) = (clock::monotonic(), format!("other-{number}"));
        register(&replication, &name).await;
        assert_eq!(server.taken().await.to, [format!("{name}@example.org")]);
        assert_at_once("another recipient", began);
    }
    assert_eq!(post.count("nobody_there"), 0, "the server is well");
    until("they break off", || post.count("broke_off") > 0).await;
    assert_eq!(post.count("failed"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_at_which_the_server_always_leaves_is_counted_in_the_end_and_the_server_is_well() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    let mut server = MailServer::start(free_port(), "moody", None).await;
    let post = Post::by(&replication, &MailTransport::Smtp(vec![plain(server.port)]), None);
    for name in ["busy", "drop"] {
        register(&replication, name).await;
    }
    until("both broke off", || post.count("broke_off") >= 2).await;
    let began = clock::monotonic();
    register(&replication, "other").await;
    assert_eq!(server.taken().await.to, ["other@example.org"]);
    assert_at_once("another recipient", began);
    until("each is counted as the message's own failure", || {
        let mails = waiting(&replication);
        mails.len() == 2 && mails.iter().all(|mail| mail.attempts > 0)
    })
    .await;
    assert!(post.count("broke_off") >= 2 * u64::from(MAIL_BREAKS_MAX));
    assert_eq!(post.count("nobody_there"), 0, "the server is well");
    for mail in waiting(&replication) {
        let reason = mail.last_error.unwrap();
        assert!(!reason.contains("example.org"), "{reason}");
        assert!(mail.next_attempt_at.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_server_breaks_off_at_another_one_takes_and_is_charged_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    let moody = MailServer::start(free_port(), "moody", None).await;
    let mut well = MailServer::start(free_port(), "take", None).await;
    let servers = vec![plain(moody.port), plain(well.port)];
    let post = Post::by(&replication, &MailTransport::Smtp(servers), None);
    for number in 0..6 {
        register(&replication, &format!("drop-{number}")).await;
        assert_eq!(well.taken().await.to, [format!("drop-{number}@example.org")]);
    }
    until("they are recorded", || waiting(&replication).is_empty()).await;
    assert_eq!((post.count("sent"), post.count("failed")), (6, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_at_which_everything_breaks_off_is_at_fault_and_no_message_is_charged() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    let mut server = MailServer::start(free_port(), "moody", None).await;
    for number in 0..8 {
        register(&replication, &format!("drop-{number}")).await;
    }
    let post = Post::by(&replication, &MailTransport::Smtp(vec![plain(server.port)]), None);
    until("they were tried again and again", || post.count("nobody_there") >= 20).await;
    assert_eq!(post.count("failed"), 0);
    let began = clock::monotonic();
    register(&replication, "other").await;
    assert_eq!(server.taken().await.to, ["other@example.org"]);
    assert_at_once("a recipient that it takes", began);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_counted_to_the_last_one_and_by_the_leader_only() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    let all = MAIL_READ_MAX + MANY;
    let mut tasks = JoinSet::new();
    for part in 0..MANY {
        let replication = replication.clone();
        tasks.spawn(async move {
            for number in (part..all).step_by(MANY) {
                register(&replication, &format!("waiting-{number}")).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let (_held, silent) = silence();
    let post = Post::by(&replication, &MailTransport::Smtp(vec![plain(silent)]), None);
    until("all are counted", || post.metrics.mail_waiting.get() == all as i64).await;
    replication.shutdown(MAIL_STEP_MAX).await.unwrap();
    until("nothing is counted by who does not lead", || {
        post.metrics.mail_waiting.get() == 0
    })
    .await;
}
