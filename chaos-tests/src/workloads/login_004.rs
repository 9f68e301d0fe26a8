//! Logins of the dialect of conditional codes: password, 428 and a mail, and its code, sent several times at the same moment.

use super::mailed::Accounts;
use super::sessions::claim;
use super::{Prepared, RACERS, Row, Workload};
use crate::api::{Answer, Person};
use crate::chaos::recorder::Ask;
use crate::chaos::stage::Stage;
use crate::limits::MAIL_PATIENCE;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use serde_json::json;
use std::sync::Arc;
use tokio::time::Instant;

pub(super) const ROW: Row = Row {
    name: "login-004",
    about: "password, 428, then one mailed code several times at once",
    every_ms: 5_000,
    prepare,
};

const ACCOUNTS: usize = 2;

struct Login(Accounts);

fn prepare(stage: Arc<Stage>) -> Prepared {
    async move {
        let accounts = Accounts::make(&stage, "conditional", ACCOUNTS, true).await?;
        Ok(Arc::new(Login(accounts)) as Arc<dyn Workload>)
    }
    .boxed()
}

impl Workload for Login {
    fn arrive(self: Arc<Self>, stage: Arc<Stage>, due: Instant) -> BoxFuture<'static, ()> {
        async move {
            let Some(person) = self.0.take(&stage).await else {
                return;
            };
            log_in(&stage, &person, due).await;
            self.0.put(person);
        }
        .boxed()
    }
}

async fn log_in(stage: &Stage, person: &Person, due: Instant) {
    let seen = stage.mailbox.count(&person.email);
    let body = json!({"email": person.email, "password": person.password});
    let ask = |workload, key: &str, due| Ask {
        workload,
        key: key.to_owned(),
        operation: "use".to_owned(),
        due,
    };
    let opened = stage
        .ask(
            ask("login-step-1", &person.username, due),
            0,
            |answer| answer.status.to_string(),
            |api| {
                let body = body.clone();
                async move { api.post("/api/auth/login", &body).await }
            },
        )
        .await;
    let Some(challenge) = opened.answer.as_ref().and_then(challenge) else {
        return;
    };
    let Some(code) = stage.mailbox.code(&person.email, seen, MAIL_PATIENCE).await else {
        return;
    };
    let body = json!({"email": person.email, "otpCode": code, "challengeId": challenge});
    let key = super::sessions::fingerprint(&challenge);
    let due = Instant::now();
    let session = |answer: &Answer| claim(&answer.text("accessToken"), "sid").unwrap_or_default();
    let racers = (0..RACERS).map(|door| {
        stage.ask(ask(ROW.name, &key, due), door, session, |api| {
            let body = body.clone();
            async move { api.post("/api/auth/verify-otp", &body).await }
        })
    });
    join_all(racers).await;
}

fn challenge(answer: &Answer) -> Option<String> {
    answer.body["error"]["details"]["challengeId"]
        .as_str()
        .map(str::to_owned)
}
