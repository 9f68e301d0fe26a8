//! Login codes by the operator's HTTP gateway: a real receiver that checks the signature, over a real cluster.
#![cfg(test)]

use chaos_tests::api::Person;
use chaos_tests::limits::RECOVERY_MAX;
use chaos_tests::mail::user::{MailUser, expect};
use chaos_tests::mail::{free_port, token_in};
use chaos_tests::native::Native;
use cluster_harness::cluster::{Cluster, Options};
use cluster_harness::config::{Gateway, Mail};
use reqwest::Method;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const SECRET: &str = "a shared secret of forty characters long";

/// The receiver; it ends with this value.
struct Receiver {
    process: Child,
    orders: ChildStdin,
    lines: mpsc::Receiver<String>,
}

impl Receiver {
    fn start(port: u16) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mail/gateway.py");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).arg(port.to_string()).arg(SECRET);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (told, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if told.send(line).is_err() {
                    return;
                }
            }
        });
        let mut receiver = Self {
            orders: process.stdin.take().unwrap(),
            process,
            lines,
        };
        assert_eq!(receiver.line(), "READY");
        receiver
    }

    fn line(&mut self) -> String {
        self.lines
            .recv_timeout(RECOVERY_MAX)
            .expect("the receiver gets something")
    }

    fn message(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    /// Answers the next message with this.
    fn answer_next(&mut self, status: u16) {
        writeln!(self.orders, "{status}").unwrap();
        self.orders.flush().unwrap();
        assert_eq!(self.line(), "MODE");
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The newest file of the mail folder to an address that has a token.
async fn mailed_token(cluster: &Cluster, to: &str) -> String {
    let deadline = Instant::now() + RECOVERY_MAX;
    loop {
        for file in std::fs::read_dir(cluster.mail_dir()).unwrap().flatten() {
            let text = std::fs::read_to_string(file.path()).unwrap_or_default();
            if let Some(token) = token_in(&text).filter(|_| text.contains(to)) {
                return token;
            }
        }
        assert!(Instant::now() < deadline, "no mail to {to}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn login_codes_go_to_the_gateway_signed_and_are_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let secret_file = folder.path().join("secret");
    std::fs::write(&secret_file, SECRET).unwrap();
    std::fs::set_permissions(&secret_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let port = free_port().unwrap();
    let mut receiver = Receiver::start(port);
    let gateway = Gateway {
        url: format!("http://127.0.0.1:{port}/messages"),
        secret_file,
        private_addresses: true,
        login_codes: true,
    };
    let cluster = Cluster::start(Options {
        surroundings: Mail::Gateway(gateway).into(),
        ..Options::default()
    })
    .await
    .unwrap();
    let native = Native::new(&cluster).unwrap();
    let admin = native.administrator(&cluster).await.unwrap();
    admin.ask_nobody_by_chance().await.unwrap();
    let person = Person::new("ana");
    let body = json!({"username": "ana", "email": person.email, "password": person.password});
    expect(201, &native.post("/v1/accounts", &body).await.unwrap()).unwrap();
    let token = mailed_token(&cluster, &person.email).await;
    let confirm = native
        .post("/v1/account/email/confirm", &json!({"code": token}))
        .await
        .unwrap();
    expect(204, &confirm).unwrap();
    let ana = MailUser { person };
    let plain = ana.log_in_002(&native).await.unwrap();
    expect(200, &plain).unwrap();
    let on = native.bearing(&plain.text("access"));
    let on = on
        .call(Method::PUT, "/v1/factors/email", Some(&json!({"enabled": true})))
        .await
        .unwrap();
    expect(204, &on).unwrap();

    // The first answer asks for patience, the second takes it: the same message twice, under one id.
    receiver.answer_next(503);
    let first = ana.log_in_002(&native).await.unwrap();
    expect(200, &first).unwrap();
    let (refused, taken) = (receiver.message(), receiver.message());
    assert_eq!((&refused["status"], &taken["status"]), (&json!(503), &json!(200)));
    assert_eq!((&refused["genuine"], &taken["genuine"]), (&json!(true), &json!(true)));
    assert_eq!((&refused["id"], &refused["message"]), (&taken["id"], &taken["message"]));
    let message = &taken["message"];
    assert_eq!(
        (&message["kind"], &message["to"]),
        (&json!("login_code"), &json!("ana@example.org"))
    );
    let code = message["code"].as_str().unwrap();
    let done = ana.validate_002(&native, code, &first).await.unwrap();
    assert_eq!(expect(200, &done).unwrap()["nickname"], "ana");

    // Refused for good: the dialect says so.
    receiver.answer_next(410);
    let refused = ana.log_in_004(&native).await.unwrap();
    expect(500, &refused).unwrap();
    assert_eq!(receiver.message()["status"], 410);
}
