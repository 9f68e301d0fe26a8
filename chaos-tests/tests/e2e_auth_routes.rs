//! Every route of a real cluster without a login, with the wrong login, with a session of one factor, for somebody else's
//! things, with the wrong role, and as an administrator. The routes come from the served document and from the two tables of
//! the wire contract: one that is missing in the lists below is found.
#![cfg(test)]

use auth_api::operation::Access;
use auth_api::{operations, surface};
use chaos_tests::api::{Answer, Call};
use chaos_tests::routes::{CLOSED, Closed, NOT_SERVED, OPEN, PAGES};
use chaos_tests::site::{Site, User, six_digits};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The path with something in place of its parameters.
fn concrete(path: &str) -> String {
    path.replace("{username}", "nobody").replace("{id}", &"0".repeat(32))
}

fn call(method: &str, path: &str, body: &str) -> Call {
    let call = Call::new(method, &concrete(path));
    if method == "GET" {
        call
    } else {
        call.json(serde_json::from_str(body).unwrap())
    }
}

fn code_of(answer: &Answer) -> String {
    let body = &answer.body;
    let said = [&body["code"], &body["error"]["code"], &body["error"], &body["detail"]];
    said.into_iter().find_map(Value::as_str).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn every_route_answers_everybody_as_the_table_says() {
    let site = Site::start().await.unwrap();
    nothing_is_missing_in_the_lists(&site).await;
    nobody_gets_in(&site).await;
    let (ana, ben) = (site.user("ana").await.unwrap(), site.user("ben").await.unwrap());
    let wrong = wrong_logins(&site, &ana, &ben).await;
    for (name, token) in &wrong {
        is_nobody(&site, name, token).await;
    }
    what_is_anothers_is_not_found(&site, &ana, &ben).await;
    let root = site.administrator("root").await.unwrap();
    as_the_table_says(
        &site,
        "a session of one factor",
        &weak_session(&site, &ana).await,
        |call| call.weak,
    )
    .await;
    as_the_table_says(&site, "a user", &ben.access, |call| call.owner).await;
    as_the_table_says(&site, "an administrator", &root.access, |call| call.admin).await;
    println!(
        "{} open calls, {} closed ones with {} wrong logins, {} pages",
        OPEN.len(),
        CLOSED.len(),
        wrong.len(),
        PAGES.len()
    );
}

/// The lists, the served document, the operations and the rules of the load balancer name the same routes.
async fn nothing_is_missing_in_the_lists(site: &Site) {
    type Routes = BTreeSet<(String, String)>;
    let pair = |method: &str, path: &str| (method.to_owned(), path.to_owned());
    let open = OPEN.iter().map(|(method, path, ..)| pair(method, path));
    let listed: Routes = open
        .chain(CLOSED.iter().map(|call| pair(call.method, call.path)))
        .collect();
    assert_eq!(listed.len(), OPEN.len() + CLOSED.len(), "no call is listed twice");
    let built: Routes = operations::ALL
        .iter()
        .map(|one| pair(one.method.as_str(), one.path))
        .collect();
    assert_eq!(listed, built, "the lists of this test and auth_api::operations");
    let document = site.expect(200, Call::new("GET", "/openapi.json")).await.unwrap().body;
    let mut served = Routes::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let methods = ["get", "post", "put", "patch", "delete"];
        let here = methods.iter().filter(|method| item.get(**method).is_some());
        // Dialects write some paths with a slash at the end, which answers the same.
        served.extend(here.map(|method| pair(&method.to_uppercase(), path.trim_end_matches('/'))));
    }
    assert_eq!(listed, served, "the lists of this test and the served document");

    for Closed {
        method, path, access, ..
    } in CLOSED
    {
        assert_eq!(
            operations::find(method, path).unwrap().access,
            *access,
            "{method} {path}"
        );
    }
    let known = listed
        .iter()
        .map(|(_, path)| concrete(path))
        .chain(PAGES.iter().map(|(_, path, _)| (*path).to_owned()));
    let mut covered: BTreeSet<&str> = known.map(|path| surface::find(&path).unwrap().pattern).collect();
    for pattern in NOT_SERVED {
        assert!(covered.insert(pattern), "{pattern} is served: list its routes");
    }
    let rules: BTreeSet<&str> = surface::RULES.iter().map(|rule| rule.pattern).collect();
    assert_eq!(rules, covered, "auth_api::surface and the lists of this test");
}

async fn nobody_gets_in(site: &Site) {
    let mut wrong = Vec::new();
    let mut judge = |what: String, wanted: u16, answer: &Answer| {
        if answer.status != wanted {
            wrong.push(format!(
                "{what}: {} instead of {wanted}: {}",
                answer.status, answer.body
            ));
        }
    };
    for (method, path, body, status) in OPEN {
        let answer = site.call(call(method, path, body)).await.unwrap();
        judge(format!("{method} {path}"), *status, &answer);
    }
    for Closed { method, path, body, .. } in CLOSED {
        let answer = site.call(call(method, path, body)).await.unwrap();
        judge(format!("{method} {path}"), 401, &answer);
        assert!(!code_of(&answer).is_empty(), "{method} {path}: {}", answer.body);
    }
    for (method, path, status) in PAGES {
        let call = Call::new(method, path).header("accept", "text/html");
        let call = match *method {
            "POST" => call.header("content-type", "application/x-www-form-urlencoded"),
            _ => call,
        };
        judge(format!("{method} {path}"), *status, &site.call(call).await.unwrap());
    }
    for pattern in NOT_SERVED {
        let path = pattern.replace("/**", "/x");
        let rule = surface::find(&path).unwrap();
        let method = if rule.methods.allows("GET") { "GET" } else { "POST" };
        judge(
            format!("{method} {path}"),
            404,
            &site.call(Call::new(method, &path)).await.unwrap(),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Everything that somebody could bring who is not logged in, or not any more.
async fn wrong_logins(site: &Site, ana: &User, ben: &User) -> Vec<(&'static str, String)> {
    let mut account = ana.account.clone();
    let login =
        |password: &str| Call::new("POST", "/v1/login").json(json!({"identifier": "ana", "password": password}));
    let started = site.expect(200, login(&ana.account.person.password)).await.unwrap();
    let challenge = started.text("challenge_id");
    let verify = Call::new("POST", &format!("/v1/login/challenges/{challenge}/verify"));
    let answer = json!({"method": "totp", "code": account.wait_for_code().await, "remember_device": true});
    let remembered = site.expect(200, verify.json(answer)).await.unwrap();
    let ended = remembered.text("access_token");
    site.expect(204, Call::new("POST", "/v1/sessions/logout").bearer(&ended))
        .await
        .unwrap();
    // The repeat of a request that ended its session is answered; only that one.
    let open = site.expect(200, login(&ana.account.person.password)).await.unwrap();

    let gone = site.user("gone").await.unwrap();
    site.expect(204, Call::new("DELETE", "/v1/account").bearer(&gone.access))
        .await
        .unwrap();
    let new = json!({"username": "new", "email": "new@example.org", "password": "zq7 lantern"});
    site.expect(201, Call::new("POST", "/v1/accounts").json(new))
        .await
        .unwrap();
    let body = json!({"identifier": "new", "password": "zq7 lantern"});
    let refused = site
        .expect(403, Call::new("POST", "/v1/login").json(body))
        .await
        .unwrap();
    assert_eq!(refused.text("code"), "enrolment_required");
    let enrolment = refused.text("enrolment_token");
    let tokens = vec![
        ("no token", "x".to_owned()),
        ("three empty parts", "..".to_owned()),
        ("a refresh token", ben.refresh.clone()),
        ("a challenge that was answered", challenge),
        ("a challenge that waits", open.text("challenge_id")),
        ("the token of a remembered device", remembered.text("device_token")),
        ("the token of a session that ended", ended),
        ("the token of an account that is gone", gone.access),
        ("an enrolment token", enrolment),
    ];
    assert!(
        tokens.iter().all(|(_, token)| !token.is_empty()),
        "all of them were given"
    );
    tokens
}

/// A token that is no access token opens nothing; an enrolment token only what it is for.
async fn is_nobody(site: &Site, name: &str, token: &str) {
    for Closed {
        method,
        path,
        body,
        access,
        ..
    } in CLOSED
    {
        let answer = site.call(call(method, path, body).bearer(token)).await.unwrap();
        let wanted: &[u16] = if name == "an enrolment token" && *access == Access::Enrolment {
            &[201, 404]
        } else {
            &[401]
        };
        assert!(
            wanted.contains(&answer.status),
            "{method} {path} with {name}: {} {}",
            answer.status,
            answer.body
        );
    }
    // What anybody may do is answered as if there were no token. Guesses are left out: their budget is small.
    for (method, path, body, status) in OPEN.iter().filter(|(.., status)| *status != 401) {
        let answer = site.call(call(method, path, body).bearer(token)).await.unwrap();
        assert_eq!(answer.status, *status, "{method} {path} with {name}: {}", answer.body);
    }
}

/// A session that a mailed code opened, of an account with a stronger factor (OTP-12).
async fn weak_session(site: &Site, user: &User) -> String {
    site.confirm_address(user).await.unwrap();
    let on = Call::new("PUT", "/v1/factors/email").bearer(&user.access);
    site.expect(204, on.json(json!({"enabled": true}))).await.unwrap();
    let person = &user.account.person;
    let login = json!({"identifier": person.username, "password": person.password});
    let started = site
        .expect(200, Call::new("POST", "/v1/login").json(login))
        .await
        .unwrap();
    let challenge = format!("/v1/login/challenges/{}", started.text("challenge_id"));
    site.expect(202, Call::new("POST", &format!("{challenge}/email")))
        .await
        .unwrap();
    let code = site.mailed(&person.email, six_digits).await.unwrap();
    let verify = Call::new("POST", &format!("{challenge}/verify")).json(json!({"method": "email", "code": code}));
    site.expect(200, verify).await.unwrap().text("access_token")
}

/// Makes every closed call as one caller, in the order of the table.
async fn as_the_table_says(site: &Site, who: &str, token: &str, column: fn(&Closed) -> u16) {
    let mut wrong = Vec::new();
    for one in CLOSED {
        let (method, path, wanted) = (one.method, one.path, column(one));
        // Whoever removes his account has no session to end after it.
        let spare = if (method, path, wanted) == ("DELETE", "/v1/account", 204) {
            Some(site.user("spare").await.unwrap())
        } else {
            None
        };
        let bearer = spare.as_ref().map_or(token, |user| user.access.as_str());
        let answer = site.call(call(method, path, one.body).bearer(bearer)).await.unwrap();
        let code = code_of(&answer);
        let is_right = answer.status == wanted
            && (wanted != 403 || code == refusal_of(one))
            && (wanted != 404 || code == "not_found");
        if !is_right {
            wrong.push(format!("{method} {path}: {} {code} instead of {wanted}", answer.status));
        }
    }
    assert!(wrong.is_empty(), "{who}:\n{}", wrong.join("\n"));
}

/// What a caller who may not make a call is told: that he never may, or that he must prove himself first.
fn refusal_of(call: &Closed) -> &'static str {
    if call.is_for_administrators() {
        "forbidden"
    } else if call.path.starts_with("/v1") {
        "step_up_required"
    } else {
        "Prove who you are again first"
    }
}

/// Ids are no keys: what belongs to somebody else is not there, and stays.
async fn what_is_anothers_is_not_found(site: &Site, ana: &User, ben: &User) {
    let list = |path: &str| Call::new("GET", path).bearer(&ana.access);
    let mut before = Vec::new();
    let with_id = |one: &&Closed| one.path.contains("{id}") && !one.is_for_administrators();
    for one in CLOSED.iter().filter(with_id) {
        let (all, rest) = one.path.split_once("/{id}").unwrap();
        let listed = site.expect(200, list(all)).await.unwrap().body;
        let id = listed[0]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{all}: {listed}"))
            .to_owned();
        let at = format!("{all}/{id}{rest}");
        let answer = site
            .call(call(one.method, &at, one.body).bearer(&ben.access))
            .await
            .unwrap();
        let told = (answer.status, code_of(&answer));
        assert_eq!(told, (404, "not_found".into()), "{} {at}", one.method);
        before.push((all, id));
    }
    assert!(before.len() >= 4, "sessions, devices, and factors twice");
    for (path, id) in before {
        let after = site.expect(200, list(path)).await.unwrap().body;
        assert!(
            after.as_array().unwrap().iter().any(|row| row["id"] == id.as_str()),
            "{path}: {after}"
        );
    }
    let own = site
        .expect(200, Call::new("GET", "/v1/audit?limit=100").bearer(&ben.access))
        .await
        .unwrap();
    let ana = site.expect(200, list("/v1/account")).await.unwrap().text("id");
    let rows = own.body["rows"].as_array().unwrap();
    assert!(
        !rows.is_empty() && rows.iter().all(|row| row["account"] != ana.as_str()),
        "lg_1: own rows only"
    );
}
