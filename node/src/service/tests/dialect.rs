//! The six calls, literally, and what they refuse.

use super::*;
use auth_core::policy::Policy;

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_flow_is_literal() {
    let bench = Bench::new().await;
    let node = bench.node();

    let created = node.sign_up("test_user1").await;
    assert_eq!(created.status, StatusCode::CREATED);
    let user = created.json();
    let names: Vec<&String> = user.as_object().unwrap().keys().collect();
    assert_eq!(names, ["created_at", "email", "is_active", "username", "uuid"]);
    assert_eq!(
        (&user["username"], &user["is_active"]),
        (&json!("test_user1"), &json!(true))
    );
    let created_at = user["created_at"].as_str().unwrap().to_owned();
    assert_eq!(
        (created_at.len(), created_at.ends_with('Z')),
        ("2025-02-13T15:15:41.760573Z".len(), true)
    );
    assert_eq!(
        uuid::Uuid::parse_str(user["uuid"].as_str().unwrap())
            .unwrap()
            .get_version_num(),
        4
    );

    // A code that does not exist yet is asked for.
    let early = node.log_in("test_user1", PASSWORD, "000000").await;
    assert_eq!(
        (early.status, early.detail()),
        (StatusCode::FORBIDDEN, "totp_enrolment_required".into())
    );

    let png = node
        .send(Call::post(api::QRCODE).json(&json!({"username": "test_user1", "password": PASSWORD})))
        .await;
    assert_eq!((png.status, &png.body[1..4]), (StatusCode::CREATED, b"PNG".as_slice()));
    assert_eq!(png.headers[CONTENT_TYPE], "image/png");
    let totp = node.enrol("test_user1").await;

    let logged_in = node.log_in("TEST_user1", PASSWORD, &totp.code(0)).await;
    let (access, refresh) = (logged_in.token("access_token"), logged_in.token("refresh_token"));
    assert_eq!(logged_in.json()["token_type"], "Bearer");
    for (cookie, value) in [("__Host-access_token", &access), ("__Host-refresh_token", &refresh)] {
        assert_eq!(logged_in.cookie(cookie).as_ref(), Some(value));
        assert_eq!(
            logged_in.cookie(cookie.trim_start_matches("__Host-")).as_ref(),
            Some(value)
        );
    }

    let info = json!({"created_at": created_at, "updated_at": null, "username": "test_user1",
        "email": "test_user1@example.org", "is_active": true, "uuid": user["uuid"]});
    let by_header = node.send(Call::get(api::USER_INFO).bearer(&access)).await;
    assert_eq!((by_header.status, by_header.json()), (StatusCode::OK, info.clone()));
    for name in ["__Host-access_token", "access_token"] {
        let by_cookie = node
            .send(Call::get(api::USER_INFO).header("cookie", &format!("{name}={access}")))
            .await;
        assert_eq!(by_cookie.json(), info);
    }

    let refreshed = node.send(Call::post(api::REFRESH).bearer(&refresh)).await;
    assert_ne!(refreshed.token("access_token"), access);
    assert_eq!(
        refreshed.cookie("__Host-access_token"),
        Some(refreshed.token("access_token"))
    );

    let public = node.send(Call::get("/api/v1/user/Test_User1")).await;
    let expected = json!({"created_at": created_at, "updated_at": null, "username": "test_user1", "is_active": true});
    assert_eq!((public.status, public.json()), (StatusCode::OK, expected));
    assert_eq!(
        node.send(Call::get("/api/v1/user/nobody")).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_account_is_called_active_only_where_it_may_log_in() {
    let rules: [fn(&mut Policy); 2] = [
        |policy| policy.registration.approval = true,
        |policy| policy.registration.confirm_email = true,
    ];
    for rule in rules {
        let bench = Bench::new().await;
        let node = bench.node();
        bench.change_policy(&node, rule).await;
        let made = node.sign_up("alice").await;
        assert_eq!(
            (made.status, &made.json()["is_active"]),
            (StatusCode::CREATED, &json!(false)),
            "{made:?}"
        );
        let seen = node.send(Call::get("/api/v1/user/alice")).await;
        assert_eq!(seen.json()["is_active"], false);
        let refused = node.log_in("alice", PASSWORD, "000000").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused:?}");
        // Where the address is somebody's already, the same is said.
        let body =
            json!({"username": "bob", "email": "alice@example.org", "password1": PASSWORD, "password2": PASSWORD});
        let taken = node.send(Call::post(api::USER).json(&body)).await;
        assert_eq!(
            (taken.status, &taken.json()["is_active"]),
            (StatusCode::CREATED, &json!(false))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn otp_8_a_bound_seed_is_never_shown_nor_replaced_by_a_password() {
    let bench = Bench::new().await;
    let node = bench.node();
    let totp = node.enrolled("alice").await;
    // While it is pending a new one may take its place, and the old one is void.
    let second = node.enrol("alice").await;
    assert_eq!(
        node.log_in("alice", PASSWORD, &totp.code(0)).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        node.log_in("alice", PASSWORD, &second.code(0)).await.status,
        StatusCode::OK
    );
    let again = node
        .send(Call::post(api::QRCODE).json(&json!({"username": "alice", "password": PASSWORD})))
        .await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    let wrong = node
        .send(Call::post(api::QRCODE).json(&json!({"username": "alice", "password": "wrong password"})))
        .await;
    assert_eq!(
        (wrong.status, wrong.detail()),
        (StatusCode::UNAUTHORIZED, "Invalid credentials".into())
    );
    // The next step still opens with the seed that was bound.
    assert_eq!(
        node.log_in("alice", PASSWORD, &second.code(1)).await.status,
        StatusCode::OK
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn otp_8_the_repeat_of_an_enrolment_does_not_show_a_seed_that_was_bound_since() {
    let bench = Bench::new().await;
    let node = bench.node();
    assert_eq!(node.sign_up("alice").await.status, StatusCode::CREATED);
    let body = json!({"username": "alice", "password": PASSWORD});
    let enrol = || {
        Call::post(api::QRCODE)
            .header("accept", "application/json")
            .header("idempotency-key", "qr-1")
            .json(&body)
    };
    let first = node.send(enrol()).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    let totp = Totp::new(first.json()["secret"].as_str().unwrap());
    let again = node.send(enrol()).await;
    assert_eq!((again.status, again.json()), (StatusCode::CREATED, first.json()));
    let bound = node.log_in("alice", PASSWORD, &totp.code(0)).await;
    assert_eq!(bound.status, StatusCode::OK, "{bound:?}");
    let late = node.send(enrol()).await;
    assert_eq!(
        (late.status, late.detail()),
        (
            StatusCode::CONFLICT,
            "It was confirmed or replaced meanwhile: begin again".into()
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_of_an_enrolment_shows_the_seed_that_is_stored() {
    let bench = Bench::new().await;
    let (one, two) = (bench.node(), bench.node());
    assert_eq!(one.sign_up("alice").await.status, StatusCode::CREATED);
    let operation = entropy::bytes();
    let call = || {
        let call = Call::post(api::QRCODE)
            .header("accept", "application/json")
            .operation(operation);
        call.json(&json!({"username": "alice", "password": PASSWORD}))
    };
    let (first, second) = (one.send(call()).await, two.send(call()).await);
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!(first.body, second.body);
    let code = Totp::new(second.json()["secret"].as_str().unwrap()).code(0);
    assert_eq!(one.log_in("alice", PASSWORD, &code).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn taken_names_are_told_and_taken_addresses_are_not() {
    let bench = Bench::new().await;
    let node = bench.node();
    assert_eq!(node.sign_up("alice").await.status, StatusCode::CREATED);
    let taken = node.sign_up("ALICE").await;
    assert_eq!(taken.status, StatusCode::CONFLICT);
    let body = json!({"username": "bob", "email": "Alice@example.org", "password1": PASSWORD, "password2": PASSWORD});
    let same_address = node.send(Call::post(api::USER).json(&body)).await;
    assert_eq!(
        (same_address.status, &same_address.json()["username"]),
        (StatusCode::CREATED, &json!("bob"))
    );
    // It only looks made: it answers like any name, and nobody gets in.
    assert_eq!(
        node.send(Call::get("/api/v1/user/bob")).await.status,
        StatusCode::OK,
        "en_1"
    );
    assert_eq!(node.sign_up("bob").await.status, StatusCode::CONFLICT, "en_1");
    for path in [api::QRCODE, "/auth/login"] {
        let call = Call::post(path).json(&json!({"username": "bob", "password": PASSWORD}));
        assert_eq!(node.send(call).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_input_names_the_field_and_no_answer_holds_the_password() {
    let bench = Bench::new().await;
    let node = bench.node();
    let user = |name: &str, email: &str, one: &str, two: &str| json!({"username": name, "email": email, "password1": one, "password2": two});
    for (body, field) in [
        (user("a b", "a@example.org", PASSWORD, PASSWORD), "username"),
        (user("alice", "nowhere", PASSWORD, PASSWORD), "email"),
        (user("alice", "a@example.org", "short", "short"), "password1"),
        (user("alice", "a@example.org", PASSWORD, "canary-other"), "password2"),
        (user(PASSWORD, "a@example.org", PASSWORD, PASSWORD), "password1"),
        (
            json!({"username": "alice", "email": "a@example.org", "password1": PASSWORD}),
            "password2",
        ),
        (
            json!({"username": "alice", "email": "a@example.org", "password1": [PASSWORD], "password2": ""}),
            "password1",
        ),
    ] {
        let answer = node.send(Call::post(api::USER).json(&body)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(
            answer.detail().starts_with(&format!("{field}: ")),
            "{}",
            answer.detail()
        );
        assert!(!answer.detail().contains("canary"), "{}", answer.detail());
    }
    for path in [api::USER, api::QRCODE, api::LOGIN] {
        let mut cut = Call::post(path).json(&json!({"password": PASSWORD}));
        cut.body = cut.body.map(|body| body[..body.len() - 1].to_vec());
        let answer = node.send(cut).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(!answer.detail().contains("canary"), "{}", answer.detail());
        let text = Call::post(path).header("content-type", "text/plain");
        assert_eq!(node.send(text).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let large = Call::post(path).json(&json!({"username": "x".repeat(65_536)}));
        assert_eq!(node.send(large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_that_are_not_public_look_like_no_profile() {
    let bench = Bench::new().await;
    let node = bench.node_with(false);
    let totp = node.enrolled("alice").await;
    let access = node
        .log_in("alice", PASSWORD, &totp.code(0))
        .await
        .token("access_token");
    let (known, unknown) = (
        node.send(Call::get("/api/v1/user/alice")).await,
        node.send(Call::get("/api/v1/user/nobody")).await,
    );
    assert_eq!((known.status, &known.body), (StatusCode::NOT_FOUND, &unknown.body));
    assert_eq!(
        node.send(Call::get("/api/v1/user/alice").bearer(&access)).await.status,
        StatusCode::OK
    );
}
