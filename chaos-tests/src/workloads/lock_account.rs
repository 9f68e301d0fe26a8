//! An administrator disables and enables accounts while their owners log in: a register that is read by logging in.

use super::mailed::Accounts;
use super::{Prepared, Row, Workload};
use crate::api::{Answer, Person};
use crate::chaos::recorder::Ask;
use crate::chaos::stage::Stage;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::Method;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;

pub(super) const ROW: Row = Row {
    name: "lock-account",
    about: "an account is disabled and enabled while its owner logs in",
    every_ms: 700,
    prepare,
};

struct Lock {
    person: Person,
    path: String,
    arrivals: AtomicU64,
}

fn prepare(stage: Arc<Stage>) -> Prepared {
    async move {
        let person = Accounts::make(&stage, "locked", 1, false)
            .await?
            .take(&stage)
            .await
            .ok_or("no account")?;
        let path = format!("/v1/admin/accounts?search={}", person.username);
        let found = stage.any().send(Method::GET, &path, &stage.admin_token(), None).await?;
        let id = found.body["accounts"][0]["id"]
            .as_str()
            .ok_or("the account is not found")?;
        Ok(Arc::new(Lock {
            path: format!("/v1/admin/accounts/{id}"),
            person,
            arrivals: AtomicU64::new(0),
        }) as Arc<dyn Workload>)
    }
    .boxed()
}

impl Workload for Lock {
    fn arrive(self: Arc<Self>, stage: Arc<Stage>, due: Instant) -> BoxFuture<'static, ()> {
        async move {
            let number = self.arrivals.fetch_add(1, Ordering::Relaxed);
            match number % 4 {
                0 => self.set(&stage, "disabled", number, due).await,
                2 => self.set(&stage, "active", number, due).await,
                _ => self.read(&stage, number, due).await,
            }
        }
        .boxed()
    }
}

impl Lock {
    fn ask(&self, operation: String, due: Instant) -> Ask {
        Ask {
            workload: ROW.name,
            key: self.person.username.clone(),
            operation,
            due,
        }
    }

    async fn set(&self, stage: &Stage, status: &str, number: u64, due: Instant) {
        let ask = self.ask(format!("write {status}"), due);
        let body = json!({"status": status, "unlock": true});
        let (path, token) = (self.path.clone(), stage.admin_token());
        let door = usize::try_from(number).unwrap_or(0);
        stage
            .ask(
                ask,
                door,
                |answer| answer.text("status"),
                |api| {
                    let (path, token, body) = (path.clone(), token.clone(), body.clone());
                    async move { api.send(Method::PATCH, &path, &token, Some(&body)).await }
                },
            )
            .await;
    }

    /// 200: active. 403 `account_disabled`: disabled.
    async fn read(&self, stage: &Stage, number: u64, due: Instant) {
        let ask = self.ask("read".to_owned(), due);
        let body = json!({"identifier": self.person.username, "password": self.person.password});
        let status = |answer: &Answer| match (answer.status, answer.text("code").as_str()) {
            (200, _) => "active".to_owned(),
            (403, "account_disabled") => "disabled".to_owned(),
            (_, code) => code.to_owned(),
        };
        let door = usize::try_from(number / 2).unwrap_or(0);
        stage
            .ask(ask, door, status, |api| {
                let body = body.clone();
                async move { api.send(Method::POST, "/v1/login", "", Some(&body)).await }
            })
            .await;
    }
}
