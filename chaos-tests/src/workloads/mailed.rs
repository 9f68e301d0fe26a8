//! Accounts whose second factor is a mailed code, for the workloads that need one.

use crate::api::Person;
use crate::chaos::stage::Stage;
use crate::limits::MAIL_PATIENCE;
use reqwest::Method;
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Mails that an account gets in an hour are limited, the one that confirmed its address among them: so often it is used.
const USES_MAX: u32 = 4;

/// Accounts, each used by one arrival at a time. One that has had its mails is replaced by a new one.
pub(super) struct Accounts {
    kind: &'static str,
    with_codes: bool,
    free: Mutex<VecDeque<Person>>,
    uses: Mutex<BTreeMap<String, u32>>,
}

impl Accounts {
    /// Makes so many, with a confirmed address; mailed codes count for them if `with_codes`.
    pub(super) async fn make(
        stage: &Stage,
        kind: &'static str,
        count: usize,
        with_codes: bool,
    ) -> Result<Self, String> {
        let accounts = Self {
            kind,
            with_codes,
            free: Mutex::default(),
            uses: Mutex::default(),
        };
        for _ in 0..count {
            accounts.put(make(stage, kind, with_codes).await?);
        }
        Ok(accounts)
    }

    /// One that nobody uses; none where that is so or a new one cannot be made at the moment.
    pub(super) async fn take(&self, stage: &Stage) -> Option<Person> {
        let person = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop_front()?;
        if self.use_once(&person) {
            return Some(person);
        }
        let Ok(fresh) = make(stage, self.kind, self.with_codes).await else {
            // Its place must not be lost: the next arrival tries again.
            self.put(person);
            return None;
        };
        self.use_once(&fresh).then_some(fresh)
    }

    pub(super) fn put(&self, person: Person) {
        self.free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(person);
    }

    /// Counts a use, if there is one left.
    fn use_once(&self, person: &Person) -> bool {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let count = uses.entry(person.username.clone()).or_default();
        let is_left = *count < USES_MAX;
        *count += u32::from(is_left);
        is_left
    }
}

async fn make(stage: &Stage, kind: &str, with_codes: bool) -> Result<Person, String> {
    let person = Person::new(&stage.fresh_name(kind));
    let new = json!({"username": person.username, "email": person.email, "password": person.password});
    must(stage, Method::POST, "/v1/accounts", "", &new, 201).await?;
    let code = stage.mailbox.code(&person.email, 0, MAIL_PATIENCE).await;
    let code = code.ok_or("no mail came to confirm an address")?;
    must(
        stage,
        Method::POST,
        "/v1/account/email/confirm",
        "",
        &json!({"code": code}),
        204,
    )
    .await?;
    if with_codes {
        let login = json!({"identifier": person.username, "password": person.password});
        let token = must(stage, Method::POST, "/v1/login", "", &login, 200).await?;
        must(
            stage,
            Method::PUT,
            "/v1/factors/email",
            &token,
            &json!({"enabled": true}),
            204,
        )
        .await?;
    }
    Ok(person)
}

/// One call that has to succeed, before anything breaks; the access token of its answer.
async fn must(
    stage: &Stage,
    method: Method,
    path: &str,
    bearer: &str,
    body: &serde_json::Value,
    wanted: u16,
) -> Result<String, String> {
    let answer = stage.any().send(method, path, bearer, Some(body)).await?;
    if answer.status == wanted {
        return Ok(answer.text("access_token"));
    }
    Err(format!(
        "{path} was answered with {} instead of {wanted}: {}",
        answer.status,
        answer.text("code")
    ))
}
