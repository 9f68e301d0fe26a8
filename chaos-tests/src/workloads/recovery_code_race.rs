//! The same recovery code, answered to several challenges of one account at the same moment: it opens one of them.

use super::login_003::session;
use super::{Prepared, RACERS, Row, Workload};
use crate::api::Person;
use crate::chaos::recorder::Ask;
use crate::chaos::stage::Stage;
use crate::limits::CODE_PATIENCE;
use crate::pool::Attempt;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use reqwest::Method;
use serde_json::json;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

pub(super) const ROW: Row = Row {
    name: "recovery-code-race",
    about: "one recovery code for several challenges at once",
    every_ms: 4_000,
    prepare,
};

const ACCOUNTS: usize = 2;

/// Codes that nobody has used, with whose they are.
struct Race(Mutex<VecDeque<(Person, String)>>);

fn prepare(stage: Arc<Stage>) -> Prepared {
    async move {
        let mut codes = VecDeque::new();
        for _ in 0..ACCOUNTS {
            codes.extend(codes_of_somebody(&stage).await?);
        }
        Ok(Arc::new(Race(Mutex::new(codes))) as Arc<dyn Workload>)
    }
    .boxed()
}

async fn codes_of_somebody(stage: &Stage) -> Result<Vec<(Person, String)>, String> {
    let Attempt { person, code, .. } = stage
        .attempt(CODE_PATIENCE)
        .await
        .ok_or("no account has an unused code")?;
    let body = json!({"identifier": person.username, "password": person.password, "code": code});
    let token = stage
        .any()
        .send(Method::POST, "/v1/login", "", Some(&body))
        .await?
        .text("access_token");
    let answer = stage
        .any()
        .send(Method::POST, "/v1/recovery-codes", &token, None)
        .await?;
    let codes = answer.body["codes"].as_array().cloned().unwrap_or_default();
    if codes.is_empty() {
        return Err(format!("no recovery codes: {} {}", answer.status, answer.text("code")));
    }
    let codes = codes.iter().filter_map(|code| code.as_str().map(str::to_owned));
    Ok(codes.map(|code| (person.clone(), code)).collect())
}

impl Workload for Race {
    fn arrive(self: Arc<Self>, stage: Arc<Stage>, due: Instant) -> BoxFuture<'static, ()> {
        async move {
            let next = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((person, code)) = next else { return };
            let attempt = Attempt { person, code, step: 0 };
            let opened = (0..RACERS).map(|_| super::challenge_race::open(&stage, &attempt, due));
            let challenges: Vec<String> = join_all(opened).await.into_iter().flatten().collect();
            let due = Instant::now();
            let racers = challenges
                .iter()
                .zip(0..)
                .map(|(challenge, door)| answer(&stage, &attempt, challenge, door, due));
            join_all(racers).await;
        }
        .boxed()
    }
}

async fn answer(stage: &Stage, attempt: &Attempt, challenge: &str, door: usize, due: Instant) {
    let ask = Ask {
        workload: ROW.name,
        key: super::sessions::fingerprint(&attempt.code),
        operation: "use".to_owned(),
        due,
    };
    let path = format!("/v1/login/challenges/{challenge}/verify");
    let body = json!({"method": "recovery_code", "code": attempt.code});
    stage
        .ask(ask, door, session, |api| {
            let (path, body) = (path.clone(), body.clone());
            async move { api.send(Method::POST, &path, "", Some(&body)).await }
        })
        .await;
}
