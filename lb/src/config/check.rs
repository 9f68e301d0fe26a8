//! Turns the written configuration into the checked one. Decides what is allowed; the messages are in `error`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::ConfigError;
use super::raw::{RawBackend, RawConfig, RawDrain, RawFront, RawLimits, RawNode, RawProbe, RawTimeouts};
use super::{Backend, Config, Drain, Front, HostList, Limits, NodeConfig, Probe, Timeouts, files};
use crate::limits::{FRONT_LISTENERS_MAX, HOLD_MS, NAME_CHARS_MAX, NODES_MAX};

type Checked<T> = Result<T, ConfigError>;

/// Checks everything; relative file names start at `folder`.
pub(super) fn check(raw: RawConfig, folder: &Path) -> Checked<Config> {
    let ops_listen = address("ops.listen", &raw.ops.listen)?;
    Ok(Config {
        name: name("name", raw.name)?,
        log_level: log_level(&raw.log_level)?,
        nodes: nodes(raw.nodes)?,
        timeouts: timeouts(&raw.timeouts)?,
        probe: probe(&raw.probe)?,
        limits: limits(&raw.limits)?,
        drain: drain(&raw.drain)?,
        front: front(&raw.front, ops_listen, folder)?,
        ops_listen,
        backend: backend(&raw.backend, folder)?,
    })
}

fn front(raw: &RawFront, ops: SocketAddr, folder: &Path) -> Checked<Front> {
    if raw.listen.is_empty() || raw.listen.len() > FRONT_LISTENERS_MAX {
        return Err(value(
            "front.listen",
            raw.listen.len(),
            &format!("1 to {FRONT_LISTENERS_MAX} addresses"),
        ));
    }
    let listen = raw
        .listen
        .iter()
        .map(|text| address("front.listen", text))
        .collect::<Checked<Vec<_>>>()?;
    for (index, address) in listen.iter().enumerate() {
        if address.port() == 0 {
            continue;
        }
        if listen[..index].contains(address) {
            return Err(clash(
                "front.listen",
                address,
                "front.listen",
                address,
                "an address may be listed once",
            ));
        }
        if *address == ops {
            return Err(clash("front.listen", address, "ops.listen", ops, "the two must differ"));
        }
    }
    if raw.hosts.is_empty() {
        return Err(value(
            "front.hosts",
            "[]",
            "at least one host name, such as \"auth.example.com\"",
        ));
    }
    let hosts = HostList::parse(&raw.hosts).map_err(|name| {
        value(
            "front.hosts",
            format!("{name:?}"),
            "host names or addresses without scheme and port",
        )
    })?;
    let identity = files::read_identity("front", &path(folder, &raw.certificate), &path(folder, &raw.key))?;
    Ok(Front {
        listen,
        hosts,
        certificate: identity.certified,
    })
}

fn backend(raw: &RawBackend, folder: &Path) -> Checked<Backend> {
    let authorities_path = path(folder, &raw.ca);
    let (authorities, roots) = files::read_authorities("backend.ca", &authorities_path)?;
    let identity = files::read_identity("backend", &path(folder, &raw.certificate), &path(folder, &raw.key))?;
    Ok(Backend {
        authorities_path,
        authorities,
        roots,
        chain: identity.chain,
        key: identity.key,
    })
}

fn nodes(raw: Vec<RawNode>) -> Checked<Vec<NodeConfig>> {
    if raw.is_empty() || raw.len() > NODES_MAX {
        return Err(value("nodes", raw.len(), &format!("1 to {NODES_MAX} nodes")));
    }
    let mut nodes: Vec<NodeConfig> = Vec::with_capacity(raw.len());
    for node in raw {
        let node = NodeConfig {
            name: name("nodes.name", node.name)?,
            address: address("nodes.address", &node.address)?,
        };
        if node.address.port() == 0 {
            return Err(value(
                "nodes.address",
                node.address,
                "an address with a port from 1 to 65535",
            ));
        }
        for other in &nodes {
            if other.name == node.name {
                return Err(clash(
                    "nodes.name",
                    &node.name,
                    "nodes.name",
                    &other.name,
                    "every node has its own name",
                ));
            }
            if other.address == node.address {
                let rule = "every node has its own address";
                return Err(clash(
                    "nodes.address",
                    node.address,
                    "nodes.address",
                    other.address,
                    rule,
                ));
            }
        }
        nodes.push(node);
    }
    Ok(nodes)
}

fn timeouts(raw: &RawTimeouts) -> Checked<Timeouts> {
    let connect = millis("timeouts.connect_ms", raw.connect_ms, 10, 10_000)?;
    let one_try = millis("timeouts.try_ms", raw.try_ms, 50, 120_000)?;
    let request = millis("timeouts.request_ms", raw.request_ms, 50, 120_000)?;
    at_most("timeouts.connect_ms", raw.connect_ms, "timeouts.try_ms", raw.try_ms)?;
    at_most("timeouts.try_ms", raw.try_ms, "timeouts.request_ms", raw.request_ms)?;
    let hold_ms = raw.hold_ms.unwrap_or(raw.request_ms.min(HOLD_MS));
    let hold = millis("timeouts.hold_ms", hold_ms, 50, 120_000)?;
    at_most("timeouts.hold_ms", hold_ms, "timeouts.request_ms", raw.request_ms)?;
    Ok(Timeouts {
        connect,
        one_try,
        request,
        hold,
    })
}

fn probe(raw: &RawProbe) -> Checked<Probe> {
    let interval = millis("probe.interval_ms", raw.interval_ms, 20, 60_000)?;
    let timeout = millis("probe.timeout_ms", raw.timeout_ms, 10, 60_000)?;
    if raw.timeout_ms >= raw.interval_ms {
        let rule = "a probe must end before the next one starts, so the timeout must be the smaller of the two";
        return Err(clash(
            "probe.timeout_ms",
            raw.timeout_ms,
            "probe.interval_ms",
            raw.interval_ms,
            rule,
        ));
    }
    Ok(Probe { interval, timeout })
}

fn limits(raw: &RawLimits) -> Checked<Limits> {
    const COUNT_MAX: u64 = 1_000_000;
    for (setting, given) in [
        ("limits.requests_per_second", raw.requests_per_second),
        ("limits.logins_per_minute", raw.logins_per_minute),
    ] {
        if !(1..=COUNT_MAX).contains(&given) {
            return Err(value(setting, given, &format!("1 to {COUNT_MAX}")));
        }
    }
    Ok(Limits {
        requests_per_second: raw.requests_per_second,
        logins_per_minute: raw.logins_per_minute,
    })
}

fn drain(raw: &RawDrain) -> Checked<Drain> {
    let min = millis("drain.min_ms", raw.min_ms, 0, 600_000)?;
    let max = millis("drain.max_ms", raw.max_ms, 0, 600_000)?;
    at_most("drain.min_ms", raw.min_ms, "drain.max_ms", raw.max_ms)?;
    Ok(Drain { min, max })
}

fn log_level(text: &str) -> Checked<tracing::Level> {
    match text {
        "error" => Ok(tracing::Level::ERROR),
        "warn" => Ok(tracing::Level::WARN),
        "info" => Ok(tracing::Level::INFO),
        "debug" => Ok(tracing::Level::DEBUG),
        "trace" => Ok(tracing::Level::TRACE),
        other => Err(value(
            "log_level",
            format!("{other:?}"),
            "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        )),
    }
}

/// Names become labels of host names, so they follow their rules.
fn name(setting: &str, text: String) -> Checked<String> {
    let allowed_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = !text.is_empty() && text.len() <= NAME_CHARS_MAX && text.bytes().all(allowed_byte);
    if fits && !text.starts_with('-') && !text.ends_with('-') {
        return Ok(text);
    }
    let allowed = format!("1 to {NAME_CHARS_MAX} of a-z, 0-9 and -, not at its ends");
    Err(value(setting, format!("{text:?}"), &allowed))
}

fn address(setting: &str, text: &str) -> Checked<SocketAddr> {
    text.parse().map_err(|_| {
        value(
            setting,
            format!("{text:?}"),
            "an IP address with a port, such as \"127.0.0.1:8443\"",
        )
    })
}

fn path(folder: &Path, text: &str) -> PathBuf {
    folder.join(text)
}

fn millis(setting: &str, given: u64, min: u64, max: u64) -> Checked<Duration> {
    if (min..=max).contains(&given) {
        Ok(Duration::from_millis(given))
    } else {
        Err(value(setting, given, &format!("{min} to {max} milliseconds")))
    }
}

fn at_most(first: &str, first_given: u64, second: &str, second_given: u64) -> Checked<()> {
    if first_given <= second_given {
        return Ok(());
    }
    Err(clash(
        first,
        first_given,
        second,
        second_given,
        "the first must not be larger than the second",
    ))
}

fn value(setting: &str, given: impl ToString, allowed: &str) -> ConfigError {
    ConfigError::Value {
        setting: setting.into(),
        given: given.to_string(),
        allowed: allowed.into(),
    }
}

fn clash(
    first: &str,
    first_given: impl ToString,
    second: &str,
    second_given: impl ToString,
    rule: &str,
) -> ConfigError {
    ConfigError::Clash {
        first: first.into(),
        first_given: first_given.to_string(),
        second: second.into(),
        second_given: second_given.to_string(),
        rule: rule.into(),
    }
}
