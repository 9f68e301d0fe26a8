//! Mail from a real cluster to a real mail server: every flow that needs one, over STARTTLS with a login, while the
//! server that is preferred is away.
#![cfg(test)]

use chaos_tests::mail::user::{MailUser, expect};
use chaos_tests::mail::{MailServer, free_port, missing, token_in};
use chaos_tests::native::Native;
use chaos_tests::skipping::skipped;
use cluster_harness::cluster::{Cluster, Options};
use cluster_harness::config::{Mail, MailServer as Configured};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use std::path::Path;

fn configured(port: u16, folder: &Path) -> Configured {
    Configured {
        address: format!("localhost:{port}"),
        tls: "starttls",
        ca: Some(folder.join("mail.pem")),
        username: Some("tfauth".into()),
        password_file: Some(folder.join("password")),
    }
}

fn secret_file(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn every_mail_arrives_encrypted_while_the_preferred_server_is_away() {
    if skipped(missing(), true) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (pem, key) = (folder.path().join("mail.pem"), folder.path().join("mail.key"));
    std::fs::write(&pem, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    secret_file(&folder.path().join("password"), "mail-password\n");
    let (away, port) = (free_port().unwrap(), free_port().unwrap());
    let server = MailServer::start(port, Some((&pem, &key))).unwrap();
    let servers = vec![configured(away, folder.path()), configured(port, folder.path())];
    let cluster = Cluster::start(Options {
        surroundings: Mail::Servers(servers).into(),
        ..Options::default()
    })
    .await
    .unwrap();
    let native = Native::new(&cluster).unwrap();
    let admin = native.administrator(&cluster).await.unwrap();
    admin.ask_nobody_by_chance().await.unwrap();

    // Mailed codes: enabled in one dialect, used in both.
    let ana = MailUser::with_codes(&native, &server, "ana").await.unwrap();
    server.mail(&ana.person.email, "ana").await.unwrap();
    let first = ana.log_in_002(&native).await.unwrap();
    assert_eq!(expect(200, &first).unwrap()["two_fa_required"], true);
    let code = ana.mailed_code(&server, None).await.unwrap();
    let done = ana.validate_002(&native, &code, &first).await.unwrap();
    assert_eq!(expect(200, &done).unwrap()["nickname"], "ana");
    let again = ana.validate_002(&native, &code, &first).await.unwrap();
    expect(401, &again).unwrap();
    let first = ana.log_in_004(&native).await.unwrap();
    assert_eq!(expect(428, &first).unwrap()["error"]["code"], "auth.otp_required");
    let code = ana.mailed_code(&server, Some(&code)).await.unwrap();
    let done = ana.verify_004(&native, &code, &first).await.unwrap();
    assert!(expect(200, &done).unwrap()["accessToken"].is_string());

    reset_and_move(&native, &server).await;
    let mails = server.mails();
    println!("{} mails, all over STARTTLS with a login", mails.len());
    assert!(mails.iter().all(|mail| mail.encrypted && mail.login), "{mails:?}");
    let mut ids: Vec<&str> = mails.iter().map(|mail| mail.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), mails.len(), "every mail came once: {ids:?}");
}

/// A password reset, then another address; the owner is told of both.
async fn reset_and_move(native: &Native, server: &MailServer) {
    let bob = MailUser::sign_up(native, server, "bob").await.unwrap();
    let (old, new) = (bob.person.email.clone(), "bob.elsewhere@example.org");
    for email in [old.as_str(), "nobody@example.org"] {
        let asked = native
            .post("/v1/password-reset", &json!({"email": email}))
            .await
            .unwrap();
        expect(202, &asked).unwrap();
    }
    let mail = server.mail(&old, "Reset your password").await.unwrap();
    let token = token_in(&mail.text).unwrap();
    let body = json!({"token": token, "new_password": "another long lantern of bob 41"});
    let path = "/v1/password-reset/confirm";
    expect(204, &native.post(path, &body).await.unwrap()).unwrap();
    expect(401, &native.post(path, &body).await.unwrap()).unwrap();
    server.mail(&old, "password").await.unwrap();
    let login = json!({"identifier": "bob", "password": "another long lantern of bob 41"});
    let logged_in = native.post("/v1/login", &login).await.unwrap();
    assert_eq!(expect(200, &logged_in).unwrap()["status"], "complete");
    let bob = native.bearing(&logged_in.text("access_token"));
    expect(
        202,
        &bob.post("/v1/account/email", &json!({"email": new})).await.unwrap(),
    )
    .unwrap();
    let mail = server.mail(new, "Confirm your mail address").await.unwrap();
    let body = json!({"code": token_in(&mail.text).unwrap()});
    expect(204, &native.post("/v1/account/email/confirm", &body).await.unwrap()).unwrap();
    server.mail(&old, "was changed").await.unwrap();
    let account = bob.get("/v1/account").await.unwrap();
    assert_eq!(account.body["email"], new, "{}", account.body);
    assert!(server.mails().iter().all(|mail| mail.to != "nobody@example.org"));
}
