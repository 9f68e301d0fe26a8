//! Logins of the dialect of passwords and TOTP, each with a code that nobody used.

use super::sessions::claim;
use super::{Prepared, Row, Workload};
use crate::api::Answer;
use crate::chaos::recorder::Ask;
use crate::chaos::stage::Stage;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

pub(super) const ROW: Row = Row {
    name: "login-003",
    about: "password and code in one call",
    every_ms: 1_500,
    prepare,
};

struct Login;

fn prepare(_: Arc<Stage>) -> Prepared {
    ready(Ok(Arc::new(Login) as Arc<dyn Workload>)).boxed()
}

/// The session that an answer opened.
pub(super) fn session(answer: &Answer) -> String {
    let token = answer.text("access_token");
    claim(&token, "sid").unwrap_or_else(|| answer.text("detail"))
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
            let door = usize::try_from(stage.roll(1 << 16)).unwrap_or(0);
            stage
                .ask(ask, door, session, |api| {
                    let attempt = attempt.clone();
                    async move { api.log_in(&attempt.person, &attempt.code).await }
                })
                .await;
        }
        .boxed()
    }
}
