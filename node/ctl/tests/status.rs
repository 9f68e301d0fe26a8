//! The real binary against a listener that answers like a node, and against none.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

const BODY: &str = r#"{"node_id":1,"name":"node-1","incarnation":"aa","cluster_id":"bb","term":3,"role":"leader","leader_id":1,"committed":10,"applied":10,"last_quorum_ms":1,"ready":READY,"draining":false,"in_flight":0,"version":"0.1.0"}"#;

/// Answers one request with `body` and returns its own address.
fn node_that_says(body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().expect("a connection");
        let mut request = [0; 1024];
        let length = connection.read(&mut request).expect("a request");
        assert!(request[..length].starts_with(b"GET /status HTTP/1.1\r\n"));
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        connection
            .write_all(format!("{head}{body}").as_bytes())
            .expect("an answer");
    });
    format!("http://{address}")
}

fn tfauth(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tfauth"))
        .args(arguments)
        .output()
        .expect("tfauth runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_ready_node_gives_0_and_json() {
    let url = node_that_says(BODY.replace("READY", "true"));
    let (code, out, _) = tfauth(&["status", "--json", "--ops", &url]);
    assert_eq!(code, Some(0), "{out}");
    let report: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(report["nodes"][0]["status"]["role"], "leader");
}

#[test]
fn a_node_that_is_not_ready_gives_1() {
    let url = node_that_says(BODY.replace("READY", "false"));
    let (code, out, _) = tfauth(&["status", "--ops", &url]);
    assert_eq!(code, Some(1));
    assert!(out.contains("not ready"), "{out}");
}

#[test]
fn a_silent_port_gives_1_and_says_what_to_check() {
    let free = TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("a free port");
    let (code, out, _) = tfauth(&["status", "--ops", &format!("http://{free}")]);
    assert_eq!(code, Some(1));
    assert!(out.contains("is the process running"), "{out}");
}

#[test]
fn wrong_usage_gives_2() {
    let (code, _, err) = tfauth(&["status"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("--ops"), "{err}");
}
