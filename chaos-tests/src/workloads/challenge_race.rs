//! A password opens a challenge; its right answer is sent several times at the same moment through all load balancers.

use super::login_003::session;
use super::{Prepared, RACERS, Row, Workload};
use crate::chaos::recorder::Ask;
use crate::chaos::stage::Stage;
use crate::pool::Attempt;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all, ready};
use reqwest::Method;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

pub(super) const ROW: Row = Row {
    name: "challenge-race",
    about: "one login challenge, answered several times at once",
    every_ms: 2_500,
    prepare,
};

struct Race;

fn prepare(_: Arc<Stage>) -> Prepared {
    ready(Ok(Arc::new(Race) as Arc<dyn Workload>)).boxed()
}

impl Workload for Race {
    fn arrive(self: Arc<Self>, stage: Arc<Stage>, due: Instant) -> BoxFuture<'static, ()> {
        async move {
            let Some(attempt) = stage.attempt(Duration::ZERO).await else {
                return;
            };
            let Some(challenge) = open(&stage, &attempt, due).await else {
                return;
            };
            let due = Instant::now();
            join_all((0..RACERS).map(|door| answer(&stage, &attempt, &challenge, door, due))).await;
        }
        .boxed()
    }
}

/// The challenge that the password opens.
pub(super) async fn open(stage: &Stage, attempt: &Attempt, due: Instant) -> Option<String> {
    let ask = Ask {
        workload: "login-step-1",
        key: attempt.key(),
        operation: "password".to_owned(),
        due,
    };
    let body = json!({"identifier": attempt.person.username, "password": attempt.person.password});
    let done = stage
        .ask(
            ask,
            0,
            |answer| answer.text("status"),
            |api| {
                let body = body.clone();
                async move { api.send(Method::POST, "/v1/login", "", Some(&body)).await }
            },
        )
        .await;
    Some(done.text("challenge_id")).filter(|challenge| !challenge.is_empty())
}

async fn answer(stage: &Stage, attempt: &Attempt, challenge: &str, door: usize, due: Instant) {
    let ask = Ask {
        workload: ROW.name,
        key: attempt.key(),
        operation: "use".to_owned(),
        due,
    };
    let path = format!("/v1/login/challenges/{challenge}/verify");
    let body = json!({"method": "totp", "code": attempt.code});
    stage
        .ask(ask, door, session, |api| {
            let (path, body) = (path.clone(), body.clone());
            async move { api.send(Method::POST, &path, "", Some(&body)).await }
        })
        .await;
}
