//! What the tests share: certificates, nodes, the program, and a client. No assertions about behaviour.

pub(crate) mod client;
pub(crate) mod node;
pub(crate) mod pki;
pub(crate) mod program;
pub(crate) mod strict;

use std::time::Duration;

use node::Node;
use pki::Pki;
use program::{Options, Program};

/// Longest wait for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Nodes with the program in front of them, all ready.
pub(crate) struct Cluster {
    pub(crate) pki: Pki,
    pub(crate) nodes: Vec<Node>,
    pub(crate) lb: Program,
}

/// Starts `count` nodes and the program with its usual test options.
pub(crate) async fn cluster(count: usize) -> Cluster {
    cluster_with(count, Options::default()).await
}

/// Starts `count` nodes and the program.
pub(crate) async fn cluster_with(count: usize, options: Options) -> Cluster {
    let pki = Pki::new();
    let mut nodes = Vec::new();
    for index in 1..=count {
        nodes.push(Node::start(&pki.authority, &pki, &format!("node-{index}")).await);
    }
    let lb = Program::start(&pki, &nodes, options).await;
    lb.until_ready_nodes(count).await;
    Cluster { pki, nodes, lb }
}

/// Asks until the answer is yes.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut question: impl FnMut() -> F) {
    let asking = async {
        while !question().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, asking).await.is_ok(),
        "waited {PATIENCE:?} in vain until {what}"
    );
}
