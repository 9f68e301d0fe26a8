//! Sessions whose refresh token is changed for the next one, again and again. A call without an answer is repeated at once
//! with the same token, as a careful client does.

use super::sessions::{Session, Sessions, fingerprint};
use super::{Prepared, Row, Workload};
use crate::chaos::recorder::{Ask, Outcome};
use crate::chaos::stage::Stage;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tokio::time::Instant;

pub(super) const ROW: Row = Row {
    name: "refresh-rotation",
    about: "each refresh token is used once, and again if there was no answer",
    every_ms: 60,
    prepare,
};

const SESSIONS: usize = 10;
/// Times that a refresh is repeated while nobody knows what came of it.
const REPEATS_MAX: usize = 3;

struct Rotation(Sessions);

fn prepare(stage: Arc<Stage>) -> Prepared {
    async move {
        let sessions = Sessions::open(&stage, SESSIONS).await?;
        Ok(Arc::new(Rotation(sessions)) as Arc<dyn Workload>)
    }
    .boxed()
}

impl Workload for Rotation {
    fn arrive(self: Arc<Self>, stage: Arc<Stage>, due: Instant) -> BoxFuture<'static, ()> {
        async move {
            // All of them wait for an answer: there is nothing to ask.
            let Some(session) = self.0.take() else { return };
            for repeat in 0..=REPEATS_MAX {
                match rotate(&stage, &session, due, repeat).await {
                    (Outcome::Ok, Some(next)) => return self.0.put(next),
                    (Outcome::Unserved | Outcome::Unknown, _) => {}
                    (Outcome::Ok | Outcome::Denied, _) => break,
                }
            }
            // Lost to its client, whatever became of it: another one takes its place.
            if let Ok(fresh) = Session::open(&stage).await {
                self.0.put(fresh);
            }
        }
        .boxed()
    }
}

async fn rotate(stage: &Stage, session: &Session, due: Instant, repeat: usize) -> (Outcome, Option<Session>) {
    let ask = Ask {
        workload: ROW.name,
        key: session.id.clone(),
        operation: fingerprint(&session.refresh),
        due: if repeat == 0 { due } else { Instant::now() },
    };
    let door = usize::try_from(stage.roll(1 << 16)).unwrap_or(0);
    let successor = |answer: &crate::api::Answer| match answer.status {
        200 => fingerprint(&answer.text("refresh_token")),
        _ => answer.text("detail"),
    };
    let done = stage
        .ask(ask, door, successor, |api| {
            let token = session.refresh.clone();
            async move { api.refresh(&token).await }
        })
        .await;
    let next = Session::of(&done.text("access_token"), &done.text("refresh_token")).ok();
    (done.outcome, next)
}
