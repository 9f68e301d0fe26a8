//! Turns the written configuration into the checked one. Decides what is allowed; the messages are in `error`.

use std::path::Path;

use super::edges::{self, Named};
use super::raw::{RawConfig, RawDrain, RawLimits, RawNode, RawProbe, RawTimeouts};
use super::value::{Checked, address, at_most, clash, count, millis, name, value};
use super::{Config, Drain, Limits, NodeConfig, Probe, Timeouts};
use crate::limits::{CONNECTIONS_MAX, HOLD_MS, NODE_IN_FLIGHT_MAX, NODES_MAX, SOCKET_PATH_BYTES_MAX};

/// Checks everything; relative file names start at `folder`.
pub(super) fn check(raw: RawConfig, folder: &Path) -> Checked<Config> {
    let mut named = Named::new(folder);
    let ops_listen = address("ops.listen", &raw.ops.listen)?;
    let ops_socket = raw.ops.socket.as_deref().map(|socket| folder.join(socket));
    if let Some(socket) = &ops_socket
        && socket.as_os_str().len() > SOCKET_PATH_BYTES_MAX
    {
        let allowed = format!("a path of up to {SOCKET_PATH_BYTES_MAX} bytes");
        return Err(value("ops.socket", socket.display(), &allowed));
    }
    let front = edges::front(&raw.front, ops_listen, &mut named)?;
    let redirect = raw
        .redirect
        .map(|redirect| edges::redirect(&redirect, &front, ops_listen))
        .transpose()?;
    let backend = edges::backend(&raw.backend, &mut named)?;
    Ok(Config {
        name: name("name", raw.name)?,
        log_level: log_level(&raw.log_level)?,
        nodes: nodes(raw.nodes)?,
        timeouts: timeouts(&raw.timeouts)?,
        probe: probe(&raw.probe)?,
        limits: limits(&raw.limits)?,
        drain: drain(&raw.drain)?,
        reload: millis("reload.poll_ms", raw.reload.poll_ms, 20, 3_600_000)?,
        front,
        redirect,
        ops_listen,
        ops_socket,
        backend,
        files: named.files,
        warnings: named.warnings,
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
    let connections = count("limits.connections", raw.connections, CONNECTIONS_MAX)?;
    let per_address = count(
        "limits.connections_per_address",
        raw.connections_per_address,
        CONNECTIONS_MAX,
    )?;
    at_most(
        "limits.connections_per_address",
        per_address,
        "limits.connections",
        connections,
    )?;
    let node_in_flight = count("limits.node_in_flight", raw.node_in_flight, NODE_IN_FLIGHT_MAX)?;
    Ok(Limits {
        requests_per_second: count("limits.requests_per_second", raw.requests_per_second, COUNT_MAX)?,
        logins_per_minute: count("limits.logins_per_minute", raw.logins_per_minute, COUNT_MAX)?,
        connections: usize::try_from(connections).unwrap_or(usize::MAX),
        connections_per_address: u32::try_from(per_address).unwrap_or(u32::MAX),
        node_in_flight: u32::try_from(node_in_flight).unwrap_or(u32::MAX),
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
