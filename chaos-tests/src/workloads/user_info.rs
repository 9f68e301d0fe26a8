//! Somebody asks who the bearer of a good access token is: the cheapest call that needs a quorum.

use super::sessions::{Session, Sessions};
use super::{Prepared, Row, Workload};
use crate::chaos::recorder::Ask;
use crate::chaos::stage::Stage;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tokio::time::Instant;

pub(super) const ROW: Row = Row {
    name: "user-info",
    about: "who is the bearer of this token?",
    every_ms: 50,
    prepare,
};

const SESSIONS: usize = 2;

struct UserInfo(Vec<Session>);

fn prepare(stage: Arc<Stage>) -> Prepared {
    async move {
        let opened = Sessions::open(&stage, SESSIONS).await?;
        let sessions = std::iter::from_fn(|| opened.take()).collect();
        Ok(Arc::new(UserInfo(sessions)) as Arc<dyn Workload>)
    }
    .boxed()
}

impl Workload for UserInfo {
    fn arrive(self: Arc<Self>, stage: Arc<Stage>, due: Instant) -> BoxFuture<'static, ()> {
        async move {
            let door = usize::try_from(stage.roll(1 << 16)).unwrap_or(0);
            let Some(session) = self.0.get(door / 2 % self.0.len().max(1)) else {
                return;
            };
            let ask = Ask {
                workload: ROW.name,
                key: session.id.clone(),
                operation: "read".to_owned(),
                due,
            };
            let name = |answer: &crate::api::Answer| answer.text("username");
            stage
                .ask(ask, door, name, |api| {
                    let access = session.access.clone();
                    async move { api.user_info(&access).await }
                })
                .await;
        }
        .boxed()
    }
}
