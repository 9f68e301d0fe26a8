//! Several people want the same name at the same moment: one gets it.

use super::{Prepared, RACERS, Row, Workload};
use crate::api::Person;
use crate::chaos::recorder::Ask;
use crate::chaos::stage::Stage;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all, ready};
use serde_json::json;
use std::sync::Arc;
use tokio::time::Instant;

pub(super) const ROW: Row = Row {
    name: "unique-names",
    about: "one name, wanted by several at once",
    every_ms: 4_000,
    prepare,
};

struct Names;

fn prepare(_: Arc<Stage>) -> Prepared {
    ready(Ok(Arc::new(Names) as Arc<dyn Workload>)).boxed()
}

impl Workload for Names {
    fn arrive(self: Arc<Self>, stage: Arc<Stage>, due: Instant) -> BoxFuture<'static, ()> {
        async move {
            let name = stage.fresh_name("unique");
            let racers = (0..RACERS).map(|number| {
                let person = Person::new(&name);
                let ask = Ask {
                    workload: ROW.name,
                    key: name.clone(),
                    operation: "use".to_owned(),
                    due,
                };
                let body = json!({
                    "username": person.username,
                    "email": format!("{number}-{}", person.email),
                    "password": person.password,
                });
                stage.ask(
                    ask,
                    number,
                    |answer| answer.text("id"),
                    move |api| {
                        let body = body.clone();
                        async move { api.post("/v1/accounts", &body).await }
                    },
                )
            });
            join_all(racers).await;
        }
        .boxed()
    }
}
