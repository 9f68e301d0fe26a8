//! The proxies and the backend: certificates, configurations with their holes filled, processes that answer.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cluster_harness::certs::{Authority, Pair};

use crate::bench::process::{Program, free_port};
use crate::bench::{Plan, write};

/// Processor of the proxies.
const PROXY_CORE: usize = 0;
/// Processor of the backend and the generator.
pub(super) const OTHER_CORE: usize = 1;
const PATIENCE: Duration = Duration::from_secs(15);
const PATH: &str = "/.well-known/jwks.json";
/// What a node tells the probes of a load balancer.
const STATUS: &str = r#"{"node_id":1,"name":"node-1","incarnation":"00","cluster_id":"00","term":1,"role":"leader","leader_id":1,"committed":1,"applied":1,"last_quorum_ms":1,"ready":true,"draining":false,"in_flight":0,"version":"0.1.0"}"#;

/// A proxy under measurement.
pub(super) struct Proxy {
    pub(super) program: Program,
    pub(super) port: u16,
}

impl Proxy {
    /// What is asked for.
    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}{PATH}", self.port)
    }
}

/// The proxies, in the order of [`super::NAMES`].
pub(super) struct Bench {
    pub(super) proxies: Vec<Proxy>,
    _backend: Program,
    plan: Plan,
    node: u16,
}

impl Bench {
    /// Another process of the same program, without a past.
    pub(super) async fn start_fresh(&self, index: usize) -> Result<Proxy, String> {
        start_proxy(&self.plan, index, self.node).await
    }
}

/// Starts everything and waits until each proxy has answered.
pub(super) async fn start(plan: &Plan) -> Result<Bench, String> {
    certificates(&plan.work)?;
    let node = free_port()?;
    let backend = plan.work.join("backend.conf");
    fill(
        plan,
        "backend.conf",
        &backend,
        &[("node", &node.to_string()), ("status", STATUS)],
    )?;
    let backend = Program::start(
        OTHER_CORE,
        &["nginx", "-c", &backend.to_string_lossy()],
        &plan.work.join("backend.out"),
    )?;
    let mut proxies = Vec::new();
    for index in 0..super::NAMES.len() {
        proxies.push(start_proxy(plan, index, node).await?);
    }
    Ok(Bench {
        proxies,
        _backend: backend,
        plan: plan.clone(),
        node,
    })
}

async fn start_proxy(plan: &Plan, index: usize, node: u16) -> Result<Proxy, String> {
    let file = ["tfauth-lb.toml", "haproxy.cfg", "nginx.conf", "tfauth-lb.toml"]
        .get(index)
        .copied()
        .unwrap_or_default();
    let port = free_port()?;
    let config = plan.work.join(format!("{port}-{file}"));
    let holes = [
        ("front", port.to_string()),
        ("ops", free_port()?.to_string()),
        ("node", node.to_string()),
    ];
    let holes: Vec<(&str, &str)> = holes.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fill(plan, file, &config, &holes)?;
    let config = config.to_string_lossy();
    let (lb, bare) = (plan.lb.to_string_lossy(), plan.bare.to_string_lossy());
    let command: Vec<&str> = match index {
        0 => vec![&lb, "serve", "--config", &config],
        1 => vec!["haproxy", "-f", &config],
        2 => vec!["nginx", "-c", &config],
        _ => vec![&bare, &config],
    };
    let log = plan.work.join(format!("{port}.out"));
    let program = Program::start(PROXY_CORE, &command, &log)?;
    let proxy = Proxy { program, port };
    answers(&proxy, &plan.work.join("ca.pem"))
        .await
        .map_err(|error| format!("{file} does not answer ({error}); see {}", log.display()))?;
    Ok(proxy)
}

async fn answers(proxy: &Proxy, ca: &Path) -> Result<(), String> {
    let client = client(ca)?;
    let begun = tokio::time::Instant::now();
    loop {
        let last = match client.get(proxy.url()).send().await {
            Ok(answer) if answer.status().as_u16() == 200 => return Ok(()),
            Ok(answer) => answer.status().to_string(),
            Err(error) => error.to_string(),
        };
        if begun.elapsed() > PATIENCE {
            return Err(last);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn client(ca: &Path) -> Result<reqwest::Client, String> {
    let pem = fs::read(ca).map_err(|error| format!("cannot read {}: {error}", ca.display()))?;
    let ca = reqwest::Certificate::from_pem(&pem).map_err(|error| error.to_string())?;
    reqwest::Client::builder()
        .tls_certs_only([ca])
        .timeout(Duration::from_secs(2))
        .build()
        .map_err(|error| error.to_string())
}

/// One authority, a front certificate and the two of the mutual TLS behind it: the same files for all.
fn certificates(work: &Path) -> Result<(), String> {
    let authority = Authority::generate().map_err(|error| error.to_string())?;
    write(&work.join("ca.pem"), authority.pem())?;
    let save = |name: &str, pair: Pair| -> Result<(), String> {
        write(&work.join(format!("{name}.pem")), &pair.certificate)?;
        write_key(&work.join(format!("{name}.key")), &pair.key)?;
        write_key(
            &work.join(format!("{name}.both")),
            &format!("{}{}", pair.certificate, pair.key),
        )
    };
    save("front", authority.issue_front().map_err(|error| error.to_string())?)?;
    save("lb", authority.issue_lb().map_err(|error| error.to_string())?)?;
    save(
        "node-1",
        authority.issue_node("node-1").map_err(|error| error.to_string())?,
    )
}

/// The load balancer refuses keys that others may read.
fn write_key(path: &Path, text: &str) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        .map_err(|error| format!("cannot protect {}: {error}", path.display()))
}

fn fill(plan: &Plan, name: &str, to: &Path, holes: &[(&str, &str)]) -> Result<(), String> {
    let from = plan.configs.join(name);
    let mut text = fs::read_to_string(&from).map_err(|error| format!("cannot read {}: {error}", from.display()))?;
    text = text.replace("{dir}", &plan.work.to_string_lossy());
    for (hole, value) in holes {
        text = text.replace(&format!("{{{hole}}}"), value);
    }
    write(to, &text)
}

/// First lines of what the programs say about themselves.
pub(super) fn versions() -> Vec<String> {
    let commands: [&[&str]; 4] = [
        &["haproxy", "-v"],
        &["nginx", "-v"],
        &["wrk", "-v"],
        &["h2load", "--version"],
    ];
    commands.into_iter().map(version).collect()
}

fn version(command: &[&str]) -> String {
    let Some((program, rest)) = command.split_first() else {
        return String::new();
    };
    let Ok(output) = Command::new(program).args(rest).output() else {
        return format!("{program}: not found");
    };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}
