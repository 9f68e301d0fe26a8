//! What workloads need of a cluster: clients of its load balancers, accounts, mails, an administrator, and somebody who writes
//! every call down.

use super::mailbox::Mailbox;
use super::recorder::{Ask, Done, Recorder};
use crate::api::{Answer, Api, Person};
use crate::entropy::Dice;
use crate::limits::{CODE_PATIENCE, POLL};
use crate::pool::{Attempt, Pool};
use cluster_harness::first_login::totp_code;
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Who administers, and how to prove it.
pub struct Administrator {
    person: Person,
    secret: String,
    /// An access token with a fresh proof.
    token: Mutex<String>,
}

/// In the words of the HTTP client: no connection, or no handshake on it, so that no byte of the call left.
const NOT_CONNECTED: &str = "client error (Connect)";

/// Everything that a workload may use.
pub struct Stage {
    apis: Vec<Api>,
    /// Accounts with an authenticator app, shared by all workloads.
    pub pool: Pool,
    /// Mails of everybody.
    pub mailbox: Mailbox,
    /// Writes calls down.
    pub recorder: Recorder,
    administrator: Administrator,
    dice: Mutex<Dice>,
    names: AtomicU64,
    seed: u64,
}

impl Administrator {
    /// Somebody who is an administrator already.
    #[must_use]
    pub fn new(person: Person, secret: String) -> Self {
        Self {
            person,
            secret,
            token: Mutex::default(),
        }
    }
}

impl Stage {
    /// A stage on a running cluster; logs the administrator in.
    ///
    /// # Errors
    /// The administrator is not let in.
    pub async fn new(
        apis: Vec<Api>,
        pool: Pool,
        mailbox: Mailbox,
        administrator: Administrator,
        seed: u64,
    ) -> Result<Self, String> {
        let stage = Self {
            apis,
            pool,
            mailbox,
            recorder: Recorder::default(),
            administrator,
            dice: Mutex::new(Dice::new(seed)),
            names: AtomicU64::new(0),
            seed,
        };
        stage.prove_administrator().await?;
        Ok(stage)
    }

    /// Logs the administrator in anew: what administrators change needs a fresh proof.
    ///
    /// # Errors
    /// Not let in.
    pub async fn prove_administrator(&self) -> Result<(), String> {
        let admin = &self.administrator;
        let deadline = Instant::now() + CODE_PATIENCE;
        loop {
            let code = totp_code(&admin.secret, crate::clock::unix_seconds()).map_err(|e| e.to_string())?;
            let body = json!({"identifier": admin.person.username, "password": admin.person.password, "code": code});
            let said = match self
                .any()
                .send(reqwest::Method::POST, "/v1/login", "", Some(&body))
                .await
            {
                Ok(answer) if !answer.text("access_token").is_empty() => {
                    *self.lock_token() = answer.text("access_token");
                    return Ok(());
                }
                // The code was used already: the next one comes within half a minute.
                Ok(answer) => format!("{} {}", answer.status, answer.text("code")),
                Err(reason) => reason,
            };
            if Instant::now() > deadline {
                return Err(format!("the administrator is not let in: {said}"));
            }
            tokio::time::sleep(POLL * 4).await;
        }
    }

    /// The administrator's access token.
    #[must_use]
    pub fn admin_token(&self) -> String {
        self.lock_token().clone()
    }

    /// A client of one load balancer, whichever.
    #[must_use]
    pub fn any(&self) -> Api {
        let index = self.roll(self.apis.len() as u64);
        self.at(usize::try_from(index).unwrap_or(0))
    }

    /// A client of a load balancer; numbers go round.
    #[must_use]
    pub fn at(&self, number: usize) -> Api {
        self.apis[number % self.apis.len()].clone()
    }

    /// How many load balancers there are.
    #[must_use]
    pub fn doors(&self) -> usize {
        self.apis.len()
    }

    /// A number below `below`.
    #[must_use]
    pub fn roll(&self, below: u64) -> u64 {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        dice.within(0..=below.saturating_sub(1))
    }

    /// A name that nobody has had in this run.
    #[must_use]
    pub fn fresh_name(&self, kind: &str) -> String {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        format!("{kind}-{:x}-{number}", self.seed & 0xff_ffff)
    }

    /// An unused code of an account, waiting a moment for one.
    pub async fn attempt(&self, patience: Duration) -> Option<Attempt> {
        let deadline = Instant::now() + patience;
        loop {
            match self.pool.take() {
                Some(attempt) => return Some(attempt),
                None if Instant::now() > deadline => return None,
                None => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Asks through the load balancer of that number, and through the next one when no connection to it was made: a client
    /// with two addresses does the same, and nothing was sent.
    pub async fn ask<F>(
        &self,
        ask: Ask,
        door: usize,
        value: impl FnOnce(&Answer) -> String,
        send: impl Fn(Api) -> F,
    ) -> Done
    where
        F: Future<Output = Result<Answer, String>>,
    {
        let attempt = async {
            match send(self.at(door)).await {
                Err(reason) if reason.contains(NOT_CONNECTED) => send(self.at(door + 1)).await,
                other => other,
            }
        };
        self.recorder.record(ask, value, attempt).await
    }

    fn lock_token(&self) -> std::sync::MutexGuard<'_, String> {
        self.administrator.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
