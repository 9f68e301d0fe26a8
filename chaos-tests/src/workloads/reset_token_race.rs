//! The same mailed token, used several times at the same moment, each time for another password: one of them is set, and that
//! one logs in.

use super::mailed::Accounts;
use super::{Prepared, RACERS, Row, Workload};
use crate::api::Person;
use crate::chaos::recorder::{Ask, Done};
use crate::chaos::stage::Stage;
use crate::limits::MAIL_PATIENCE;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use reqwest::Method;
use serde_json::json;
use std::sync::Arc;
use tokio::time::Instant;

pub(super) const ROW: Row = Row {
    name: "reset-token-race",
    about: "one mailed token for several passwords at once",
    every_ms: 7_000,
    prepare,
};
/// The login with the password that was set last, and with the others: a check of the same race.
pub(crate) const AFTER: &str = "reset-token-after";

const ACCOUNTS: usize = 2;

struct Race(Accounts);

fn prepare(stage: Arc<Stage>) -> Prepared {
    async move {
        let accounts = Accounts::make(&stage, "forgetful", ACCOUNTS, false).await?;
        Ok(Arc::new(Race(accounts)) as Arc<dyn Workload>)
    }
    .boxed()
}

impl Workload for Race {
    fn arrive(self: Arc<Self>, stage: Arc<Stage>, due: Instant) -> BoxFuture<'static, ()> {
        async move {
            let Some(mut person) = self.0.take(&stage).await else {
                return;
            };
            if let Some(password) = race(&stage, &person, due).await {
                person.password = password;
            }
            self.0.put(person);
        }
        .boxed()
    }
}

/// The password that was set, if that is known.
async fn race(stage: &Stage, person: &Person, due: Instant) -> Option<String> {
    let seen = stage.mailbox.count(&person.email);
    let asked = Ask {
        workload: "reset-token-mail",
        key: person.username.clone(),
        operation: "ask".to_owned(),
        due,
    };
    let body = json!({"email": person.email});
    let sent = stage
        .ask(
            asked,
            0,
            |_| String::new(),
            |api| {
                let body = body.clone();
                async move { api.post("/v1/password-reset", &body).await }
            },
        )
        .await;
    if !sent.is_ok() {
        return None;
    }
    let token = stage.mailbox.code(&person.email, seen, MAIL_PATIENCE).await?;
    let key = super::sessions::fingerprint(&token);
    let passwords: Vec<String> = (0..RACERS).map(|i| format!("{} {key} {i}", person.password)).collect();
    let due = Instant::now();
    let racers = passwords.iter().zip(0..).map(|(password, door)| {
        let ask = Ask {
            workload: ROW.name,
            key: key.clone(),
            operation: "use".to_owned(),
            due,
        };
        let body = json!({"token": token, "new_password": password});
        stage.ask(
            ask,
            door,
            move |_| door.to_string(),
            move |api| {
                let body = body.clone();
                async move { api.post("/v1/password-reset/confirm", &body).await }
            },
        )
    });
    let done: Vec<Done> = join_all(racers).await;
    let winner = done.iter().position(Done::is_ok)?;
    let password = passwords.get(winner)?.clone();
    try_all(stage, person, &passwords, &key).await;
    Some(password)
}

/// Which of the passwords opens the account now?
async fn try_all(stage: &Stage, person: &Person, passwords: &[String], key: &str) {
    for (number, password) in passwords.iter().enumerate() {
        let ask = Ask {
            workload: AFTER,
            key: key.to_owned(),
            operation: number.to_string(),
            due: Instant::now(),
        };
        let body = json!({"identifier": person.username, "password": password});
        stage
            .ask(
                ask,
                number,
                |answer| answer.text("code"),
                |api| {
                    let body = body.clone();
                    async move { api.send(Method::POST, "/v1/login", "", Some(&body)).await }
                },
            )
            .await;
    }
}
