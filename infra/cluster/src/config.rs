//! The configuration files of nodes and load balancers, in the form that their parsers read. Written anew at each start.

use crate::certs::FRONT;
use crate::entropy;
use crate::error::{Error, Result};
use crate::files;
use crate::layout::Layout;
use crate::limits::{
    DEV_CONNECTIONS_PER_ADDRESS, DEV_DRAIN_MILLIS_MAX, DEV_DRAIN_MILLIS_MIN, DEV_LOGINS_PER_MINUTE,
    DEV_REQUESTS_PER_SECOND, SOCKET_PATH_BYTES_MAX,
};
use crate::settings::Settings;
use crate::surroundings::Surroundings;
use base64::Engine as _;
use serde::Serialize;
use std::path::PathBuf;

/// How the nodes deliver mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mail {
    /// Into a folder of the cluster.
    #[default]
    Folder,
    /// To a server, `host:port`.
    Smtp(String),
    /// To servers in order of preference.
    Servers(Vec<MailServer>),
    /// Into a folder of the cluster, but login codes to a gateway.
    Gateway(Gateway),
}

/// One mail server, as the node's configuration names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MailServer {
    /// `host:port`.
    pub address: String,
    /// `starttls`, `tls` or `none`.
    pub tls: &'static str,
    /// One more authority to trust.
    pub ca: Option<PathBuf>,
    /// To log in with.
    pub username: Option<String>,
    /// Where the password is.
    pub password_file: Option<PathBuf>,
}

/// A gateway on this machine that takes login codes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gateway {
    /// Where to post.
    pub url: String,
    /// Where the shared secret is.
    pub secret_file: PathBuf,
    /// Must be true on this machine.
    pub private_addresses: bool,
    /// Login codes go to it.
    pub login_codes: bool,
}

#[derive(Serialize)]
struct NodeFile {
    name: String,
    node_id: u16,
    data_dir: PathBuf,
    log_level: &'static str,
    cluster: ClusterPart,
    peer: PeerPart,
    http: HttpPart,
    ops: ListenPart,
    tls: TlsPart,
    keys: KeysPart,
    hashing: HashingPart,
    dialects: DialectsPart,
    limits: NodeLimitsPart,
    mail: MailPart,
    gateway: Option<Gateway>,
}

#[derive(Serialize)]
struct ClusterPart {
    id: String,
    initialize: bool,
    join_token_file: PathBuf,
    members: Vec<MemberPart>,
}

#[derive(Serialize)]
struct MemberPart {
    id: u16,
    name: String,
    peer_address: String,
}

#[derive(Serialize)]
struct ListenPart {
    listen: String,
}

#[derive(Serialize)]
struct PeerPart {
    listen: String,
    advertise: Option<String>,
}

#[derive(Serialize)]
struct HttpPart {
    listen: String,
    public_origins: Vec<String>,
}

#[derive(Serialize)]
struct TlsPart {
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Serialize)]
struct KeysPart {
    key_ring: PathBuf,
}

#[derive(Serialize)]
struct HashingPart {
    threads: usize,
    memory_kib: Option<u32>,
    passes: Option<u32>,
}

#[derive(Serialize)]
struct DialectsPart {
    public_profiles: bool,
    legacy_cookie_names: bool,
}

#[derive(Serialize)]
struct NodeLimitsPart {
    login_per_address_per_minute: u32,
}

#[derive(Serialize)]
struct MailPart {
    from: &'static str,
    folder: Option<PathBuf>,
    smtp: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    servers: Vec<MailServer>,
}

#[derive(Serialize)]
struct LbFile {
    name: String,
    log_level: &'static str,
    front: FrontPart,
    ops: LbOpsPart,
    backend: TlsPart,
    limits: LbLimitsPart,
    drain: DrainPart,
    nodes: Vec<NodeAddress>,
}

#[derive(Serialize)]
struct FrontPart {
    listen: Vec<String>,
    certificate: PathBuf,
    key: PathBuf,
    hosts: Vec<&'static str>,
}

#[derive(Serialize)]
struct LbOpsPart {
    listen: String,
    socket: Option<PathBuf>,
}

#[derive(Serialize)]
struct LbLimitsPart {
    requests_per_second: u32,
    logins_per_minute: u32,
    connections_per_address: u32,
}

#[derive(Serialize)]
struct DrainPart {
    min_ms: u64,
    max_ms: u64,
}

#[derive(Serialize)]
struct NodeAddress {
    name: String,
    address: String,
}

#[derive(Serialize)]
struct KeyRing {
    active: u32,
    keys: Vec<RingKey>,
}

#[derive(Serialize)]
struct RingKey {
    id: u32,
    secret: String,
}

/// Addresses by which clients reach the cluster, in the order of the load balancers.
///
/// # Errors
/// The stored base port is out of range.
pub fn urls(settings: &Settings) -> Result<Vec<String>> {
    let ports = settings.ports()?;
    Ok((1..=settings.lbs)
        .map(|i| format!("https://localhost:{}", ports.lb_front(i)))
        .collect())
}

/// Writes the configuration of every member.
///
/// # Errors
/// The folder cannot be written.
pub fn write_all(layout: &Layout, settings: &Settings, around: &Surroundings) -> Result<()> {
    for (index, name) in (1..).zip(settings.node_names()) {
        files::folder(&layout.data(&name))?;
        files::write(
            &layout.config(&name),
            node_file(layout, settings, around, index, &name)?.as_bytes(),
        )?;
    }
    for (index, name) in (1..).zip(settings.lb_names()) {
        files::folder(&layout.member(&name))?;
        files::write(
            &layout.config(&name),
            lb_file(layout, settings, around, index, &name)?.as_bytes(),
        )?;
    }
    files::folder(&layout.mail())
}

/// Writes a key ring with one new key.
///
/// # Errors
/// The folder cannot be written.
pub fn write_key_ring(layout: &Layout) -> Result<()> {
    let secret = base64::engine::general_purpose::STANDARD.encode(entropy::bytes::<32>()?);
    let ring = KeyRing {
        active: 1,
        keys: vec![RingKey { id: 1, secret }],
    };
    files::write(&layout.key_ring(), render(&ring)?.as_bytes())
}

fn node_file(layout: &Layout, settings: &Settings, around: &Surroundings, index: u16, name: &str) -> Result<String> {
    let ports = settings.ports()?;
    let members = (1..).zip(settings.node_names()).map(|(i, member)| MemberPart {
        id: i,
        peer_address: local(around.wiring.port(name, &member, ports.node_peer(i))),
        name: member,
    });
    let fronts = (1..=settings.lbs).map(|i| ports.lb_front(i));
    // The name first: the first origin is the issuer of tokens.
    let origins = fronts
        .clone()
        .map(|p| format!("https://localhost:{p}"))
        .chain(fronts.map(|p| format!("https://{}", local(p))));
    let (mail, gateway) = delivery(layout, &around.mail);
    render(&NodeFile {
        name: name.to_owned(),
        node_id: index,
        data_dir: layout.data(name),
        log_level: "info",
        cluster: ClusterPart {
            id: settings.cluster_id.clone(),
            initialize: index == 1,
            join_token_file: layout.join_token(name),
            members: members.collect(),
        },
        peer: PeerPart {
            listen: local(ports.node_peer(index)),
            advertise: around.wiring.advertised(name).map(local),
        },
        http: HttpPart {
            listen: local(ports.node_http(index)),
            public_origins: origins.collect(),
        },
        ops: ListenPart {
            listen: local(ports.node_ops(index)),
        },
        tls: tls(layout, name),
        keys: KeysPart {
            key_ring: layout.key_ring(),
        },
        hashing: HashingPart {
            threads: hash_threads(settings.nodes),
            memory_kib: around.hashing.map(|cost| cost.memory_kib),
            passes: around.hashing.map(|cost| cost.passes),
        },
        dialects: DialectsPart {
            public_profiles: true,
            legacy_cookie_names: true,
        },
        limits: NodeLimitsPart {
            login_per_address_per_minute: DEV_LOGINS_PER_MINUTE,
        },
        mail,
        gateway,
    })
}

fn delivery(layout: &Layout, mail: &Mail) -> (MailPart, Option<Gateway>) {
    let part = |folder, smtp, servers| MailPart {
        from: "tfauth <no-reply@localhost>",
        folder,
        smtp,
        servers,
    };
    let into_folder = || part(Some(layout.mail()), None, Vec::new());
    match mail {
        Mail::Folder => (into_folder(), None),
        Mail::Smtp(server) => (part(None, Some(server.clone()), Vec::new()), None),
        Mail::Servers(servers) => (part(None, None, servers.clone()), None),
        Mail::Gateway(gateway) => (into_folder(), Some(gateway.clone())),
    }
}

fn lb_file(layout: &Layout, settings: &Settings, around: &Surroundings, index: u16, name: &str) -> Result<String> {
    let ports = settings.ports()?;
    let nodes = (1..).zip(settings.node_names()).map(|(i, node)| NodeAddress {
        address: local(around.wiring.port(name, &node, ports.node_http(i))),
        name: node,
    });
    render(&LbFile {
        name: name.to_owned(),
        log_level: "info",
        front: FrontPart {
            listen: vec![local(ports.lb_front(index))],
            certificate: layout.certificate(FRONT),
            key: layout.key(FRONT),
            hosts: vec!["localhost", "127.0.0.1"],
        },
        ops: LbOpsPart {
            listen: local(ports.lb_ops(index)),
            // A folder may be too deep for a socket; then there are no orders.
            socket: Some(layout.member(name).join("admin.sock"))
                .filter(|socket| socket.as_os_str().len() <= SOCKET_PATH_BYTES_MAX),
        },
        backend: tls(layout, name),
        limits: LbLimitsPart {
            requests_per_second: DEV_REQUESTS_PER_SECOND,
            logins_per_minute: DEV_LOGINS_PER_MINUTE,
            connections_per_address: DEV_CONNECTIONS_PER_ADDRESS,
        },
        drain: DrainPart {
            min_ms: DEV_DRAIN_MILLIS_MIN,
            max_ms: DEV_DRAIN_MILLIS_MAX,
        },
        nodes: nodes.collect(),
    })
}

fn tls(layout: &Layout, name: &str) -> TlsPart {
    TlsPart {
        ca: layout.ca(),
        certificate: layout.certificate(name),
        key: layout.key(name),
    }
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// The nodes share one machine: together they must not hash on more threads than it has cores.
fn hash_threads(nodes: u16) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores / usize::from(nodes.max(1))).max(1)
}

fn render<T: Serialize>(value: &T) -> Result<String> {
    toml::to_string(value).map_err(|e| Error::fault(format!("cannot write a configuration: {e}")))
}

#[cfg(test)]
mod tests;
