//! What the program refuses to start with: exit code 2, a sentence, and nothing served.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::support::node::Node;
use crate::support::pki::Pki;
use crate::support::program::{Options, configure, run};

#[track_caller]
fn assert_refused(command: &str, config: &Path, parts: &[&str]) {
    let output = run(&[command, "--config", config.to_str().expect("text")]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{command}: {message}");
    assert!(
        output.stdout.is_empty(),
        "it said more than the refusal: {:?}",
        output.stdout
    );
    for part in parts {
        assert!(message.contains(part), "{command}: {part:?} is missing in: {message}");
    }
    assert!(!message.contains("panicked"), "{message}");
}

async fn good() -> (Pki, String) {
    let pki = Pki::new();
    let node = Node::start(&pki.authority, &pki, "node-1").await;
    let config = configure(&pki, std::slice::from_ref(&node), &Options::default());
    let text = fs::read_to_string(config).expect("written");
    (pki, text)
}

#[tokio::test]
async fn a_bad_configuration_ends_with_2_and_names_what_is_wrong() {
    let (pki, text) = good().await;
    let cases: [(&str, &str, &[&str]); 7] = [
        (
            "hold_ms = 15000",
            "hold_ms = 15001",
            &["timeouts.hold_ms", "15001", "timeouts.request_ms", "15000"],
        ),
        (
            "try_ms = 5000",
            "try_ms = 50000",
            &["timeouts.try_ms", "50000", "timeouts.request_ms", "15000"],
        ),
        (
            "timeout_ms = 190",
            "timeout_ms = 200",
            &["probe.timeout_ms", "probe.interval_ms", "200"],
        ),
        ("[drain]", "[drain]\nminimum = 1", &["minimum", "min_ms"]),
        (
            "key = \"front.key\"",
            "key = \"lb.key\"",
            &["front.certificate", "front.key", "lb.key"],
        ),
        (
            "ca = \"ca.pem\"",
            "ca = \"missing.pem\"",
            &["backend.ca", "missing.pem"],
        ),
        ("name = \"lb-test\"", "name = 7", &["line 2"]),
    ];
    for (from, to, parts) in cases {
        assert!(text.contains(from), "{from}");
        let config = pki.write("bad.toml", &text.replacen(from, to, 1));
        assert_refused("serve", &config, parts);
        assert_refused("check-config", &config, parts);
    }
}

#[tokio::test]
async fn a_port_in_use_ends_with_2_and_is_named() {
    let (pki, text) = good().await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let front = pki.write(
        "front.toml",
        &text.replacen("listen = [\"127.0.0.1:0\"]", &format!("listen = [\"{address}\"]"), 1),
    );
    assert_refused("serve", &front, &["front.listen", &address, "in use"]);
    let ops = pki.write(
        "ops.toml",
        &text.replacen("listen = \"127.0.0.1:0\"", &format!("listen = \"{address}\""), 1),
    );
    assert_refused("serve", &ops, &["ops.listen", &address, "in use"]);
}

#[tokio::test]
async fn a_good_configuration_is_called_fine() {
    let (pki, text) = good().await;
    let config = pki.write("good.toml", &text);
    let output = run(&["check-config", "--config", config.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("lb-test with 1 nodes"));
}

#[test]
fn help_shows_an_example_for_every_command() {
    for arguments in [
        &["--help"][..],
        &["serve", "--help"],
        &["check-config", "--help"],
        &["status", "--help"],
        &["drain", "--help"],
        &["undrain", "--help"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0));
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("Example:"),
            "{arguments:?}"
        );
    }
}
