//! A mail server that is slow, refuses, wants to wait or is away, under a real cluster: what clients are answered, and
//! what becomes of the mail. EN-3.
#![cfg(test)]

use chaos_tests::api::Answer;
use chaos_tests::mail::user::{MailUser, expect};
use chaos_tests::mail::{MailServer, free_port, missing};
use chaos_tests::mailed_cluster::cluster_with_server;
use chaos_tests::native::{Native, tfauth, tfauth_json};
use chaos_tests::skipping::skipped;
use cluster_harness::cluster::Cluster;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Longest answer of a call that does not depend on mail, on a busy machine.
const PROMPT_MAX: Duration = Duration::from_millis(1500);
/// Longest answer of a call whose dialect tells of a mail that failed: it waits two seconds at most for that.
const TELLING_MAX: Duration = Duration::from_millis(3500);
/// How long the slow server takes; longer than anything may wait for it.
const SLOW: &str = "slow 5";

async fn timed(what: &str, call: impl Future<Output = Result<Answer, String>>) -> (Answer, Duration) {
    let began = Instant::now();
    let answer = call.await.unwrap();
    let took = began.elapsed();
    println!("{what}: {} after {} ms", answer.status, took.as_millis());
    (answer, took)
}

#[tokio::test]
async fn en_3_answers_are_as_the_contract_says_whatever_the_mail_server_does() {
    if skipped(missing(), true) {
        return;
    }
    let port = free_port().unwrap();
    let mut server = MailServer::start(port, None).unwrap();
    let (cluster, native) = cluster_with_server(port).await.unwrap();
    let mut users = Vec::new();
    for name in ["slow", "slow-too", "refused", "later", "away"] {
        users.push(MailUser::with_codes(&native, &server, name).await.unwrap());
    }

    server.mode(SLOW).await.unwrap();
    slow(&native, &users[0], &users[1]).await;
    server.mode("answer 550").await.unwrap();
    refused(&native, &users[2]).await;
    quarantine(&cluster, &native, &mut server).await;
    server.mode("answer 451").await.unwrap();
    later(&native, &mut server, &users[3]).await;
    drop(server);
    away(&native, port, &users[4]).await;
}

/// Calls of the native API do not wait for it, known or unknown; the dialects wait two seconds for a refusal.
async fn slow(native: &Native, user: &MailUser, another: &MailUser) {
    for email in [user.person.email.as_str(), "unknown@example.org"] {
        let body = json!({"email": email});
        let (answer, took) = timed("reset, slow server", native.post("/v1/password-reset", &body)).await;
        assert_eq!(answer.status, 202);
        assert!(took < PROMPT_MAX, "{email}: {took:?}");
    }
    let body = json!({"identifier": user.person.username, "password": user.person.password});
    let (login, _) = timed("login, slow server", native.post("/v1/login", &body)).await;
    let path = format!("/v1/login/challenges/{}/email", login.text("challenge_id"));
    let (sent, took) = timed("native code, slow server", native.post(&path, &json!({}))).await;
    assert_eq!(sent.status, 202, "{}", sent.body);
    assert!(took < PROMPT_MAX, "{took:?}");
    let (answer, took) = timed("002, slow server", another.log_in_002(native)).await;
    assert_eq!(expect(200, &answer).unwrap()["two_fa_required"], true);
    assert!(took < TELLING_MAX, "{took:?}");
    let (answer, took) = timed("004, slow server", another.log_in_004(native)).await;
    expect(428, &answer).unwrap();
    assert!(took < TELLING_MAX, "{took:?}");
}

/// The dialects tell a mail that will never arrive.
async fn refused(native: &Native, user: &MailUser) {
    let (answer, took) = timed("002, 550", user.log_in_002(native)).await;
    let words = json!({"error": "Failed to send 2FA code. Please try again later."});
    assert_eq!(*expect(500, &answer).unwrap(), words);
    assert!(took < TELLING_MAX, "{took:?}");
    let (answer, took) = timed("004, 550", user.log_in_004(native)).await;
    assert_eq!(expect(500, &answer).unwrap()["error"]["statusCode"], 500);
    assert!(took < TELLING_MAX, "{took:?}");
}

/// What was refused for good is in quarantine, harms no other mail, and goes out when an operator releases it.
async fn quarantine(cluster: &Cluster, native: &Native, server: &mut MailServer) {
    server.mode("poison poison@example.org").await.unwrap();
    let body = json!({"username": "poison", "email": "poison@example.org", "password": "a long enough lantern 77"});
    expect(201, &native.post("/v1/accounts", &body).await.unwrap()).unwrap();
    assert_eq!(server.refused("poison@example.org").await.unwrap(), 550);
    MailUser::sign_up(native, server, "bystander").await.unwrap();
    let list = || tfauth_json(cluster, "node-2", &["mail", "list", "--json"]).unwrap();
    let found = |view: &Value| {
        let kept = view["quarantined"].as_array().cloned().unwrap_or_default();
        kept.into_iter().find(|mail| mail["kind"] == "confirm_address")
    };
    let mail = loop {
        if let Some(mail) = found(&list()) {
            break mail;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let reason = mail["reason"].as_str().unwrap();
    assert!(reason.contains("550") && !reason.contains("poison"), "{reason}");
    server.mode("take").await.unwrap();
    let key = mail["key"].to_string();
    let released = tfauth(cluster, "node-3", &["mail", "release", &key]).unwrap();
    assert!(released.status.success(), "{released:?}");
    server
        .mail("poison@example.org", "Confirm your mail address")
        .await
        .unwrap();
    let again = tfauth(cluster, "node-1", &["mail", "release", &key]).unwrap();
    assert_eq!(again.status.code(), Some(2), "{again:?}");
}

/// A server that wants to wait is no failure: the code arrives at the next try.
async fn later(native: &Native, server: &mut MailServer, user: &MailUser) {
    let (first, took) = timed("002, 451", user.log_in_002(native)).await;
    assert_eq!(expect(200, &first).unwrap()["two_fa_required"], true);
    assert!(took < TELLING_MAX, "{took:?}");
    assert_eq!(server.refused(&user.person.email).await.unwrap(), 451);
    server.mode("take").await.unwrap();
    let code = user.mailed_code(server, None).await.unwrap();
    let done = user.validate_002(native, &code, &first).await.unwrap();
    expect(200, &done).unwrap();
}

/// Nor is one that is away: the code arrives when it is back.
async fn away(native: &Native, port: u16, user: &MailUser) {
    let (first, took) = timed("004, server away", user.log_in_004(native)).await;
    expect(428, &first).unwrap();
    assert!(took < TELLING_MAX, "{took:?}");
    let server = MailServer::start(port, None).unwrap();
    let code = user.mailed_code(&server, None).await.unwrap();
    let done = user.verify_004(native, &code, &first).await.unwrap();
    expect(200, &done).unwrap();
}

const NEW_ACCOUNTS: usize = 60;

#[tokio::test]
async fn a_mail_arrives_at_least_once_and_twice_at_most_when_the_leader_dies() {
    if skipped(missing(), true) {
        return;
    }
    let port = free_port().unwrap();
    let mut server = MailServer::start(port, None).unwrap();
    let (cluster, native) = cluster_with_server(port).await.unwrap();
    // Long enough for a leader to die between handing a mail over and recording that.
    server.mode("slow 0.2").await.unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..NEW_ACCOUNTS {
        let native = native.clone();
        tasks.spawn(async move {
            let name = format!("new-{number}");
            let body = json!({"username": name, "email": format!("{name}@example.org"), "password": "a long enough lantern 77"});
            expect(201, &native.post("/v1/accounts", &body).await.unwrap()).unwrap();
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    while server.mails().len() < NEW_ACCOUNTS / 6 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let leader = cluster.find_leader().await.unwrap();
    cluster.members().kill(&leader).await.unwrap();
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    for number in 0..NEW_ACCOUNTS {
        let to = format!("new-{number}@example.org");
        server.mail(&to, "Confirm your mail address").await.unwrap();
    }
    // Until the new leader has nothing left: then no mail can come any more.
    let survivor = if leader == "node-1" { "node-2" } else { "node-1" };
    while tfauth_json(&cluster, survivor, &["mail", "list", "--json"]).unwrap()["waiting"] != 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut copies: BTreeMap<String, usize> = BTreeMap::new();
    for mail in server.mails().into_iter().filter(|mail| mail.to.starts_with("new-")) {
        *copies.entry(mail.id).or_default() += 1;
    }
    let twice = copies.values().filter(|count| **count == 2).count();
    println!(
        "{} mails while {leader} was killed, {twice} of them twice",
        copies.len()
    );
    assert_eq!(copies.len(), NEW_ACCOUNTS, "as many Message-IDs as mails");
    assert!(copies.values().all(|count| *count <= 2), "{copies:?}");
}
