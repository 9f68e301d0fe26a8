//! A thousand guesses at once, over all nodes: no more are looked at than the budget allows, also while the leader dies.
//! What was looked at is counted by rows of the audit, each of which is in the same entry as the charge.
#![cfg(test)]

use chaos_tests::api::Call;
use chaos_tests::limits::{POLL, RECOVERY_MAX};
use chaos_tests::site::{Site, User, six_digits};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

const GUESSES: usize = 1_000;
/// Failures in a row that cost no delay are four; the fifth is looked at, too, and then there is a delay.
const AT_ONCE: usize = 5;
/// When the guesses after those are looked at, in seconds from the first: after 30, and after 60 more.
const LATER: [u64; 3] = [30, 90, 210];
/// Answers that a challenge takes, whoever gives them.
const PER_CHALLENGE: usize = 5;
/// Guesses that each of three nodes answers at least, of a thousand.
const EACH_NODE_MIN: u64 = 100;
/// Outcomes of a guess that was looked at and was wrong.
const LOOKED_AT: [&str; 4] = [
    "invalid_code",
    "invalid_credentials",
    "code_used_before",
    "method_not_offered",
];

/// What came of many guesses.
struct Attack {
    answers: BTreeMap<u16, usize>,
    took: Duration,
    looked_at: usize,
    /// Guesses that each node answered.
    by_node: BTreeMap<String, u64>,
    /// When each guess was begun, when it was answered, and how.
    log: Vec<(Instant, Instant, u16)>,
}

/// Guesses that are sent at the same time, each as soon as its own moment has come.
struct Moments {
    /// How many moments have come.
    come: watch::Sender<usize>,
    /// The moment that each guess waits for.
    of: fn(usize) -> usize,
    /// Told with every answer.
    answered: watch::Sender<Answered>,
}

/// How many guesses have an answer by now.
#[derive(Default)]
struct Answered {
    all: usize,
    judged: usize,
}

impl Moments {
    fn new(of: fn(usize) -> usize) -> Arc<Self> {
        Arc::new(Self {
            come: watch::Sender::new(0),
            of,
            answered: watch::Sender::default(),
        })
    }
}

#[tokio::test]
async fn otp_7_th_3_th_4_th_8_a_thousand_parallel_guesses_are_looked_at_within_the_budget() {
    let site = Arc::new(Site::start().await.unwrap());
    passwords(&site).await;
    app_codes(&site).await;
    mailed_codes(&site).await;
    recovery_codes(&site).await;
    app_codes_while_the_leader_dies(&site).await;
}

/// Sends all guesses at the same time and counts what was looked at.
async fn attack(site: &Arc<Site>, user: &User, what: &str, guess: impl Fn(usize) -> Call) -> Attack {
    let attack = attack_at(site, user, what, guess, &Moments::new(|_| 0)).await;
    assert_eq!(
        attack.by_node.len(),
        3,
        "{what}: every node got guesses: {:?}",
        attack.by_node
    );
    for (node, got) in &attack.by_node {
        assert!(*got >= EACH_NODE_MIN, "{what}: {node} got {got}");
    }
    attack
}

async fn attack_at(
    site: &Arc<Site>,
    user: &User,
    what: &str,
    guess: impl Fn(usize) -> Call,
    moments: &Arc<Moments>,
) -> Attack {
    let before = looked_at(site, &user.access).await;
    let counted = answered_by(site).await;
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0..GUESSES {
        let (site, call, moments) = (Arc::clone(site), guess(number), Arc::clone(moments));
        tasks.spawn(async move {
            let moment = (moments.of)(number);
            moments.come.subscribe().wait_for(|come| *come >= moment).await.unwrap();
            let begun = Instant::now();
            let status = site.call(call).await.map_or(0, |answer| answer.status);
            let answered = Instant::now();
            moments.answered.send_modify(|count| {
                count.all += 1;
                count.judged += usize::from(is_judged(status));
            });
            (begun, answered, status)
        });
    }
    let log = tasks.join_all().await;
    let mut answers = BTreeMap::new();
    for (.., status) in &log {
        *answers.entry(*status).or_default() += 1;
    }
    let took = started.elapsed();
    let looked_at = looked_at(site, &user.access).await - before;
    let mut by_node = answered_by(site).await;
    for (node, had) in counted {
        *by_node.entry(node).or_default() -= had;
    }
    println!(
        "{what}: {GUESSES} guesses in {} ms, {looked_at} looked at; answers {answers:?} by {by_node:?}",
        took.as_millis()
    );
    assert_eq!(answers.get(&200), None, "{what}: nobody got in");
    until_hashes_are_done(site, what).await;
    Attack {
        answers,
        took,
        looked_at,
        by_node,
        log,
    }
}

/// Waits until the queues for hashing have room at every node: whoever signs up next would be told 503.
async fn until_hashes_are_done(site: &Site, what: &str) {
    let deadline = Instant::now() + RECOVERY_MAX;
    let mut taken = 0;
    for number in 0.. {
        let body = json!({"identifier": format!("nobody-{number}-of-{what}"), "password": "a guess"});
        let answer = site.call(Call::new("POST", "/v1/login").json(body)).await.unwrap();
        taken = if answer.status == 503 { 0 } else { taken + 1 };
        if taken == 6 {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: still {}", answer.body);
        tokio::time::sleep(POLL).await;
    }
}

/// Whether somebody decided about a guess: it was wrong, or too many were.
fn is_judged(status: u16) -> bool {
    matches!(status, 401 | 429)
}

/// Guesses that each node answered since the load balancers started, as these count them.
async fn answered_by(site: &Site) -> BTreeMap<String, u64> {
    let client = cluster_harness::http::ops_client().unwrap();
    let mut all = BTreeMap::new();
    for lb in site.cluster.description().lbs {
        let got = client.get(format!("{}/metrics", lb.ops)).send().await.unwrap();
        for line in got.text().await.unwrap().lines() {
            let Some((labels, count)) = line
                .strip_prefix("tfauth_lb_requests_total{")
                .and_then(|rest| rest.split_once("} "))
            else {
                continue;
            };
            let label = |name: &str| {
                let mut pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
                pairs.find_map(|(key, value)| (key == name).then(|| value.trim_matches('"').to_owned()))
            };
            let node = label("node").unwrap_or_default();
            if label("route").as_deref() == Some("login") && node.starts_with("node-") {
                *all.entry(node).or_default() += count.parse::<u64>().unwrap();
            }
        }
    }
    all
}

async fn looked_at(site: &Site, access: &str) -> usize {
    // While a leader is elected nobody is told anything.
    let deadline = Instant::now() + RECOVERY_MAX;
    let rows = loop {
        match site.audit(access).await {
            Ok(rows) => break rows,
            Err(reason) => assert!(Instant::now() < deadline, "{reason}"),
        }
        tokio::time::sleep(POLL).await;
    };
    rows.iter()
        .filter(|row| LOOKED_AT.iter().any(|outcome| row["outcome"] == *outcome))
        .count()
}

impl Attack {
    /// The budget was used up and not passed; and nobody learned of more guesses than were charged.
    fn stays_within_the_budget(&self, what: &str) {
        let allowed = AT_ONCE + LATER.iter().filter(|after| self.took.as_secs() >= **after).count();
        assert!(
            (AT_ONCE..=allowed).contains(&self.looked_at),
            "{what}: {} looked at, {allowed} allowed",
            self.looked_at
        );
        let told = self.answers.get(&401).copied().unwrap_or_default();
        assert!(
            told <= self.looked_at,
            "{what}: {told} were told, {} charged",
            self.looked_at
        );
    }
}

/// Even the right credentials are not looked at now.
async fn is_blocked(site: &Site, user: &User, what: &str) {
    let person = &user.account.person;
    let body = json!({"identifier": person.username, "password": person.password});
    let answer = site.call(Call::new("POST", "/v1/login").json(body)).await.unwrap();
    assert_eq!(answer.status, 429, "{what}: {}", answer.body);
    assert!(answer.headers.contains_key("retry-after"), "{what}");
}

async fn passwords(site: &Arc<Site>) {
    let user = site.user("pass").await.unwrap();
    let guess = |number| {
        let body = json!({"identifier": "pass", "password": format!("guess number {number}")});
        Call::new("POST", "/v1/login").json(body)
    };
    attack(site, &user, "passwords", guess)
        .await
        .stays_within_the_budget("passwords");
    is_blocked(site, &user, "passwords").await;
}

/// The right password, and a code that no step near now has.
fn wrong_code(user: &User) -> impl Fn(usize) -> Call {
    let near: Vec<String> = {
        let step = chaos_tests::clock::step();
        (step - 3..step + 10).map(|step| user.account.code_at(step)).collect()
    };
    let codes: Vec<String> = (0..)
        .map(|n| format!("{n:06}"))
        .filter(|code| !near.contains(code))
        .take(GUESSES)
        .collect();
    let person = user.account.person.clone();
    move |number| {
        let body = json!({"username": person.username, "password": person.password, "security_code": codes[number]});
        Call::new("POST", "/api/v1/auth-jwt/login").json(body)
    }
}

async fn app_codes(site: &Arc<Site>) {
    let user = site.user("app").await.unwrap();
    attack(site, &user, "codes of an app", wrong_code(&user))
        .await
        .stays_within_the_budget("codes of an app");
    is_blocked(site, &user, "codes of an app").await;
}

async fn challenge_of(site: &Site, user: &User) -> String {
    let person = &user.account.person;
    let body = json!({"identifier": person.username, "password": person.password});
    let started = site
        .expect(200, Call::new("POST", "/v1/login").json(body))
        .await
        .unwrap();
    format!("/v1/login/challenges/{}", started.text("challenge_id"))
}

async fn mailed_codes(site: &Arc<Site>) {
    let user = site.user("mail").await.unwrap();
    site.confirm_address(&user).await.unwrap();
    let on = Call::new("PUT", "/v1/factors/email").bearer(&user.access);
    site.expect(204, on.json(json!({"enabled": true}))).await.unwrap();
    let challenge = challenge_of(site, &user).await;
    site.expect(202, Call::new("POST", &format!("{challenge}/email")))
        .await
        .unwrap();
    let right = site.mailed(&user.account.person.email, six_digits).await.unwrap();
    let codes: Vec<String> = (0..)
        .map(|n| format!("{n:06}"))
        .filter(|code| *code != right)
        .take(GUESSES)
        .collect();
    let verify = format!("{challenge}/verify");
    let answer = |code: &str| Call::new("POST", &verify).json(json!({"method": "email", "code": code}));
    let attack = attack(site, &user, "mailed codes", |number| answer(&codes[number])).await;
    assert_eq!(attack.looked_at, PER_CHALLENGE, "otp_11: five answers");
    let late = site.call(answer(&right)).await.unwrap();
    assert!(
        [401, 429].contains(&late.status),
        "the challenge is gone: {}",
        late.body
    );
}

async fn recovery_codes(site: &Arc<Site>) {
    let user = site.user("reco").await.unwrap();
    let made = site
        .expect(201, Call::new("POST", "/v1/recovery-codes").bearer(&user.access))
        .await
        .unwrap();
    let right = made.body["codes"][0].as_str().unwrap().to_owned();
    let verify = format!("{}/verify", challenge_of(site, &user).await);
    let answer = |code: &str| Call::new("POST", &verify).json(json!({"method": "recovery_code", "code": code}));
    // Base32 has no 0 and 1: digits 2 to 7 count up.
    let code_at = |number: usize| {
        let digits: String = format!("{number:05o}")
            .bytes()
            .map(|digit| char::from(b'A' + digit - b'0'))
            .collect();
        format!("AAAAA-AAAAA-AAAAA-AAAAA-{digits}")
    };
    let attack = attack(site, &user, "recovery codes", |number| answer(&code_at(number))).await;
    assert_eq!(attack.looked_at, PER_CHALLENGE, "th_8: throttled alike");
    let late = site.call(answer(&right)).await.unwrap();
    assert!(
        [401, 429].contains(&late.status),
        "the challenge is gone: {}",
        late.body
    );
    is_blocked(site, &user, "recovery codes").await;
}

/// A third of the guesses is sent at once, a third in the moment in which the leader is killed, and the rest as soon as
/// there is another one and those before have their answers: until then the queues for hashing may be full, and the last
/// third could get 503 alone.
async fn app_codes_while_the_leader_dies(site: &Arc<Site>) {
    let user = site.user("dead").await.unwrap();
    let old = site.cluster.find_leader().await.unwrap();
    let moments = Moments::new(|number| number * 3 / GUESSES);
    let killer = {
        let (site, old, moments) = (Arc::clone(site), old.clone(), Arc::clone(&moments));
        tokio::spawn(async move {
            let mut answered = moments.answered.subscribe();
            answered.wait_for(|count| count.judged > 0).await.unwrap();
            let killed = Instant::now();
            site.cluster.members().kill(&old).await.unwrap();
            moments.come.send_replace(1);
            let deadline = Instant::now() + RECOVERY_MAX;
            let new = loop {
                match site.cluster.find_leader().await {
                    Ok(leader) if leader != old => break leader,
                    Ok(_) | Err(_) => assert!(Instant::now() < deadline, "there is no other leader"),
                }
                tokio::time::sleep(POLL).await;
            };
            let held = (0..GUESSES).filter(|number| (moments.of)(*number) == 2).count();
            answered.wait_for(|count| count.all == GUESSES - held).await.unwrap();
            let led = Instant::now();
            moments.come.send_replace(2);
            (killed, led, new)
        })
    };
    let what = "codes of an app while the leader dies";
    let attack = attack_at(site, &user, what, wrong_code(&user), &moments).await;
    let (killed, led, new) = killer.await.unwrap();
    site.cluster.members().restart(&old).await.unwrap();

    let judged: Vec<_> = attack.log.iter().filter(|(.., status)| is_judged(*status)).collect();
    let before = judged.iter().filter(|(_, answered, _)| *answered < killed).count();
    let open = attack
        .log
        .iter()
        .filter(|(begun, answered, _)| *begun < killed && *answered > killed)
        .count();
    let after = judged.iter().filter(|(begun, ..)| *begun > led).count();
    println!("{before} answered before {old} was killed, {open} open then, {after} begun and answered under {new}");
    assert!(before > 0 && open > 0 && after > 0, "the kill fell inside the attack");
    for (node, got) in attack.by_node.iter().filter(|(node, _)| **node != old) {
        assert!(*got >= EACH_NODE_MIN, "{what}: {node} got {got}");
    }

    attack.stays_within_the_budget("while the leader dies");
    if attack.took < Duration::from_secs(LATER[0] - 10) {
        is_blocked(site, &user, "th_3: after the leader died").await;
    }
    let failures = looked_at(site, &user.access).await;
    site.cluster.wait_healthy().await.unwrap();
    assert_eq!(
        looked_at(site, &user.access).await,
        failures,
        "th_3: nothing that was charged is forgotten"
    );
}
