//! Sessions that workloads share among their arrivals: each is used by one arrival at a time.

use crate::chaos::stage::Stage;
use crate::limits::CODE_PATIENCE;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// A session as its client has it.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// Its id.
    pub(super) id: String,
    pub(super) access: String,
    pub(super) refresh: String,
}

impl Session {
    /// Logs somebody in who has an unused code.
    pub(super) async fn open(stage: &Stage) -> Result<Self, String> {
        let deadline = Instant::now() + CODE_PATIENCE;
        loop {
            let attempt = stage
                .attempt(CODE_PATIENCE)
                .await
                .ok_or("no account has an unused code")?;
            let said = match stage.any().log_in(&attempt.person, &attempt.code).await {
                Ok(answer) if answer.status == 200 => {
                    return Self::of(&answer.text("access_token"), &answer.text("refresh_token"));
                }
                Ok(answer) => answer.status.to_string(),
                Err(reason) => reason,
            };
            if Instant::now() > deadline {
                return Err(format!("no session could be opened: {said}"));
            }
        }
    }

    /// The session of a pair of tokens.
    pub(super) fn of(access: &str, refresh: &str) -> Result<Self, String> {
        let id = claim(access, "sid").ok_or("an access token without a session")?;
        Ok(Self {
            id,
            access: access.to_owned(),
            refresh: refresh.to_owned(),
        })
    }
}

/// A few sessions.
#[derive(Default)]
pub(super) struct Sessions(Mutex<VecDeque<Session>>);

impl Sessions {
    /// Opens so many.
    pub(super) async fn open(stage: &Stage, count: usize) -> Result<Self, String> {
        let sessions = Self::default();
        for _ in 0..count {
            sessions.put(Session::open(stage).await?);
        }
        Ok(sessions)
    }

    pub(super) fn take(&self) -> Option<Session> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub(super) fn put(&self, session: Session) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(session);
    }
}

/// A claim of a token, as text.
pub(super) fn claim(token: &str, name: &str) -> Option<String> {
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    match serde_json::from_slice::<Value>(&payload).ok()?.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A token in a history: its generation, and enough of a hash to tell it from others. Never the token.
pub(super) fn fingerprint(refresh: &str) -> String {
    let hash = Sha256::digest(refresh.as_bytes());
    let generation = claim(refresh, "gen").unwrap_or_default();
    let hash: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{generation}:{hash}")
}
