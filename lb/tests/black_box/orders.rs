//! What operators can ask and order: the command line, the socket, the status page.

use std::os::unix::fs::PermissionsExt;

use http::Request;

use crate::support::client::plain_with;
use crate::support::node::Conduct;
use crate::support::program::{Options, run};
use crate::support::{Cluster, cluster, cluster_with, until};

async fn with_socket(count: usize) -> (Cluster, String) {
    let options = Options {
        ops_lines: "socket = \"admin.sock\"".into(),
        ..Options::default()
    };
    let cluster = cluster_with(count, options).await;
    let socket = cluster.pki.path("admin.sock").display().to_string();
    (cluster, socket)
}

fn order(arguments: &[&str], socket: &str) -> (Option<i32>, String) {
    let output = run(&[arguments, &["--socket", socket]].concat());
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_node_finishes_what_it_has_and_gets_nothing_new() {
    let (cluster, socket) = with_socket(2).await;
    cluster.nodes[0].behave(Conduct::Wait);
    let client = cluster.lb.client().clone();
    let mut waiting = Vec::new();
    while cluster.nodes[0].seen().is_empty() {
        let client = client.clone();
        waiting.push(tokio::spawn(async move { client.get("/").await }));
        until("the request arrived", || async {
            cluster.nodes.iter().map(|node| node.seen().len()).sum::<usize>() >= waiting.len()
        })
        .await;
    }
    let (code, said) = order(&["drain", "node-1"], &socket);
    assert_eq!((code, said.trim()), (Some(0), "node-1 gets no new requests"));
    for _ in 0..20 {
        assert_eq!(client.get("/").await.text(), "node-2");
    }
    assert_eq!(cluster.nodes[0].seen().len(), 1);
    let status = cluster.lb.status().await;
    assert_eq!(
        (&status["nodes"][0]["drained"], &status["nodes"][0]["up"]),
        (&true.into(), &true.into())
    );
    cluster
        .lb
        .until_counted("tfauth_lb_node_drained{node=\"node-1\"} 1")
        .await;
    cluster.nodes[0].go();
    for answer in waiting {
        assert_eq!(answer.await.expect("no panic").status, 200);
    }

    let (code, said) = order(&["drain", "node-2"], &socket);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("no other node is ready"), "{said}");
    let (code, said) = order(&["drain", "node-9"], &socket);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("node-9") && said.contains("no node of this name"),
        "{said}"
    );

    cluster.nodes[0].behave(Conduct::Answer);
    let (code, said) = order(&["undrain", "node-1", "--json"], &socket);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        said.trim(),
        "{\"detail\":\"node-1 gets requests again when it is ready\"}"
    );
    until("it gets requests again", || async {
        client.get("/").await.text() == "node-1"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_outlives_a_change_of_the_configuration() {
    let (cluster, socket) = with_socket(2).await;
    assert_eq!(order(&["drain", "node-1"], &socket).0, Some(0));
    cluster.lb.signal("HUP");
    cluster
        .lb
        .until_logged(&["configuration and certificates read again"])
        .await;
    assert_eq!(cluster.lb.status().await["nodes"][0]["drained"], true);
    for _ in 0..20 {
        assert_eq!(cluster.lb.client().get("/").await.text(), "node-2");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_for_its_owner_only_and_goes_with_the_process() {
    let (mut cluster, socket) = with_socket(1).await;
    let mode = std::fs::metadata(&socket).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (code, said) = order(&["status"], &socket);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("lb-test:") && said.contains("node-1") && said.contains("up ready"),
        "{said}"
    );
    let (code, said) = order(&["status", "--json"], &socket);
    assert_eq!(code, Some(0));
    let status: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(status["nodes"][0]["name"], "node-1");

    // A second process must not steal it.
    let config = cluster.pki.path("lb.toml");
    let output = run(&["serve", "--config", config.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("ops.socket") && said.contains("another program listens"),
        "{said}"
    );

    cluster.lb.signal("TERM");
    assert_eq!(cluster.lb.ended().await.code(), Some(0));
    assert!(!std::path::Path::new(&socket).exists());
    let (code, said) = order(&["status"], &socket);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Is the load balancer running"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operations_listener_takes_no_orders() {
    let (cluster, _socket) = with_socket(2).await;
    for method in ["POST", "PUT", "DELETE"] {
        let request = Request::builder()
            .method(method)
            .uri("/drain/node-1")
            .header("host", "ops");
        assert_eq!(plain_with(cluster.lb.ops, request).await.status, 405, "{method}");
    }
    assert_eq!(cluster.lb.ops("/drain/node-1").await.status, 404);
    assert_eq!(cluster.lb.status().await["nodes"][0]["drained"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_get_the_status_as_a_page() {
    let cluster = cluster(2).await;
    for (path, accept) in [("/", "*/*"), ("/status", "text/html,*/*;q=0.8")] {
        let request = Request::get(path).header("host", "ops").header("accept", accept);
        let page = plain_with(cluster.lb.ops, request).await;
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{path}");
        assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
        let text = page.text();
        for part in [
            "http-equiv=\"refresh\"",
            "node-1",
            "node-2",
            ">ready<",
            ">follower<",
            "lb-test",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert!(!text.contains("<script"), "{text}");
    }
    assert!(cluster.lb.ops("/status").await.text().starts_with('{'));
}

#[tokio::test]
async fn a_checked_configuration_is_told_as_json_with_its_warnings() {
    let pki = crate::support::pki::Pki::new();
    let node = crate::support::node::Node::start(&pki.authority, &pki, "node-1").await;
    let config = crate::support::program::configure(&pki, &[node], &Options::default());
    let check = || {
        let output = run(&["check-config", "--json", "--config", config.to_str().expect("text")]);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (output.status.code(), report)
    };
    let (code, report) = check();
    assert_eq!(
        (code, &report["ok"], &report["name"]),
        (Some(0), &true.into(), &"lb-test".into())
    );
    assert_eq!(report["nodes"], serde_json::json!(["node-1"]));
    let warnings = report["warnings"].to_string();
    assert!(
        warnings.contains("no certificate covers auth.example.com"),
        "{warnings}"
    );

    pki.write_pair(
        "front",
        &pki.authority.issue_until(&["localhost", "auth.example.com"], 2001),
    );
    let (code, report) = check();
    let warnings = report["warnings"].to_string();
    assert_eq!(code, Some(0));
    assert!(
        warnings.contains("has expired") && !warnings.contains("covers"),
        "{warnings}"
    );

    pki.write("front.key", "none");
    let (code, report) = check();
    assert_eq!((code, &report["ok"]), (Some(2), &false.into()));
    assert!(
        report["error"]
            .as_str()
            .is_some_and(|error| error.contains("front.key")),
        "{report}"
    );
}
