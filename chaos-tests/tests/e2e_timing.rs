//! The short form of `infra/dev timing`: that it measures, and that refused logins cost the same with an account and
//! without. Times of a busy machine prove nothing and are only shown.
#![cfg(test)]

use chaos_tests::timing::measure;
use cluster_harness::cluster::{Cluster, Options};

#[tokio::test]
async fn en_2_a_refused_login_costs_the_same_with_an_account_and_without() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let report = measure(&cluster, 32).await.unwrap();
    println!("{report}");
    let [wrong, locked] = &report.pairs[..] else {
        panic!("{report}")
    };
    assert_eq!((wrong.status, locked.status), (401, 429), "{report}");
    for pair in &report.pairs {
        assert!(pair.is_equal_work(), "{report}");
        assert!(
            pair.samples >= 24 && (0.0..=1.0).contains(&pair.comparison.p),
            "{report}"
        );
    }
    assert!((wrong.work.hashes - 1.0).abs() < f64::EPSILON, "one hash: {report}");
    assert!(
        locked.work.hashes.abs() < f64::EPSILON,
        "no guess is looked at: {report}"
    );
}
