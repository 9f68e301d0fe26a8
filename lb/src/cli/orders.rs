//! Orders to the running load balancer, over the unix socket that it listens on. Prints what it says.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::{EXIT_FAULT, EXIT_REFUSED, Target};
use crate::limits::OPS_REQUEST_MS_MAX;

/// What is asked for.
pub(super) enum Order {
    Status,
    Drain { node: String, force: bool },
    Undrain { node: String },
}

impl Order {
    fn request(&self) -> (&'static str, String) {
        match self {
            Self::Status => ("GET", "/status".into()),
            Self::Drain { node, force: false } => ("POST", format!("/drain/{node}")),
            Self::Drain { node, force: true } => ("POST", format!("/drain/{node}?force")),
            Self::Undrain { node } => ("POST", format!("/undrain/{node}")),
        }
    }
}

/// Gives the order, prints the answer, and tells by the exit code.
pub(super) fn run(order: &Order, target: &Target) -> ExitCode {
    let asked = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(ask(order, &target.socket)));
    let (status, answer) = match asked {
        Ok(answer) => answer,
        Err(problem) => {
            eprintln!(
                "tfauth-lb: {}: {problem}. Is the load balancer running, is this its ops.socket, and may this user \
                 open it?",
                target.socket.display()
            );
            return ExitCode::from(EXIT_FAULT);
        }
    };
    let detail = answer["detail"].as_str();
    if target.json {
        println!("{answer}");
    } else if status.is_success() {
        println!("{}", detail.map_or_else(|| table(&answer), str::to_owned));
    } else {
        eprintln!("tfauth-lb: {}", detail.unwrap_or("refused"));
    }
    match status {
        status if status.is_success() => ExitCode::SUCCESS,
        StatusCode::NOT_FOUND | StatusCode::CONFLICT => ExitCode::from(EXIT_REFUSED),
        _ => ExitCode::from(EXIT_FAULT),
    }
}

async fn ask(order: &Order, socket: &Path) -> Result<(StatusCode, Value), String> {
    let exchange = async {
        let stream = UnixStream::connect(socket).await.map_err(|error| error.to_string())?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        let (method, target) = order.request();
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, "lb")
            .body(Empty::<Bytes>::new())
            .map_err(|error| format!("not a node's name: {error}"))?;
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| error.to_string())?;
        let value = serde_json::from_slice(&body.to_bytes()).map_err(|error| error.to_string())?;
        Ok((status, value))
    };
    let limit = Duration::from_millis(OPS_REQUEST_MS_MAX);
    timeout(limit, exchange)
        .await
        .unwrap_or_else(|_| Err("no answer in time".into()))
}

/// The status for people: a line for the load balancer and one for each node.
fn table(status: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut lines = vec![format!(
        "{}: {} requests, {} waiting, {} connections, leader {}{}",
        text(&status["name"]),
        status["in_flight"],
        status["held"],
        status["connections"],
        status["leader"].as_str().unwrap_or("unknown"),
        if status["draining"] == true { ", draining" } else { "" },
    )];
    for node in status["nodes"].as_array().into_iter().flatten() {
        let words = ["up", "ready", "suspect", "draining", "drained", "ejected"];
        let state: Vec<&str> = words.into_iter().filter(|word| node[word] == true).collect();
        let state = if state.is_empty() {
            "down".into()
        } else {
            state.join(" ")
        };
        lines.push(format!(
            "{:<12} {:<21} {:<10} term {} applied {} behind {} requests {} version {}  {state}",
            text(&node["name"]),
            text(&node["address"]),
            text(&node["role"]),
            node["term"],
            node["applied"],
            node["lag"],
            node["in_flight"],
            text(&node["version"]),
        ));
    }
    lines.join("\n")
}
