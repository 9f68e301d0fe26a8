//! The same refresh token, sent several times at the same moment through all load balancers: everybody gets the same
//! successor, because the token was changed once.

use super::sessions::{Session, Sessions, fingerprint};
use super::{Prepared, RACERS, Row, Workload};
use crate::chaos::recorder::Ask;
use crate::chaos::stage::Stage;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use std::sync::Arc;
use tokio::time::Instant;

pub(super) const ROW: Row = Row {
    name: "refresh-race",
    about: "one refresh token, several times at once",
    every_ms: 500,
    prepare,
};

const SESSIONS: usize = 4;

struct Race(Sessions);

fn prepare(stage: Arc<Stage>) -> Prepared {
    async move {
        let sessions = Sessions::open(&stage, SESSIONS).await?;
        Ok(Arc::new(Race(sessions)) as Arc<dyn Workload>)
    }
    .boxed()
}

impl Workload for Race {
    fn arrive(self: Arc<Self>, stage: Arc<Stage>, due: Instant) -> BoxFuture<'static, ()> {
        async move {
            let Some(session) = self.0.take() else { return };
            let racers = (0..RACERS).map(|door| race(&stage, &session, door, due));
            let successors = join_all(racers).await;
            let next = match successors.into_iter().flatten().next() {
                Some(next) => Ok(next),
                None => Session::open(&stage).await,
            };
            if let Ok(next) = next {
                self.0.put(next);
            }
        }
        .boxed()
    }
}

async fn race(stage: &Stage, session: &Session, door: usize, due: Instant) -> Option<Session> {
    let ask = Ask {
        workload: ROW.name,
        key: session.id.clone(),
        operation: fingerprint(&session.refresh),
        due,
    };
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
    Session::of(&done.text("access_token"), &done.text("refresh_token")).ok()
}
