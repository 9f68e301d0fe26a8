//! The short form of `infra/dev api-fuzz`: the document that a cluster serves is true of what it answers. SE-11.
#![cfg(test)]

use chaos_tests::api_fuzz::{Effort, run};
use chaos_tests::python;
use cluster_harness::cluster::{Cluster, Options};

#[tokio::test]
async fn se_11_every_answer_is_as_the_served_document_says() {
    let Some(interpreter) = python::interpreter_or_skipped() else {
        return;
    };
    let cluster = Cluster::start(Options {
        nodes: 1,
        lbs: 1,
        ..Options::default()
    })
    .await
    .unwrap();
    let effort = Effort {
        examples: 3,
        seed: 1,
        coverage: false,
    };
    let report = run(&cluster, &interpreter, effort).await.unwrap();
    println!("{report}");
    assert_eq!(report.passes.len(), 4);
    assert!(report.holds(), "{report}");
}
