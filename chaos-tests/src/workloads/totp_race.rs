//! The same code of an authenticator app, sent several times at the same moment through all load balancers: one login.

use super::{Prepared, RACERS, Row, Workload};
use crate::chaos::recorder::Ask;
use crate::chaos::stage::Stage;
use crate::pool::Attempt;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all, ready};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

pub(super) const ROW: Row = Row {
    name: "totp-race",
    about: "one code of an app, several times at once",
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
            join_all((0..RACERS).map(|door| race(&stage, &attempt, door, due))).await;
        }
        .boxed()
    }
}

async fn race(stage: &Stage, attempt: &Attempt, door: usize, due: Instant) {
    let ask = Ask {
        workload: ROW.name,
        key: attempt.key(),
        operation: "use".to_owned(),
        due,
    };
    stage
        .ask(ask, door, super::login_003::session, |api| {
            let attempt = attempt.clone();
            async move { api.log_in(&attempt.person, &attempt.code).await }
        })
        .await;
}
