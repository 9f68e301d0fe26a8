//! Machines that do not belong: a certificate of another authority, another cluster, another protocol, a frame over the limit, a
//! clock that jumped. Each is refused in words that both logs have, and users notice nothing.
#![cfg(test)]

use chaos_tests::api::Api;
use chaos_tests::limits::{GAP_MAX, POLL};
use chaos_tests::load::{Report, Traffic};
use chaos_tests::moved_clock::missing;
use chaos_tests::nemeses::clock;
use chaos_tests::pool::Pool;
use chaos_tests::skipping::skipped;
use cluster_harness::certs::Authority;
use cluster_harness::cluster::{Cluster, Options};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const LOGINS_PER_SECOND: u32 = 4;
/// As many as there are logins until each has a new code.
const ACCOUNTS: usize = 120;
const PATIENCE: Duration = Duration::from_secs(60);
/// Of greetings, see raft-store's `peer/greeting.rs`.
const PROTOCOL: u16 = 3;
const GUEST: u8 = 1;
const WELCOME: u16 = 0;
const PROTOCOL_REFUSED: u16 = 1;
const CLUSTER_REFUSED: u16 = 2;

/// Three nodes under load, of which one is made a stranger.
struct Ward {
    cluster: Cluster,
    traffic: Traffic,
    stranger: String,
    leader: String,
}

fn edit(config: &Path, section: &str, key: &str, value: impl Into<toml::Value>) {
    let mut table: toml::Table = std::fs::read_to_string(config).unwrap().parse().unwrap();
    table[section]
        .as_table_mut()
        .unwrap()
        .insert(key.to_owned(), value.into());
    std::fs::write(config, table.to_string()).unwrap();
}

impl Ward {
    async fn open(cluster: Cluster) -> Self {
        let client = cluster.client().unwrap();
        let apis: Vec<Api> = cluster.urls().iter().map(|url| Api::new(client.clone(), url)).collect();
        let pool = Arc::new(Pool::enrol(&apis, "user", ACCOUNTS).await.unwrap());
        let leader = cluster.find_leader().await.unwrap();
        let mut names = cluster.description().nodes.into_iter().map(|node| node.name);
        let stranger = names.rfind(|name| *name != leader).unwrap();
        let traffic = Traffic::start(apis[0].clone(), pool, LOGINS_PER_SECOND);
        Self {
            cluster,
            traffic,
            stranger,
            leader,
        }
    }

    fn config(&self, name: &str, section: &str, key: &str) -> String {
        let text = std::fs::read_to_string(self.cluster.layout().config(name)).unwrap();
        let table: toml::Table = text.parse().unwrap();
        table[section][key].as_str().unwrap().to_owned()
    }

    fn edit(&self, section: &str, key: &str, value: &str) {
        edit(&self.cluster.layout().config(&self.stranger), section, key, value);
    }

    fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.cluster.layout().log(name)).unwrap_or_default()
    }

    /// Waits until a log has a line with all of these words, that it did not have before.
    async fn logs(&self, name: &str, before: usize, words: &[&str]) {
        let until = Instant::now() + PATIENCE;
        loop {
            let log = self.log(name);
            let new = &log[before..];
            if let Some(line) = new.lines().find(|line| words.iter().all(|word| line.contains(word))) {
                println!("{name}: {line}");
                return;
            }
            assert!(Instant::now() < until, "{words:?} not in the log of {name}:\n{new}");
            tokio::time::sleep(POLL).await;
        }
    }

    async fn not_ready(&self, word: &str) {
        let nodes = self.cluster.description().nodes;
        let ops = &nodes.iter().find(|node| node.name == self.stranger).unwrap().ops;
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = cluster_harness::http::ops_client()
                .unwrap()
                .get(format!("{ops}/readyz"))
                .send()
                .await
                .unwrap();
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            if status == 503 && text.contains(word) {
                println!("{}: {text}", self.stranger);
                return;
            }
            assert!(Instant::now() < until, "{status} {text}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// The stranger runs as it is configured now; both sides say why it is none of them.
    async fn is_refused(&self, ours: &[&str], theirs: &[&str]) {
        let (our_log, their_log) = (self.log(&self.leader).len(), self.log(&self.stranger).len());
        self.cluster.members().launch(&self.stranger).await.unwrap();
        self.logs(&self.leader, our_log, ours).await;
        self.logs(&self.stranger, their_log, theirs).await;
        self.cluster.members().kill(&self.stranger).await.unwrap();
    }

    /// Nobody noticed anything.
    async fn close(self) {
        self.cluster.wait_healthy().await.unwrap();
        let report = Report::of(&self.traffic.finish().await.unwrap());
        println!("meanwhile: {report}");
        assert_eq!(report.failures, Vec::<String>::new());
        assert!(report.longest_gap <= GAP_MAX && report.logins > 5, "{report}");
    }

    /// A connection to the leader's listener for members, with the stranger's certificate.
    async fn dial(&self) -> TlsStream<TcpStream> {
        let (layout, name) = (self.cluster.layout(), &self.stranger);
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(layout.ca()).unwrap()).unwrap();
        let chain = vec![CertificateDer::from_pem_file(layout.certificate(name)).unwrap()];
        let key = PrivateKeyDer::from_pem_file(layout.key(name)).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .unwrap();
        let tcp = TcpStream::connect(self.config(&self.leader, "peer", "listen"))
            .await
            .unwrap();
        let server = ServerName::try_from(format!("{}.node.tfauth.internal", self.leader)).unwrap();
        TlsConnector::from(Arc::new(client)).connect(server, tcp).await.unwrap()
    }

    /// Greets as a node that wants to be let in, and returns the number of the answer.
    async fn greet(&self, stream: &mut TlsStream<TcpStream>, protocol: u16, cluster: &str) -> u16 {
        let id = (0..16).map(|at| u8::from_str_radix(&cluster[at * 2..at * 2 + 2], 16).unwrap());
        let id: Vec<u8> = id.collect();
        let name = self.stranger.as_bytes();
        let body = [
            b"TFRS".as_slice(),
            &protocol.to_be_bytes(),
            &protocol.to_be_bytes(),
            &[GUEST],
            &id,
            &0_u64.to_be_bytes(),
            &u32::try_from(name.len()).unwrap().to_be_bytes(),
            name,
            &[9; 16],
            &0_u64.to_be_bytes(),
            &1_u32.to_be_bytes(),
            &9_u32.to_be_bytes(),
            &[9; 16],
            &1_u64.to_be_bytes(),
            &1_u64.to_be_bytes(),
            &0_u64.to_be_bytes(),
            &0_u32.to_be_bytes(),
        ]
        .concat();
        stream.write_u32(u32::try_from(body.len()).unwrap()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        stream.flush().await.unwrap();
        let length = stream.read_u32().await.unwrap();
        let mut answer = vec![0; length as usize];
        stream.read_exact(&mut answer).await.unwrap();
        u16::from_be_bytes([answer[8], answer[9]])
    }
}

#[tokio::test]
async fn a_foreign_certificate_another_cluster_and_broken_frames_are_refused_in_words_and_harm_nobody() {
    let ward = Ward::open(Cluster::start(Options::default()).await.unwrap()).await;
    let (layout, name) = (ward.cluster.layout().clone(), ward.stranger.clone());
    ward.cluster.members().stop(&name).await.unwrap();
    let original = std::fs::read(layout.config(&name)).unwrap();

    // All its papers are of an authority that nobody here knows.
    let foreign = Authority::generate().unwrap();
    let pair = foreign.issue_node(&name).unwrap();
    for (key, text) in [
        ("ca", foreign.pem()),
        ("certificate", &pair.certificate),
        ("key", &pair.key),
    ] {
        let path = layout.root().join(format!("foreign-{key}.pem"));
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        ward.edit("tls", key, path.to_str().unwrap());
    }
    ward.is_refused(
        &["cannot connect to a member", "invalid peer certificate"],
        &["cannot connect to a member", "invalid peer certificate"],
    )
    .await;
    std::fs::write(layout.config(&name), &original).unwrap();

    // Its papers are good, and it believes to be of another cluster.
    let ours = ward.config(&name, "cluster", "id");
    let other = "00112233445566778899aabbccddeeff";
    let kept = layout.root().join("kept");
    std::fs::rename(layout.data(&name), &kept).unwrap();
    ward.edit("cluster", "id", other);
    ward.is_refused(
        &["cannot connect to a member", other],
        &["refused a connection for members", other],
    )
    .await;
    std::fs::write(layout.config(&name), &original).unwrap();
    std::fs::remove_dir_all(layout.data(&name)).unwrap();
    std::fs::rename(&kept, layout.data(&name)).unwrap();
    ward.cluster.members().start(&name).await.unwrap();

    // What a program of another version would say, and what no program says.
    let before = ward.log(&ward.leader).len();
    assert_eq!(ward.greet(&mut ward.dial().await, 9, &ours).await, PROTOCOL_REFUSED);
    ward.logs(&ward.leader, before, &["refused a connection for members", "protocol"])
        .await;
    assert_eq!(
        ward.greet(&mut ward.dial().await, PROTOCOL, other).await,
        CLUSTER_REFUSED
    );
    let mut stream = ward.dial().await;
    assert_eq!(ward.greet(&mut stream, PROTOCOL, &ours).await, WELCOME);
    let before = ward.log(&ward.leader).len();
    stream.write_u32(u32::MAX).await.unwrap();
    stream.flush().await.unwrap();
    assert!(stream.read_u8().await.is_err(), "the connection ends");
    ward.logs(&ward.leader, before, &["broke the rules", "is over"]).await;
    ward.close().await;
}

#[tokio::test]
async fn otp_5_a_node_whose_clock_jumped_is_not_ready_and_users_notice_nothing() {
    if skipped(missing(), true) {
        return;
    }
    let library = clock::library().unwrap();
    let ward = Ward::open(Cluster::start(Options::default()).await.unwrap()).await;
    let file = ward.cluster.layout().root().join("clock");
    clock::set(&file, clock::RIGHT).unwrap();
    let members = ward.cluster.members();
    members.equip(&ward.stranger, clock::equipment(&library, &file));
    members.stop(&ward.stranger).await.unwrap();
    members.start(&ward.stranger).await.unwrap();
    ward.cluster.wait_healthy().await.unwrap();
    for (jump, told) in [
        ("+3600", "s ahead of those of a quorum"),
        ("-3600", "s behind those of a quorum"),
    ] {
        clock::set(&file, jump).unwrap();
        ward.not_ready(told).await;
    }
    clock::set(&file, clock::RIGHT).unwrap();
    ward.close().await;
}
