//! What runs in the process of a member: opens the store, writes without end when told to, and tells what it has.

use super::ledger::{Ledger, command, decode, number_of, wrong_rows};
use super::stages;
use cluster_harness::certs::NODE_SUFFIX;
use raft_store::{Config, Limits, PeerTls, Read as _, Role, Store, TableId, Timing, Versions, WallClock};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};
use std::io::{BufRead as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Clients of one member.
pub(super) const CLIENTS: u64 = 8;
const CLUSTER: [u8; 16] = [0xC1; 16];
const PATIENCE: Duration = Duration::from_secs(30);

/// What a member is told on its command line.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its number.
    pub id: u64,
    /// Where members listen, in the order of their numbers.
    pub addresses: Vec<SocketAddr>,
    /// Certificates and keys.
    pub papers: PathBuf,
    /// Its data folder.
    pub data: PathBuf,
    /// Whether a flush of sled is an fsync. Switched off only to show that the proofs notice.
    pub real_fsync: bool,
}

/// Runs until the input ends, or until the store fails.
///
/// # Errors
/// The store refuses to open, or fails; in its words.
pub fn run(task: &Task) -> Result<(), String> {
    if task.real_fsync {
        raft_store::install_real_fsync().map_err(|e| e.to_string())?;
    } else {
        raft_store::dangerously_allow_flush_without_fsync();
    }
    say("opening");
    stages::install();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    runtime.block_on(live(task))
}

async fn live(task: &Task) -> Result<(), String> {
    let opened = Store::open(config(task)?, Arc::new(Ledger)).await;
    let store = opened.map_err(|e| {
        say(&format!("refused {}", one_line(&e.to_string())));
        e.to_string()
    })?;
    say("open");
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            fault = store.failed() => {
                say(&format!("fault {}", one_line(&fault.to_string())));
                return Err(fault.to_string());
            }
        };
        match line.as_deref() {
            Some("write") => (1..=CLIENTS).for_each(|client| drop(tokio::spawn(write(store.clone(), task.id, client)))),
            Some("report") => report(&store, task.addresses.len() as u64).await?,
            Some(other) => return Err(format!("unknown line {other:?}")),
            // The parent is gone.
            None => return Ok(()),
        }
    }
}

fn config(task: &Task) -> Result<Config, String> {
    let member = |(id, address): (u64, &SocketAddr)| raft_store::Member {
        id,
        name: name(id),
        peer_address: *address,
    };
    let position = usize::try_from(task.id - 1).map_err(|e| e.to_string())?;
    let address = *task.addresses.get(position).ok_or("a member without an address")?;
    Ok(Config {
        node_id: Some(task.id),
        name: name(task.id),
        cluster_id: CLUSTER,
        initialize: task.id == 1,
        members: (1..).zip(&task.addresses).map(member).collect(),
        data_dir: task.data.clone(),
        listen: address,
        advertise: address,
        join: None,
        versions: Versions { min: 1, max: 1 },
        wall_clock: WallClock::system(),
        tls: tls(&task.papers, &name(task.id))?,
        timing: Timing::default(),
        limits: Limits {
            // Small enough that every life sees checkpoints and purges.
            checkpoint_entries: 200,
            log_kept_entries: 50,
            log_cache_bytes: 8 << 20,
            state_cache_bytes: 8 << 20,
            ..Limits::default()
        },
    })
}

/// The name of a member in its certificate.
pub(super) fn name(id: u64) -> String {
    format!("node-{id}")
}

fn tls(papers: &Path, name: &str) -> Result<PeerTls, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate =
        |file: String| CertificateDer::from_pem_file(papers.join(&file)).map_err(|e| format!("{file}: {e}"));
    let key = || PrivateKeyDer::from_pem_file(papers.join(format!("{name}.key"))).map_err(|e| e.to_string());
    let chain = || Ok::<_, String>(vec![certificate(format!("{name}.pem"))?]);
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem".into())?).map_err(|e| e.to_string())?;
    let roots = Arc::new(roots);
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
        .build()
        .map_err(|e| e.to_string())?;
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_client_cert_verifier(verifier)
                .with_single_cert(chain().unwrap_or_default(), key().map_err(rustls::Error::General)?)
        })
        .map_err(|e| e.to_string())?;
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_root_certificates(roots)
                .with_client_auth_cert(chain().unwrap_or_default(), key().map_err(rustls::Error::General)?)
        })
        .map_err(|e| e.to_string())?;
    Ok(PeerTls {
        server: Arc::new(server),
        client: Arc::new(client),
        server_name_suffix: NODE_SUFFIX.to_owned(),
    })
}

/// The key of one client of one member.
pub(super) fn key(id: u64, client: u64) -> String {
    format!("n{id}c{client}")
}

/// Counts its own key up for ever, saying so after each acknowledgement.
async fn write(store: Store, id: u64, client: u64) {
    let key = key(id, client);
    let mut next = loop {
        let ready = store.read_barrier(Instant::now() + PATIENCE).await;
        if let Some(number) = ready.ok().and_then(|_| number_of(&store, &key).ok()) {
            break number + 1;
        }
    };
    loop {
        match store.propose(command(&key, next), Instant::now() + PATIENCE).await {
            Ok(applied) if decode(&applied.reply) == next => {
                let status = store.status();
                // A leader that has answered has its vote on disk.
                let term = if status.role == Role::Leader { status.term } else { 0 };
                say(&format!("ack {key} {next} {term}"));
                next += 1;
            }
            Ok(applied) => say(&format!("bad reply to {key} {next}: {}", decode(&applied.reply))),
            // Unknown: the same number again.
            Err(_) => {}
        }
    }
}

/// Numbers of all keys, rows that are wrong, its term, and a digest of everything.
async fn report(store: &Store, members: u64) -> Result<(), String> {
    store
        .read_barrier(Instant::now() + PATIENCE)
        .await
        .map_err(|e| e.to_string())?;
    for id in 1..=members {
        for client in 1..=CLIENTS {
            let key = key(id, client);
            let number = number_of(store, &key)?;
            say(&format!("count {key} {number}"));
            for wrong in wrong_rows(&store.view(), &key, number) {
                say(&format!("bad {wrong}"));
            }
        }
    }
    say(&format!("term {}", store.status().term));
    let (applied, digest) = digest(store)?;
    say(&format!("digest {applied} {digest}"));
    Ok(())
}

fn digest(store: &Store) -> Result<(u64, String), String> {
    loop {
        let before = store.status().applied;
        let view = store.view();
        let mut hash = Sha256::new();
        for table in [TableId(1), TableId(2)] {
            let rows = view
                .range(table, &[], &[0xFF; 32], usize::MAX)
                .map_err(|e| e.to_string())?;
            for (key, value) in rows {
                hash.update((key.len() as u64).to_be_bytes());
                hash.update(&key);
                hash.update((value.len() as u64).to_be_bytes());
                hash.update(&value);
            }
        }
        if store.status().applied == before {
            let hex = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok((before, hex));
        }
    }
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

pub(super) fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    // Without a parent there is nobody to tell.
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}
