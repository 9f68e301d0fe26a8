//! A session is ended while others use it: what starts after the end was acknowledged is refused, at every load balancer.

use super::sessions::{Session, Sessions, fingerprint};
use super::{Prepared, Row, Workload};
use crate::chaos::recorder::Ask;
use crate::chaos::stage::Stage;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use reqwest::Method;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

pub(super) const ROW: Row = Row {
    name: "revoke-session",
    about: "a session ends; its tokens are tried before, meanwhile and after",
    every_ms: 3_000,
    prepare,
};

/// Times that a session's tokens are tried around its end.
const TRIES: u32 = 8;
const BETWEEN: Duration = Duration::from_millis(120);
/// After this try the session is ended.
const END_AT: u32 = 2;

struct Revoke(Sessions);

fn prepare(stage: Arc<Stage>) -> Prepared {
    async move {
        let sessions = Sessions::open(&stage, 2).await?;
        Ok(Arc::new(Revoke(sessions)) as Arc<dyn Workload>)
    }
    .boxed()
}

impl Workload for Revoke {
    fn arrive(self: Arc<Self>, stage: Arc<Stage>, _due: Instant) -> BoxFuture<'static, ()> {
        async move {
            let session = match self.0.take() {
                Some(session) => session,
                None => match Session::open(&stage).await {
                    Ok(session) => session,
                    Err(_) => return,
                },
            };
            let tries = (0..TRIES).map(|number| use_or_end(&stage, &session, number));
            join_all(tries).await;
        }
        .boxed()
    }
}

async fn use_or_end(stage: &Stage, session: &Session, number: u32) {
    let due = Instant::now() + BETWEEN * number;
    tokio::time::sleep_until(due).await;
    let door = usize::try_from(number).unwrap_or(0);
    if number == END_AT {
        return call(stage, session, "revoke", door, due).await;
    }
    if number + 1 == TRIES {
        return call(stage, session, "refresh", door, due).await;
    }
    call(stage, session, "use", door, due).await;
}

async fn call(stage: &Stage, session: &Session, what: &str, door: usize, due: Instant) {
    let ask = Ask {
        workload: ROW.name,
        key: session.id.clone(),
        operation: what.to_owned(),
        due,
    };
    let successor = |answer: &crate::api::Answer| fingerprint(&answer.text("refresh_token"));
    stage
        .ask(ask, door, successor, |api| {
            let (session, what) = (session.clone(), what.to_owned());
            async move {
                match what.as_str() {
                    "revoke" => {
                        api.send(Method::POST, "/v1/sessions/logout", &session.access, None)
                            .await
                    }
                    "refresh" => api.refresh(&session.refresh).await,
                    _ => api.user_info(&session.access).await,
                }
            }
        })
        .await;
}
