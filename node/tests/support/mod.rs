//! A real node as a child process: its certificates, its configuration, its end.

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use reqwest::{Certificate, Client, Identity};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longest time that any state may take to come: generous, because machines that test are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const NAME: &str = "node-1.node.tfauth.internal";
const CLUSTER: &str = "000102030405060708090a0b0c0d0e0f";

/// Folder, certificates and configuration of a cluster of one.
pub(crate) struct Site {
    dir: tempfile::TempDir,
    pub(crate) http: SocketAddr,
    pub(crate) peer: SocketAddr,
    pub(crate) ops: SocketAddr,
    ca: String,
    lb: String,
}

impl Site {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let (certificate, key) = issue(&issuer, &["node.tfauth.internal", NAME]);
        write(&dir.path().join("ca.pem"), &ca);
        write(&dir.path().join("node-1.pem"), &certificate);
        write(&dir.path().join("node-1.key"), &key);
        let (certificate, key) = issue(&issuer, &["lb.tfauth.internal"]);
        let lb = format!("{certificate}{key}");
        let [http, peer, ops] = free_addresses();
        let site = Self {
            dir,
            http,
            peer,
            ops,
            ca,
            lb,
        };
        site.write_key_ring();
        site.configure(|text| text);
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write_key_ring(&self) {
        let ring = "active = 1\n[[keys]]\nid = 1\nsecret = \"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\"\n";
        write(&self.path("keyring.toml"), ring);
    }

    /// Writes the configuration, changed by `edit`.
    pub(crate) fn configure(&self, edit: impl FnOnce(String) -> String) {
        let dir = self.dir.path().display();
        let (http, peer, ops) = (self.http, self.peer, self.ops);
        let text = format!(
            r#"name = "node-1"
node_id = 1
data_dir = "{dir}/data"
[cluster]
id = "{CLUSTER}"
initialize = true
members = [ {{ id = 1, name = "node-1", peer_address = "{peer}" }} ]
[peer]
listen = "{peer}"
[http]
listen = "{http}"
public_origins = ["https://localhost:8443"]
[ops]
listen = "{ops}"
[tls]
ca = "{dir}/ca.pem"
certificate = "{dir}/node-1.pem"
key = "{dir}/node-1.key"
[keys]
key_ring = "{dir}/keyring.toml"
[hashing]
memory_kib = 7168
passes = 5
[mail]
from = "tfauth <no-reply@localhost>"
folder = "{dir}/mail"
"#
        );
        write(&self.path("node.toml"), &edit(text));
    }

    pub(crate) fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tfauth-node"));
        command
            .arg(verb)
            .arg("--config")
            .arg(self.path("node.toml"))
            .stdin(Stdio::null());
        command
    }

    /// Starts the node; its log goes to a file.
    pub(crate) fn start(&self) -> Node<'_> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .unwrap();
        let child = self
            .command("serve")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Node { site: self, child }
    }

    /// Starts a node that takes a file that must not grow for an error, not for its end. Its log goes to a pipe.
    pub(crate) fn start_bounded(&self) -> Node<'_> {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" serve --config \"$1\""]);
        command
            .arg(env!("CARGO_BIN_EXE_tfauth-node"))
            .arg(self.path("node.toml"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        Node { site: self, child }
    }

    /// Runs a node that must refuse, and returns what it says.
    pub(crate) fn refusal(&self) -> String {
        let (code, said) = self.ends_by_itself();
        assert_eq!(code, Some(2), "{said}");
        said
    }

    /// Runs a node that must not serve; its exit code and what it says.
    pub(crate) fn ends_by_itself(&self) -> (Option<i32>, String) {
        let mut child = self
            .command("serve")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let status = wait(&mut child).unwrap_or_else(|| panic!("the node serves although it should refuse"));
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code(), said)
    }

    /// A client that the node takes for a load balancer.
    pub(crate) fn lb(&self) -> Client {
        self.client(Some(&self.lb))
    }

    /// A client with this certificate and key, or none.
    pub(crate) fn client(&self, identity: Option<&str>) -> Client {
        node::tls::install_provider();
        let mut builder = Client::builder()
            .tls_certs_only([Certificate::from_pem(self.ca.as_bytes()).unwrap()])
            .resolve(NAME, self.http)
            .timeout(Duration::from_secs(10))
            .no_proxy();
        if let Some(pem) = identity {
            builder = builder.identity(Identity::from_pem(pem.as_bytes()).unwrap());
        }
        builder.build().unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{NAME}:{}{path}", self.http.port())
    }

    pub(crate) fn ops_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.ops)
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

/// A running node; killed when dropped.
pub(crate) struct Node<'a> {
    site: &'a Site,
    child: Child,
}

impl Node<'_> {
    /// Waits until the node says that it is ready.
    pub(crate) async fn ready(&mut self) {
        let client = self.site.client(None);
        let began = Instant::now();
        loop {
            let answer = client.get(self.site.ops_url("/readyz")).send().await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && began.elapsed() < PATIENCE,
                "{ended:?}\n{}",
                self.site.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// From now on no file of the node can grow: the disk is as good as full.
    pub(crate) fn forbid_growth(&self) {
        let nothing = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Fsize, nothing).unwrap();
    }

    /// Waits for the end, and for what the node wrote to its pipe.
    pub(crate) fn end_with_log(mut self) -> (ExitStatus, String) {
        let mut log = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut log).unwrap();
        (self.end(), log)
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> ExitStatus {
        wait(&mut self.child).unwrap_or_else(|| panic!("the node does not end\n{}", self.site.log()))
    }
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait(child: &mut Child) -> Option<ExitStatus> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    None
}

fn issue(issuer: &Issuer<'static, KeyPair>, names: &[&str]) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
}

/// Addresses that were free a moment ago, all at the same time.
fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let listeners: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

fn write(path: &Path, text: &str) {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
