//! For administrators: accounts, audit, policy.

use super::*;

/// An administrator with two factors.
async fn admin(node: &Node) -> String {
    let user = node.enrolled("root").await;
    // Before its first code the app does not count, and nobody without one administers.
    assert!(node.auth.bootstrap_admin(&context(), "root").await.is_err());
    let access = node.log_in("root", PASSWORD, &user.code(0)).await.token("access_token");
    node.auth.bootstrap_admin(&context(), "root").await.unwrap();
    access
}

async fn account_id(node: &Node, admin: &str, name: &str) -> String {
    let path = format!("/v1/admin/accounts?search={name}");
    let found = node.v1(Method::GET, &path, admin, None).await.json();
    found["accounts"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_administrator_is_made_by_the_operator_and_only_once() {
    let bench = Bench::new().await;
    let node = bench.node();
    admin(&node).await;
    node.enrolled("second").await;
    assert!(node.auth.bootstrap_admin(&context(), "second").await.is_err());
    assert!(node.auth.bootstrap_admin(&context(), "nobody").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_finds_disables_and_lets_in_accounts() {
    let bench = Bench::new().await;
    let node = bench.node();
    let admin = admin(&node).await;
    let ann = node.tokens_of_new_user("ann").await;
    let id = account_id(&node, &admin, "an").await;
    let path = format!("/v1/admin/accounts/{id}");
    let shown = node.v1(Method::GET, &path, &admin, None).await.json();
    assert_eq!((&shown["username"], &shown["factors"]), (&json!("ann"), &json!(1)));
    let patch = |body: Value| {
        let (node, path, admin) = (node.clone(), path.clone(), admin.clone());
        async move { node.v1(Method::PATCH, &path, &admin, Some(&body)).await }
    };
    assert_eq!(patch(json!({})).await.status, StatusCode::BAD_REQUEST);
    let disabled = patch(json!({"status": "disabled"})).await;
    assert_eq!(disabled.json()["status"], "disabled", "{disabled:?}");
    assert_eq!(node.user_info(&ann.access).await, StatusCode::UNAUTHORIZED, "se_2");
    let refused = node.v1_login("ann", PASSWORD).await;
    assert_eq!(refused.json()["code"], "account_disabled", "{refused:?}");
    assert_eq!(
        patch(json!({"status": "active", "unlock": true})).await.json()["status"],
        "active"
    );
    assert_eq!(node.v1_login("ann", PASSWORD).await.status, StatusCode::OK);
    let reset = patch(json!({"reset_factors": true})).await;
    assert_eq!(reset.json()["factors"], 0, "{reset:?}");
    let own = node
        .v1(Method::GET, "/v1/admin/accounts?role=admin", &admin, None)
        .await
        .json();
    let root = own["accounts"][0]["id"].as_str().unwrap();
    let last = node
        .v1(
            Method::PATCH,
            &format!("/v1/admin/accounts/{root}"),
            &admin,
            Some(&json!({"role": "user"})),
        )
        .await;
    assert_eq!(last.status, StatusCode::CONFLICT, "the last one stays: {last:?}");
    let unknown = "/v1/admin/accounts/00000000-0000-0000-0000-000000000000";
    assert_eq!(
        node.v1(Method::GET, unknown, &admin, None).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lg_1_the_audit_is_searched_and_read_page_by_page() {
    let bench = Bench::new().await;
    let node = bench.node();
    let admin = admin(&node).await;
    let ann = node.tokens_of_new_user("ann").await;
    node.v1_login("ann", "wrong").await;
    let own = node
        .v1(Method::GET, "/v1/audit?limit=2", &ann.access, None)
        .await
        .json();
    assert_eq!(own["rows"].as_array().unwrap().len(), 2, "{own}");
    assert_eq!(own["rows"][0]["verb"], "refuse_login", "newest first");
    assert_eq!(own["rows"][0]["ip"], "192.0.2.7");
    let next = own["next"].as_str().unwrap();
    let older = node
        .v1(
            Method::GET,
            &format!("/v1/audit?limit=2&cursor={next}"),
            &ann.access,
            None,
        )
        .await
        .json();
    assert!(older["rows"][0]["index"].as_u64() < own["rows"][1]["index"].as_u64());
    let id = account_id(&node, &admin, "ann").await;
    let path = format!("/v1/admin/audit?account={id}&outcome=invalid_credentials");
    let found = node.v1(Method::GET, &path, &admin, None).await.json();
    assert_eq!(found["rows"].as_array().unwrap().len(), 1, "{found}");
    for bad in [
        "limit=0",
        "limit=x",
        "cursor=x",
        "from=yesterday",
        "colour=1",
        "account=7",
    ] {
        let answer = node
            .v1(Method::GET, &format!("/v1/admin/audit?{bad}"), &admin, None)
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_is_replaced_by_version_and_tried_before() {
    let bench = Bench::new().await;
    let node = bench.node();
    let admin = admin(&node).await;
    let path = "/v1/admin/policy";
    let read = node.v1(Method::GET, path, &admin, None).await;
    let etag = read.headers["etag"].to_str().unwrap().to_owned();
    let mut policy = read.json();
    policy.as_object_mut().unwrap().remove("version");
    policy["registration_approval"] = json!(true);
    policy["risk_hours"] =
        json!({"zone": "America/Sao_Paulo", "weekdays": [1, 2, 3, 4, 5], "from_minute": 480, "to_minute": 1080});
    let put = |tag: Option<&str>, body: &Value| {
        let call = Call {
            method: Method::PUT,
            ..Call::get(path)
        };
        let call = call.bearer(&admin).json(body);
        match tag {
            Some(tag) => call.header("if-match", tag),
            None => call,
        }
    };
    assert_eq!(
        node.send(put(None, &policy)).await.status,
        StatusCode::PRECONDITION_REQUIRED
    );
    assert_eq!(
        node.send(put(Some("\"77\""), &policy)).await.status,
        StatusCode::PRECONDITION_FAILED
    );
    let set = node.send(put(Some(&etag), &policy)).await;
    assert_eq!(set.status, StatusCode::OK, "{set:?}");
    assert_eq!(set.json()["registration_approval"], true);
    assert_eq!(
        node.send(put(Some(&etag), &policy)).await.status,
        StatusCode::PRECONDITION_FAILED
    );

    let made = json!({"username": "ann", "email": "ann@example.org", "password": PASSWORD});
    let made = node.v1(Method::POST, "/v1/accounts", "", Some(&made)).await;
    assert_eq!(made.json()["status"], "pending");
    let waits = node.v1_login("ann", PASSWORD).await;
    assert_eq!(waits.json()["code"], "account_not_approved", "{waits:?}");
    let tried = node
        .v1(Method::POST, "/v1/admin/policy/dry-run", &admin, Some(&policy))
        .await;
    assert_eq!(tried.status, StatusCode::OK, "{tried:?}");
    assert!(tried.json()["logins"].as_u64() >= tried.json()["demanded"].as_u64());
    policy["risk_hours"]["zone"] = json!("Middle/Earth");
    let bad = node.send(put(Some("\"1\""), &policy)).await;
    assert_eq!(bad.json()["errors"][0]["field"], "risk_hours.zone", "{bad:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lg_2_exported_rows_are_a_chain_that_holds_without_the_cluster() {
    let bench = Bench::new().await;
    let node = bench.node();
    node.tokens_of_new_user("ann").await;
    for _ in 0..3 {
        node.v1_login("ann", "wrong").await;
    }
    let mut follower = auth_api::audit_export::Follower::default();
    let mut from = 0;
    loop {
        let page = node.auth.export_audit(&context(), from).await.unwrap();
        for line in &page.lines {
            follower.follow(&serde_json::to_string(line).unwrap()).unwrap();
        }
        match page.next {
            Some(next) => from = next,
            None => break,
        }
    }
    assert!(follower.rows() >= 6, "{}", follower.rows());
    let page = node.auth.export_audit(&context(), 0).await.unwrap();
    let mut changed = page.lines[2].clone();
    changed.outcome = "session_started".into();
    let mut follower = auth_api::audit_export::Follower::default();
    assert!(follower.follow(&serde_json::to_string(&changed).unwrap()).is_err());
}
