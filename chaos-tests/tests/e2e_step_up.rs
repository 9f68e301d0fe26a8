//! SE-5 over a real cluster: every call that changes a factor, the address, recovery codes or the account, and what
//! administrators change, is let through for ten minutes after a proof and not a moment longer; a step-up opens it again. Time
//! is moved for the whole cluster.
#![cfg(test)]

use auth_api::operation::Access;
use auth_api::operations;
use chaos_tests::api::Call;
use chaos_tests::clock;
use chaos_tests::moved_clock::{MovedClock, missing};
use chaos_tests::routes::{CLOSED, Closed};
use chaos_tests::site::{Site, User};
use chaos_tests::skipping::skipped;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How far time is moved at a time: a minute more than a proof is good for.
const LATER_SECONDS: u64 = 660;

/// Somebody whose calls are looked at, and what they answer when he has just proved himself.
struct Caller<'a> {
    who: &'static str,
    user: &'a User,
    fresh: fn(&Closed) -> u16,
}

#[tokio::test]
async fn se_5_every_change_that_needs_a_proof_is_refused_once_the_proof_is_old() {
    if skipped(missing(), true) {
        return;
    }
    nothing_is_missing();
    let (site, time) = MovedClock::start().await.unwrap();
    let ana = site.user("ana").await.unwrap();
    let root = site.administrator("root").await.unwrap();
    let callers = [
        Caller {
            who: "a user",
            user: &ana,
            fresh: |call| call.owner,
        },
        Caller {
            who: "an administrator",
            user: &root,
            fresh: |call| call.admin,
        },
    ];
    let mut tokens = [ana.access.clone(), root.access.clone()];
    for round in 0..2 {
        for (caller, token) in callers.iter().zip(&tokens) {
            every_change(&site, caller, token, caller.fresh).await;
        }
        let ahead = LATER_SECONDS * (round + 1);
        time.ahead(&site, ahead).await.unwrap();
        for (caller, token) in callers.iter().zip(&tokens) {
            every_change(&site, caller, token, |_| 403).await;
            // To look is no change.
            site.expect(200, Call::new("GET", "/v1/factors").bearer(token))
                .await
                .unwrap();
        }
        for (caller, token) in callers.iter().zip(&mut tokens) {
            *token = step_up(&site, caller, token, ahead).await;
        }
    }
    // Only now, because nothing comes after it.
    let removal = CLOSED.iter().find(|one| is_removal(one)).unwrap();
    for (caller, token) in callers.iter().zip(&tokens) {
        let answer = site.call(made(removal, token)).await.unwrap();
        assert_eq!(
            answer.status,
            (caller.fresh)(removal),
            "{}: {}",
            caller.who,
            answer.body
        );
    }
    println!("{} calls, before and after a proof, twice", changes().count());
}

/// The list is the wire contract's, and the dialect's call that the contract of the seed gives no word for.
fn nothing_is_missing() {
    let pair = |method: &str, path: &str| (method.to_owned(), path.to_owned());
    let listed: BTreeSet<_> = changes().map(|one| pair(one.method, one.path)).collect();
    let needs = |access: Access| match access {
        Access::StepUp | Access::Enrolment | Access::AdminStepUp => true,
        Access::Open | Access::Session | Access::Admin => false,
    };
    let mut wanted: BTreeSet<_> = operations::ALL
        .iter()
        .filter(|one| needs(one.access))
        .map(|one| pair(one.method.as_str(), one.path))
        .collect();
    wanted.insert(pair("PUT", "/users/update-profile"));
    assert_eq!(listed, wanted);
}

fn changes() -> impl Iterator<Item = &'static Closed> {
    CLOSED.iter().filter(|one| one.needs_a_fresh_proof())
}

fn is_removal(one: &Closed) -> bool {
    (one.method, one.path) == ("DELETE", "/v1/account")
}

fn made(one: &Closed, token: &str) -> Call {
    let body: Value = serde_json::from_str(one.body).unwrap();
    let path = one.path.replace("{id}", &"0".repeat(32));
    Call::new(one.method, &path).bearer(token).json(body)
}

async fn every_change(site: &Site, caller: &Caller<'_>, token: &str, wanted: fn(&Closed) -> u16) {
    let mut wrong = Vec::new();
    for one in changes() {
        let wanted = wanted(one);
        if is_removal(one) && wanted != 403 {
            continue;
        }
        let answer = site.call(made(one, token)).await.unwrap();
        let code = answer.body["code"].as_str().unwrap_or_default();
        // A user is no administrator, whatever he proves.
        let expected = match (wanted, one.path.starts_with("/v1")) {
            (403, true) if one.is_for_administrators() && (caller.fresh)(one) == 403 => "forbidden",
            (403, true) => "step_up_required",
            _ => code,
        };
        if (answer.status, code) != (wanted, expected) {
            wrong.push(format!(
                "{} {}: {} {}",
                one.method, one.path, answer.status, answer.body
            ));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", caller.who, wrong.join("\n"));
}

/// Proves the owner with the app, whose clock goes with the cluster's.
async fn step_up(site: &Site, caller: &Caller<'_>, token: &str, ahead: u64) -> String {
    let code = caller
        .user
        .account
        .code_at((clock::unix_seconds() + ahead) / clock::STEP_SECONDS);
    let body = json!({"method": "totp", "code": code});
    let call = Call::new("POST", "/v1/sessions/step-up").bearer(token).json(body);
    site.expect(200, call).await.unwrap().text("access_token")
}
