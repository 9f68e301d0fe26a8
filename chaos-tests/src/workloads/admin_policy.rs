//! The policy is replaced by several administrators at once, each naming the version that he saw: a compare-and-swap register.

use super::{Prepared, Row, Workload};
use crate::api::Answer;
use crate::chaos::recorder::Ask;
use crate::chaos::stage::Stage;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::Method;
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

pub(super) const ROW: Row = Row {
    name: "admin-policy",
    about: "the policy is read, and replaced if it is still what was read",
    every_ms: 400,
    prepare,
};

const PATH: &str = "/v1/admin/policy";
/// Values of the field that is changed go round in so many.
const DAYS: u64 = 3_650;

struct Policy {
    /// The newest version that anybody saw, with its value.
    newest: Mutex<(u64, u64)>,
    arrivals: AtomicU64,
    /// What is put, but for one field.
    body: Value,
}

fn prepare(stage: Arc<Stage>) -> Prepared {
    async move {
        let answer = stage.any().send(Method::GET, PATH, &stage.admin_token(), None).await?;
        let mut body = answer.body.clone();
        let Some(fields) = body.as_object_mut() else {
            return Err(format!("no policy: {}", answer.status));
        };
        fields.remove("version");
        let now = Instant::now();
        let first = format!("write {}", state(&answer));
        let newest = Mutex::new(seen(&answer).unwrap_or_default());
        stage
            .recorder
            .record(ask(first, now), state, async { Ok(answer) })
            .await;
        Ok(Arc::new(Policy {
            newest,
            arrivals: AtomicU64::new(0),
            body,
        }) as Arc<dyn Workload>)
    }
    .boxed()
}

/// Version and value.
fn seen(answer: &Answer) -> Option<(u64, u64)> {
    Some((
        answer.body["version"].as_u64()?,
        answer.body["risk_dormant_days"].as_u64()?,
    ))
}

/// The same as one word.
fn state(answer: &Answer) -> String {
    seen(answer).map_or_else(|| answer.text("code"), |(version, days)| format!("{version}:{days}"))
}

fn ask(operation: String, due: Instant) -> Ask {
    Ask {
        workload: ROW.name,
        key: "policy".to_owned(),
        operation,
        due,
    }
}

impl Workload for Policy {
    fn arrive(self: Arc<Self>, stage: Arc<Stage>, due: Instant) -> BoxFuture<'static, ()> {
        async move {
            let number = self.arrivals.fetch_add(1, Ordering::Relaxed);
            let door = usize::try_from(number).unwrap_or(0);
            let token = stage.admin_token();
            let done = if number.is_multiple_of(3) {
                stage
                    .ask(ask("read".to_owned(), due), door, state, |api| {
                        let token = token.clone();
                        async move { api.send(Method::GET, PATH, &token, None).await }
                    })
                    .await
            } else {
                let (version, old) = *self.newest.lock().unwrap_or_else(PoisonError::into_inner);
                let days = number % DAYS + 1;
                let change = format!("cas {version}:{old}->{}:{days}", version + 1);
                let mut body = self.body.clone();
                body["risk_dormant_days"] = days.into();
                stage
                    .ask(ask(change, due), door, state, |api| {
                        let (token, body) = (token.clone(), body.clone());
                        async move { api.replace(PATH, &token, version, &body).await }
                    })
                    .await
            };
            if let Some(now) = done.answer.as_ref().and_then(seen) {
                let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
                *newest = (*newest).max(now);
            }
        }
        .boxed()
    }
}
