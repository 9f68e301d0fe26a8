//! What operators see.

use serde_json::Value;

use crate::support::{cluster, until};

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_nodes_load_and_counters() {
    let cluster = cluster(2).await;
    assert_eq!(cluster.lb.client().get("/").await.status, 200);
    assert_eq!(cluster.lb.ops("/livez").await.text(), "ok");
    assert_eq!(
        cluster.lb.ops("/readyz").await.text(),
        "{\"ready\":true,\"reasons\":[]}"
    );
    assert_eq!(cluster.lb.ops("/nothing").await.status, 404);

    let status = cluster.lb.status().await;
    assert_eq!(status["draining"], false);
    for (index, node) in cluster.nodes.iter().enumerate() {
        let line = &status["nodes"][index];
        assert_eq!(line["name"], node.name());
        assert_eq!(line["address"], node.address.to_string());
        assert_eq!(
            (&line["up"], &line["ready"], &line["ejected"]),
            (&Value::from(true), &Value::from(true), &Value::from(false))
        );
        assert_eq!(
            (&line["role"], &line["term"], &line["applied"]),
            (&"follower".into(), &3.into(), &9.into())
        );
    }
    let metrics = cluster.lb.ops("/metrics").await;
    for name in [
        "tfauth_lb_requests_total{",
        "tfauth_lb_request_duration_seconds_bucket{",
        "tfauth_lb_node_up{node=\"node-1\"} 1",
        "tfauth_lb_node_ready{node=\"node-2\"} 1",
        "tfauth_lb_in_flight 0",
    ] {
        assert!(
            metrics.text().contains(name),
            "{name} is missing in:\n{}",
            metrics.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_node_the_load_balancer_stays_ready_and_says_why_that_is_no_good() {
    let cluster = cluster(1).await;
    cluster.nodes[0].kill().await;
    cluster.lb.until_ready_nodes(0).await;
    until("the reason is told", || async {
        cluster.lb.ops("/readyz").await.text().contains("no node is ready")
    })
    .await;
    assert_eq!(cluster.lb.ops("/readyz").await.status, 200);
}
