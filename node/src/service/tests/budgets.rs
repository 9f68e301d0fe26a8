//! Single use and budgets: what guessing costs, alone and in parallel.

use super::*;
use crate::service::ServiceError;
use auth_core::reply::Denial;
use http::header::RETRY_AFTER;
use std::collections::BTreeMap;
use tokio::task::JoinSet;

/// Counts the statuses of calls that are sent at the same time, in turn to each node.
async fn at_once(nodes: &[Node], calls: impl IntoIterator<Item = Call>) -> BTreeMap<u16, usize> {
    let mut tasks = JoinSet::new();
    for (number, call) in calls.into_iter().enumerate() {
        let node = nodes[number % nodes.len()].clone();
        tasks.spawn(async move { node.send(call).await.status.as_u16() });
    }
    let mut counts = BTreeMap::new();
    for status in tasks.join_all().await {
        *counts.entry(status).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn otp_3_a_code_is_accepted_once() {
    let bench = Bench::new().await;
    let (one, two) = (bench.node(), bench.node());
    let totp = one.enrolled("alice").await;
    let code = totp.code(0);
    assert_eq!(one.log_in("alice", PASSWORD, &code).await.status, StatusCode::OK);
    let again = two.log_in("alice", PASSWORD, &code).await;
    assert_eq!(
        (again.status, again.detail()),
        (StatusCode::UNAUTHORIZED, "Invalid credentials".into())
    );
    // A step before the accepted one is in the window and yet refused; the next one is accepted.
    assert_eq!(
        two.log_in("alice", PASSWORD, &totp.code(-1)).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        two.log_in("alice", PASSWORD, &totp.code(1)).await.status,
        StatusCode::OK
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn otp_3_the_same_code_thirty_times_at_once_opens_one_session() {
    let bench = Bench::new().await;
    let nodes = [bench.node(), bench.node(), bench.node()];
    let totp = nodes[0].enrolled("alice").await;
    let code = totp.code(0);
    let counts = at_once(&nodes, (0..30).map(|_| login("alice", PASSWORD, &code))).await;
    assert_eq!(counts.get(&200), Some(&1), "{counts:?}");
    // Those that kept meeting a state that others had just changed are told to wait.
    let refused: usize = [401, 429].iter().filter_map(|status| counts.get(status)).sum();
    assert_eq!(refused, 29, "{counts:?}");
    // Repeating a spent code is no guess: it is refused, and it does not lock its owner out.
    assert_eq!(
        nodes[1].log_in("alice", PASSWORD, &code).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        nodes[2].log_in("alice", PASSWORD, &totp.code(1)).await.status,
        StatusCode::OK
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn th_2_budget_is_five_and_then_not_even_the_right_answer_counts() {
    let bench = Bench::new().await;
    let node = bench.node();
    let totp = node.enrolled("alice").await;
    for guess in 0..5 {
        let answer = node.log_in("alice", "wrong password", &totp.code(0)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "guess {guess}");
    }
    let hashed = node.hashing.metrics().hash_time.count();
    let blocked = node.log_in("alice", PASSWORD, &totp.code(0)).await;
    assert_eq!(blocked.status, StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = blocked.headers[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    assert_eq!(
        node.hashing.metrics().hash_time.count(),
        hashed,
        "the guess was not evaluated"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn en_1_unknown_names_wrong_passwords_and_wrong_codes_answer_alike() {
    let bench = Bench::new().await;
    let node = bench.node();
    let totp = node.enrolled("alice").await;
    let other = node.enrolled("bob").await;
    for guess in 0..6 {
        let wrong_password = node.log_in("alice", "wrong password", &totp.code(0)).await;
        let wrong_code = node.log_in("bob", PASSWORD, &other.wrong_code()).await;
        let unknown = node.log_in("nobody", "wrong password", "000000").await;
        let expected = if guess < 5 {
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::TOO_MANY_REQUESTS
        };
        let bare = |answer: &Answer| {
            let mut headers = answer.headers.clone();
            headers.remove(RETRY_AFTER);
            (answer.status, headers, String::from_utf8(answer.body.clone()).unwrap())
        };
        assert_eq!(wrong_password.status, expected, "guess {guess}");
        assert_eq!(bare(&wrong_password), bare(&wrong_code), "guess {guess}");
        assert_eq!(bare(&wrong_password), bare(&unknown), "guess {guess}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn en_2_each_refused_login_costs_one_hash() {
    let bench = Bench::new().await;
    let node = bench.node();
    let totp = node.enrolled("alice").await;
    let hashes = || node.hashing.metrics().hash_time.count();
    for (name, password, code) in [
        ("nobody", PASSWORD, "000000".to_owned()),
        ("alice", "wrong password", totp.code(0)),
        ("alice", PASSWORD, totp.wrong_code()),
    ] {
        let before = hashes();
        assert_eq!(
            node.log_in(name, password, &code).await.status,
            StatusCode::UNAUTHORIZED
        );
        assert_eq!(hashes(), before + 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn th_4_parallel_guesses_do_not_overshoot_for_known_and_unknown_names() {
    let bench = Bench::new().await;
    let nodes = [bench.node(), bench.node(), bench.node()];
    nodes[0].enrolled("alice").await;
    for name in ["alice", "nobody"] {
        let counts = at_once(
            &nodes,
            (0..40).map(|n| login(name, &format!("wrong password {n}"), "000000")),
        )
        .await;
        let evaluated = counts.get(&401).copied().unwrap_or_default();
        // Delays after the fifth are longer than this test: no more than five verdicts can leave.
        assert!((1..=5).contains(&evaluated), "{name}: {counts:?}");
        assert_eq!(
            evaluated + counts.get(&429).copied().unwrap_or_default(),
            40,
            "{name}: {counts:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_forgives_failures() {
    let bench = Bench::new().await;
    let node = bench.node();
    let totp = node.enrolled("alice").await;
    for round in 0..2 {
        for _ in 0..4 {
            assert_eq!(
                node.log_in("alice", "wrong password", "000000").await.status,
                StatusCode::UNAUTHORIZED
            );
        }
        assert_eq!(
            node.log_in("alice", PASSWORD, &totp.code(round)).await.status,
            StatusCode::OK,
            "round {round}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn th_6_one_address_gets_its_guesses_per_minute_and_costs_no_hash_after() {
    let bench = Bench::new().await;
    let node = bench.node();
    let auth = node.auth.clone().with_flood_limit(3);
    let other = |name: &str| {
        let new = NewAccount {
            username: name.into(),
            email: format!("{name}@example.org"),
            password: password(),
        };
        (context(), new)
    };
    let (ctx, new) = other("alice");
    auth.register_account(&ctx, new).await.unwrap();
    assert!(auth.start_login(&context(), "nobody", &password()).await.is_err());
    assert!(auth.verify_factor(&context(), "", "000000").await.is_err());
    let hashed = node.hashing.metrics().hash_time.count();
    let too_many =
        |result: Result<(), ServiceError>| matches!(result, Err(ServiceError::Denied(Denial::TooManyAttempts { .. })));
    let (ctx, new) = other("bob");
    assert!(too_many(auth.register_account(&ctx, new).await.map(drop)));
    assert!(too_many(
        auth.log_in(&context(), "alice", &password(), "000000").await.map(drop)
    ));
    assert!(too_many(auth.verify_factor(&context(), "", "000000").await.map(drop)));
    assert_eq!(node.hashing.metrics().hash_time.count(), hashed);
    let mut elsewhere = context();
    elsewhere.client_address = [192, 0, 2, 8].into();
    let (_, new) = other("bob");
    auth.register_account(&elsewhere, new).await.unwrap();
}
