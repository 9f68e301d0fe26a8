//! Logins of the native API in one step: password and code together.

use super::login_003::session;
use super::{Prepared, Row, Workload};
use crate::chaos::recorder::Ask;
use crate::chaos::stage::Stage;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use reqwest::Method;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

pub(super) const ROW: Row = Row {
    name: "login-v1",
    about: "the native API, password and code together",
    every_ms: 2_000,
    prepare,
};

struct Login;

fn prepare(_: Arc<Stage>) -> Prepared {
    ready(Ok(Arc::new(Login) as Arc<dyn Workload>)).boxed()
}

impl Workload for Login {
    fn arrive(self: Arc<Self>, stage: Arc<Stage>, due: Instant) -> BoxFuture<'static, ()> {
        async move {
            let Some(attempt) = stage.attempt(Duration::ZERO).await else {
                return;
            };
            let ask = Ask {
                workload: ROW.name,
                key: attempt.key(),
                operation: "use".to_owned(),
                due,
            };
            let person = &attempt.person;
            let body = json!({"identifier": person.username, "password": person.password, "code": attempt.code});
            let door = usize::try_from(stage.roll(1 << 16)).unwrap_or(0);
            stage
                .ask(ask, door, session, |api| {
                    let body = body.clone();
                    async move { api.send(Method::POST, "/v1/login", "", Some(&body)).await }
                })
                .await;
        }
        .boxed()
    }
}
