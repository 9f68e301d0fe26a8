//! A configuration that is fine, and what is said about each that is not.

use std::fs;

use super::*;

struct Files {
    folder: tempfile::TempDir,
}

fn self_signed(name: &str) -> (String, String) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec![name.to_string()]).expect("a name");
    (
        params.self_signed(&key).expect("a certificate").pem(),
        key.serialize_pem(),
    )
}

fn files() -> Files {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["front", "back", "ca"] {
        let (certificate, key) = self_signed(name);
        fs::write(folder.path().join(format!("{name}.pem")), certificate).expect("written");
        fs::write(folder.path().join(format!("{name}.key")), key).expect("written");
    }
    Files { folder }
}

const GOOD: &str = r#"
name = "lb-1"
[front]
listen = ["127.0.0.1:8443"]
certificate = "front.pem"
key = "front.key"
hosts = ["localhost"]
[ops]
listen = "127.0.0.1:8301"
[backend]
ca = "ca.pem"
certificate = "back.pem"
key = "back.key"
[[nodes]]
name = "node-1"
address = "127.0.0.1:7101"
[[nodes]]
name = "node-2"
address = "127.0.0.1:7102"
"#;

impl Files {
    fn load(&self, text: &str) -> Result<Config, ConfigError> {
        let path = self.folder.path().join("lb.toml");
        fs::write(&path, text).expect("written");
        Config::load(&path)
    }

    /// Loads [`GOOD`] with one text replaced by another, and hands back the message.
    fn refusal(&self, from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "nothing to replace: {from}");
        match self.load(&GOOD.replacen(from, to, 1)) {
            Ok(_) => format!("accepted: {to}"),
            Err(error) => error.to_string(),
        }
    }

    fn refusal_of_section(&self, section: &str) -> String {
        self.refusal("name = \"lb-1\"\n", &format!("name = \"lb-1\"\n{section}\n"))
    }
}

/// A checked configuration with two nodes, for tests of other modules.
pub(crate) fn good_config() -> Config {
    files().load(GOOD).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn assert_names(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is missing in: {message}");
    }
}

#[test]
fn a_good_configuration_gets_the_documented_defaults() {
    let config = files().load(GOOD).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.nodes.len(), 2);
    assert_eq!(config.nodes[0].certificate_name(), "node-1.node.tfauth.internal");
    assert_eq!(config.timeouts.connect, Duration::from_millis(300));
    assert_eq!(config.timeouts.one_try, Duration::from_secs(6));
    assert_eq!(config.timeouts.request, Duration::from_secs(10));
    assert_eq!(config.probe.interval, Duration::from_millis(500));
    assert_eq!(config.drain.max, Duration::from_secs(30));
    assert_eq!(config.log_level, tracing::Level::INFO);
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let files = files();
    assert_names(
        &files.refusal("name = \"lb-1\"", "name = \"lb-1\"\nnmae = 1"),
        &["nmae", "line 3"],
    );
    assert_names(&files.refusal("hosts =", "host ="), &["host"]);
    assert_names(
        &files.refusal_of_section("[probe]\ninterval = 1"),
        &["interval", "interval_ms"],
    );
}

#[test]
fn clashing_settings_are_both_named() {
    let files = files();
    let clashes = [
        (
            "[timeouts]\ntry_ms = 11000",
            ["timeouts.try_ms", "11000", "timeouts.request_ms", "10000"],
        ),
        (
            "[timeouts]\nconnect_ms = 400\ntry_ms = 300",
            ["timeouts.connect_ms", "400", "timeouts.try_ms", "300"],
        ),
        (
            "[probe]\ntimeout_ms = 500",
            ["probe.timeout_ms", "500", "probe.interval_ms", "500"],
        ),
        (
            "[drain]\nmin_ms = 40000",
            ["drain.min_ms", "40000", "drain.max_ms", "30000"],
        ),
    ];
    for (section, parts) in clashes {
        assert_names(&files.refusal_of_section(section), &parts);
    }
    assert_names(
        &files.refusal("127.0.0.1:7102", "127.0.0.1:7101"),
        &["nodes.address", "127.0.0.1:7101"],
    );
    assert_names(&files.refusal("node-2", "node-1"), &["nodes.name", "node-1"]);
    assert_names(
        &files.refusal("127.0.0.1:8301", "127.0.0.1:8443"),
        &["front.listen", "ops.listen", "127.0.0.1:8443"],
    );
}

#[test]
fn a_value_out_of_range_is_named_with_what_is_allowed() {
    let files = files();
    let values = [
        ("name = \"lb-1\"", "name = \"LB 1\"", ["name", "LB 1", "a-z"]),
        (
            "name = \"lb-1\"",
            "name = \"lb-1\"\nlog_level = \"loud\"",
            ["log_level", "loud", "debug"],
        ),
        ("[\"127.0.0.1:8443\"]", "[]", ["front.listen", "0", "1 to 16"]),
        (
            "[\"127.0.0.1:8443\"]",
            "[\"localhost:8443\"]",
            ["front.listen", "localhost:8443", "IP address"],
        ),
        ("[\"localhost\"]", "[]", ["front.hosts", "[]", "at least one"]),
        (
            "[\"localhost\"]",
            "[\"https://localhost\"]",
            ["front.hosts", "https://localhost", "without scheme"],
        ),
        (
            "127.0.0.1:7102",
            "127.0.0.1:0",
            ["nodes.address", "127.0.0.1:0", "1 to 65535"],
        ),
        (
            "name = \"lb-1\"",
            "name = \"lb-1\"\n[limits]\nlogins_per_minute = 0",
            ["limits.logins_per_minute", "0", "1 to"],
        ),
    ];
    for (from, to, parts) in values {
        assert_names(&files.refusal(from, to), &parts);
    }
}

#[test]
fn a_certificate_that_does_not_match_its_key_is_refused() {
    let files = files();
    assert_names(
        &files.refusal("front.key", "back.key"),
        &["front.certificate", "front.pem", "front.key", "back.key"],
    );
    assert_names(
        &files.refusal("\"back.key\"", "\"front.key\""),
        &["backend.certificate", "backend.key"],
    );
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let files = files();
    assert_names(
        &files.refusal("front.pem", "none.pem"),
        &["front.certificate", "none.pem", "No such file"],
    );
    assert_names(
        &files.refusal("ca.pem", "ca.key"),
        &["backend.ca", "ca.key", "no certificate"],
    );
    assert_names(
        &files.refusal("front.key", "front.pem"),
        &["front.key", "front.pem", "no private key"],
    );
    let path = files.folder.path().join("none.toml");
    let message = Config::load(&path)
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert_names(&message, &["--config", "none.toml"]);
}
