//! Writes that were acknowledged and must be there at the end: accounts, each made once.

use super::{Prepared, Row, Workload};
use crate::api::Person;
use crate::chaos::recorder::Ask;
use crate::chaos::stage::Stage;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use serde_json::json;
use std::sync::Arc;
use tokio::time::Instant;

pub(super) const ROW: Row = Row {
    name: "acknowledged",
    about: "accounts that must exist at the end",
    every_ms: 900,
    prepare,
};

struct Acknowledged;

fn prepare(_: Arc<Stage>) -> Prepared {
    ready(Ok(Arc::new(Acknowledged) as Arc<dyn Workload>)).boxed()
}

impl Workload for Acknowledged {
    fn arrive(self: Arc<Self>, stage: Arc<Stage>, due: Instant) -> BoxFuture<'static, ()> {
        async move {
            let person = Person::new(&stage.fresh_name("kept"));
            let ask = Ask {
                workload: ROW.name,
                key: person.username.clone(),
                operation: "use".to_owned(),
                due,
            };
            let body = json!({"username": person.username, "email": person.email, "password": person.password});
            let door = usize::try_from(stage.roll(1 << 16)).unwrap_or(0);
            stage
                .ask(
                    ask,
                    door,
                    |answer| answer.text("id"),
                    |api| {
                        let body = body.clone();
                        async move { api.post("/v1/accounts", &body).await }
                    },
                )
                .await;
        }
        .boxed()
    }
}
