//! Nodes that are not what they should be get no byte of HTTP.

use crate::support::node::Node;
use crate::support::pki::{Authority, Pki};
use crate::support::program::{Options, Program};
use crate::support::until;

async fn assert_gets_nothing(pki: &Pki, impostor: Node) {
    let options = Options {
        try_ms: 300,
        request_ms: 700,
        ..Options::default()
    };
    let lb = Program::start(pki, std::slice::from_ref(&impostor), options).await;
    until("the impostor was probed", || async {
        lb.ops("/readyz").await.status == 200
    })
    .await;
    let status = lb.status().await;
    assert_eq!(status["nodes"][0]["up"], false, "{status}");
    assert_eq!(
        lb.client().post("/v1/login", "{\"password\":\"secret\"}").await.status,
        503
    );
    assert!(impostor.seen().is_empty());
    assert_eq!(impostor.handshakes(), 0, "a handshake was completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_gets_no_byte() {
    let pki = Pki::new();
    let impostor = Node::start(&Authority::new(), &pki, "node-1").await;
    assert_gets_nothing(&pki, impostor).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_node_gets_no_byte() {
    let pki = Pki::new();
    let names = [
        "node.tfauth.internal",
        "node-2.node.tfauth.internal",
        "lb.tfauth.internal",
    ];
    let impostor = Node::start_with_names(&pki.authority, &pki, "node-1", &names).await;
    assert_gets_nothing(&pki, impostor).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_at_the_address_of_another_gets_no_request() {
    let pki = Pki::new();
    let names = ["node-1.node.tfauth.internal", "node-2.node.tfauth.internal"];
    let other = Node::start_with_names(&pki.authority, &pki, "node-2", &names).await;
    let config = crate::support::program::configure(&pki, std::slice::from_ref(&other), &Options::default());
    let text = std::fs::read_to_string(config)
        .expect("written")
        .replace("\"node-2\"", "\"node-1\"");
    let lb = Program::start_from(&pki, &pki.write("lb.toml", &text)).await;
    until("the node was probed", || async {
        lb.ops("/readyz").await.status == 200
    })
    .await;
    assert_eq!(lb.status().await["nodes"][0]["ready"], false);
    until("the fault is logged", || async {
        lb.log().iter().any(|line| line.contains("check nodes.address"))
    })
    .await;
    let complaints = lb
        .log()
        .iter()
        .filter(|line| line.contains("check nodes.address"))
        .count();
    assert_eq!(complaints, 1, "the same fault is logged again and again");
}
