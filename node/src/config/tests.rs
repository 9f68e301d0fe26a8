//! Every refusal names what was given and what is allowed.

use super::*;
use crate::tls::testing::{Authority, Pem};
use std::os::unix::fs::PermissionsExt as _;

/// A folder with good files; tests spoil one thing.
pub(super) struct Site {
    dir: tempfile::TempDir,
}

pub(super) const GOOD: &str = r#"name = "node-2"
node_id = 2
data_dir = "DIR/data"
[cluster]
id = "000102030405060708090a0b0c0d0e0f"
members = [
    { id = 1, name = "node-1", peer_address = "127.0.0.1:7201" },
    { id = 2, name = "node-2", peer_address = "127.0.0.1:7202" },
]
[peer]
listen = "127.0.0.1:7202"
[http]
listen = "127.0.0.1:7102"
public_origins = ["https://localhost:8443", "https://auth.example"]
[ops]
listen = "127.0.0.1:7302"
[tls]
ca = "DIR/ca.pem"
certificate = "DIR/node.pem"
key = "DIR/node.key"
[keys]
key_ring = "DIR/keyring.toml"
"#;

impl Site {
    pub(super) fn new() -> Self {
        let site = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        site.write("ca.pem", &Authority::cached().pem());
        site.write_pair(&Authority::cached().node_pem("node-2"));
        let ring = "active = 1\n[[keys]]\nid = 1\nsecret = \"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\"\n";
        site.write("keyring.toml", ring);
        site
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        self.set_mode(name, 0o600);
    }

    pub(super) fn set_mode(&self, name: &str, mode: u32) {
        let path = self.dir.path().join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn write_pair(&self, pem: &Pem) {
        self.write("node.pem", &pem.certificate);
        self.write("node.key", &pem.key);
    }

    pub(super) fn load(&self, text: &str) -> Result<Config, ConfigError> {
        let text = text.replace("DIR", &self.dir.path().display().to_string());
        self.write("node.toml", &text);
        Config::load(&self.dir.path().join("node.toml"))
    }

    /// The refusal of the good configuration with `from` replaced by `to`.
    fn refusal(&self, from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "{from}");
        self.refusal_of(&GOOD.replace(from, to))
    }

    pub(super) fn refusal_of(&self, text: &str) -> String {
        match self.load(text) {
            Ok(_) => panic!("not refused:\n{text}"),
            Err(error) => error.to_string(),
        }
    }
}

#[track_caller]
pub(super) fn assert_says(refusal: &str, words: &[&str]) {
    for word in words {
        assert!(refusal.contains(word), "{word:?} is not in: {refusal}");
    }
}

#[test]
fn a_short_configuration_has_defaults_for_the_rest() {
    let config = Site::new().load(GOOD).map_err(|error| error.to_string()).unwrap();
    assert_eq!(
        (config.name.as_str(), config.node_id, config.cluster.members.len()),
        ("node-2", Some(2), 2)
    );
    assert_eq!(config.cluster.id[15], 0x0f);
    assert!(!config.cluster.initialize && config.mail.is_none() && config.otlp_endpoint.is_none());
    assert_eq!(config.timing, raft_store::Timing::default());
    assert_eq!(config.tokens.issuer, "https://localhost:8443", "the first origin");
    assert_eq!(
        (config.tokens.access_seconds, config.tokens.refresh_seconds),
        (3600, 5_184_000)
    );
    assert_eq!(
        (config.hashing.params.memory_kib(), config.hashing.params.passes()),
        (19_456, 2)
    );
    assert_eq!(config.http.request_deadline, Duration::from_secs(5));
    assert_eq!(config.login_per_address_per_minute, 30);
}

#[test]
fn unknown_and_missing_settings_are_named() {
    let site = Site::new();
    assert_says(
        &site.refusal("node_id = 2", "node_id = 2\nquorum = 1"),
        &["node.toml", "quorum"],
    );
    assert_says(&site.refusal("[ops]\nlisten = \"127.0.0.1:7302\"\n", ""), &["ops"]);
    assert_says(&site.refusal("id = 1,", "id = 1, weight = 3,"), &["weight"]);
    for section in ["timing", "hashing", "tokens", "dialects", "limits", "telemetry", "mail"] {
        assert_says(
            &site.refusal_of(&format!("{GOOD}[{section}]\nnonsense = 1\n")),
            &["nonsense"],
        );
    }
}

#[test]
fn members_must_be_told_apart_and_this_node_must_be_one() {
    let site = Site::new();
    let rule = &["cluster.members", "no two members"];
    assert_says(&site.refusal("id = 1,", "id = 2,"), rule);
    assert_says(&site.refusal("name = \"node-1\"", "name = \"node-2\""), rule);
    assert_says(
        &site.refusal("peer_address = \"127.0.0.1:7201\"", "peer_address = \"127.0.0.1:7202\""),
        rule,
    );
    assert_says(&site.refusal("node_id = 2", "node_id = 3"), &["node_id = 3", "[1, 2]"]);
    assert_says(
        &site.refusal("name = \"node-2\"\nnode_id", "name = \"other\"\nnode_id"),
        &["name = other", "node-2"],
    );
    assert_says(&site.refusal("id = 1,", "id = 0,"), &["cluster.members.id"]);
    assert_says(
        &site.refusal("name = \"node-1\"", "name = \"Node 1\""),
        &["Node 1", "a-z"],
    );
    let moved = site.refusal(
        "[peer]\nlisten = \"127.0.0.1:7202\"",
        "[peer]\nlisten = \"0.0.0.0:7999\"",
    );
    assert_says(
        &moved,
        &[
            "peer.listen = 0.0.0.0:7999",
            "cluster.members.peer_address = 127.0.0.1:7202",
        ],
    );
    assert_says(
        &site.refusal("000102030405060708090a0b0c0d0e0f", "XYZ"),
        &["cluster.id", "XYZ", "32 hexadecimal"],
    );
}

#[test]
fn listeners_must_not_share_a_port() {
    let said = Site::new().refusal("listen = \"127.0.0.1:7302\"", "listen = \"0.0.0.0:7102\"");
    assert_says(&said, &["http.listen = 127.0.0.1:7102", "ops.listen = 0.0.0.0:7102"]);
}

#[test]
fn times_that_clash_are_named_both() {
    let site = Site::new();
    let timing = |text: &str| site.refusal_of(&format!("{GOOD}[timing]\n{text}\n"));
    assert_says(
        &timing("heartbeat_ms = 200"),
        &["election_min_ms = 400", "heartbeat_ms = 200", "600"],
    );
    assert_says(
        &timing("election_max_ms = 400"),
        &["election_max_ms = 400", "election_min_ms = 400"],
    );
    assert_says(&timing("heartbeat_ms = 1"), &["heartbeat_ms = 1", "at least 10"]);
    let slow = timing("election_max_ms = 2500");
    assert_says(&slow, &["request_deadline_ms = 5000", "election_max_ms = 2500"]);
    let short = site.refusal("public_origins", "request_deadline_ms = 100\npublic_origins");
    assert_says(&short, &["request_deadline_ms = 100", "500 to 5500"]);
    let tokens = site.refusal_of(&format!("{GOOD}[tokens]\nrefresh_seconds = 3600\n"));
    assert_says(
        &tokens,
        &["tokens.refresh_seconds = 3600", "tokens.access_seconds = 3600"],
    );
}

#[test]
fn pw_7_hashing_below_the_minimum_is_refused() {
    let site = Site::new();
    let hashing = |text: &str| site.refusal_of(&format!("{GOOD}[hashing]\n{text}\n"));
    assert_says(&hashing("passes = 1"), &["19456", "passes = 1", "OWASP"]);
    assert_says(&hashing("memory_kib = 19455"), &["19455", "OWASP"]);
    assert_says(&hashing("threads = 0"), &["hashing.threads = 0"]);
    assert_says(&hashing("queue_max = 0"), &["hashing.queue_max = 0"]);
    assert!(
        site.load(&format!("{GOOD}[hashing]\nmemory_kib = 47104\npasses = 1\n"))
            .is_ok()
    );
}

#[test]
fn origins_are_what_browsers_send() {
    let site = Site::new();
    for origin in [
        "http://localhost:8443",
        "https://localhost:8443/",
        "https://localhost:8443/path",
        "https://Localhost",
        "https://localhost:443",
        "https://user@localhost",
        "https://",
        "localhost",
        "*",
    ] {
        let said = site.refusal("\"https://auth.example\"", &format!("\"{origin}\""));
        assert_says(&said, &["http.public_origins", origin]);
    }
    assert_says(
        &site.refusal("[\"https://localhost:8443\", \"https://auth.example\"]", "[]"),
        &["public_origins"],
    );
    assert_says(
        &site.refusal_of(&format!("{GOOD}[tokens]\nissuer = \"tfauth\"\n")),
        &["tokens.issuer = tfauth"],
    );
}

#[test]
fn other_values_out_of_range_are_named() {
    let site = Site::new();
    assert_says(
        &site.refusal("node_id = 2", "node_id = 2\nlog_level = \"loud\""),
        &["log_level = loud", "debug"],
    );
    let http = |text: &str| site.refusal("public_origins", &format!("{text}\npublic_origins"));
    assert_says(&http("connections_max = 0"), &["http.connections_max = 0"]);
    let section = |text: &str| site.refusal_of(&format!("{GOOD}{text}\n"));
    assert_says(
        &section("[limits]\nlogin_per_address_per_minute = 0"),
        &["login_per_address_per_minute = 0"],
    );
    assert_says(
        &section("[telemetry]\notlp_endpoint = \"https://x:4317\""),
        &["otlp_endpoint = https://x:4317"],
    );
    assert_says(
        &section("[tokens]\naccess_seconds = 1"),
        &["tokens.access_seconds = 1", "60"],
    );
    assert_says(&section("[tokens]\naudience = \"a b\""), &["tokens.audience"]);
    assert_says(&site.refusal("DIR/data", "DIR/ca.pem"), &["data_dir", "a folder"]);
}

#[test]
fn cr_4_a_key_ring_that_is_missing_or_open_to_others_is_refused() {
    let site = Site::new();
    assert_says(
        &site.refusal("DIR/keyring.toml", "DIR/none.toml"),
        &["keys.key_ring", "none.toml"],
    );
    site.set_mode("keyring.toml", 0o640);
    assert_says(&site.refusal_of(GOOD), &["keys.key_ring", "0640", "chmod 600"]);
    site.set_mode("keyring.toml", 0o600);
    site.set_mode("node.key", 0o644);
    assert_says(&site.refusal_of(GOOD), &["tls.key", "0644", "chmod 600"]);
}

#[test]
fn certificates_must_fit_key_name_and_authority() {
    let site = Site::new();
    let other = Authority::cached().node_pem("node-2");
    site.write("node.key", &other.key);
    assert_says(
        &site.refusal_of(GOOD),
        &["tls.certificate", "tls.key", "must be the one"],
    );

    site.write_pair(&Authority::cached().node_pem("node-1"));
    assert_says(
        &site.refusal_of(GOOD),
        &["tls.certificate", "node-2.node.tfauth.internal"],
    );
    site.write_pair(&Authority::cached().issue(&["node-2.node.tfauth.internal"]));
    assert_says(
        &site.refusal_of(GOOD),
        &["tls.certificate", "the name node.tfauth.internal"],
    );
    site.write_pair(&Authority::new().node_pem("node-2"));
    assert_says(
        &site.refusal_of(GOOD),
        &["tls.certificate", "not issued by an authority of tls.ca"],
    );
    site.write_pair(&Authority::cached().expired_node_pem("node-2"));
    assert_says(&site.refusal_of(GOOD), &["tls.certificate", "has expired"]);

    site.write_pair(&other);
    assert_says(&site.refusal("DIR/ca.pem", "DIR/none.pem"), &["tls.ca", "none.pem"]);
    site.write("ca.pem", "nothing of use");
    assert_says(&site.refusal_of(GOOD), &["tls.ca", "no certificate"]);
}

#[test]
fn a_filter_of_breached_passwords_is_read_and_a_damaged_one_is_refused() {
    let site = Site::new();
    let with = |value: &str| format!("{GOOD}[passwords]\n{value}\n");
    let path = site.dir.path().join("breached");
    let list = "0000000000000000000000000000000000000000:3\n";
    crate::passwords::build(list.as_bytes(), &path, |_| {}).unwrap();
    let loaded = site.load(&with(
        "context_words = [\"Acme Bank\"]\nbreach_filter = \"DIR/breached\"",
    ));
    assert_eq!(
        loaded.ok().and_then(|config| config.passwords.breached_passwords()),
        Some(1)
    );
    let absent = site.refusal_of(&with("breach_filter = \"DIR/none\""));
    assert_says(&absent, &["passwords.breach_filter", "cannot be read"]);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let damaged = site.refusal_of(&with("breach_filter = \"DIR/breached\""));
    assert_says(&damaged, &["passwords.breach_filter", "is damaged", "build it again"]);
    let blank = site.refusal_of(&with("context_words = [\" \"]"));
    assert_says(&blank, &["passwords.context_words", "1 to 64 characters"]);
}

#[test]
fn signing_keys_rotate_by_themselves_unless_told_otherwise() {
    let site = Site::new();
    let with = |days: &str| GOOD.replace("[keys]\n", &format!("[keys]\nrotate_signing_key_days = {days}\n"));
    let rotation = |text: &str| site.load(text).map_err(|error| error.to_string()).unwrap().rotation;
    assert_eq!(rotation(GOOD).after_seconds, Some(90 * 86_400));
    assert_eq!(rotation(GOOD).keep_seconds, 5_184_000, "as long as a session lives");
    assert_eq!(rotation(&with("0")).after_seconds, None);
    assert_says(
        &site.refusal_of(&with("1")),
        &["keys.rotate_signing_key_days = 1", "tokens.refresh_seconds = 5184000"],
    );
}

#[test]
fn se_3_a_session_may_rest_for_longer_than_an_access_token_lives_and_not_for_longer_than_itself() {
    let site = Site::new();
    let with = |text: &str| format!("{GOOD}[tokens]\n{text}\n");
    let idle = |text: &str| site.load(text).map_err(|error| error.to_string()).unwrap().tokens;
    assert_eq!(idle(GOOD).session_idle_seconds, None);
    let strict = "access_seconds = 900\nsession_idle_seconds = 3600\nrefresh_seconds = 86400";
    assert_eq!(idle(&with(strict)).session_idle_seconds, Some(3600));
    assert_says(
        &site.refusal_of(&with("session_idle_seconds = 3600")),
        &["tokens.session_idle_seconds = 3600", "tokens.access_seconds = 3600"],
    );
    assert_says(
        &site.refusal_of(&with("session_idle_seconds = 5184001")),
        &[
            "tokens.session_idle_seconds = 5184001",
            "tokens.refresh_seconds = 5184000",
        ],
    );
}
