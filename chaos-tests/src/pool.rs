//! Accounts with a second factor, and codes of theirs that were not used yet. A code works once and steps grow, so a
//! pool of N accounts gives about N logins in 30 s.

use crate::api::{Answer, Api, Person};
use crate::clock;
use crate::limits::ENROL_PARALLEL_MAX;
use cluster_harness::first_login::totp_code;
use std::sync::{Mutex, PoisonError};
use tokio::task::JoinSet;

/// An account with a bound second factor.
#[derive(Clone)]
pub struct Account {
    /// Whose.
    pub person: Person,
    /// Base32 seed.
    pub secret: String,
    last_step: u64,
}

/// A login that may succeed: nobody used this code.
#[derive(Clone)]
pub struct Attempt {
    /// Whose.
    pub person: Person,
    /// An unused code.
    pub code: String,
    /// Its step: with the account, the name of this code.
    pub step: u64,
}

impl Attempt {
    /// Names the code without telling it.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.person.username, self.step)
    }
}

/// Many accounts.
pub struct Pool {
    accounts: Mutex<Vec<Account>>,
}

impl Account {
    /// Creates an account, enrols it, and logs in once.
    ///
    /// # Errors
    /// A step was answered otherwise than it should; which.
    pub async fn enrol(api: &Api, name: &str) -> Result<Self, String> {
        Self::enrol_and_log_in(api, name).await.map(|(account, _)| account)
    }

    /// The same with the answer to that login, which has its tokens.
    ///
    /// # Errors
    /// As [`Account::enrol`].
    pub async fn enrol_and_log_in(api: &Api, name: &str) -> Result<(Self, Answer), String> {
        let person = Person::new(name);
        let created = api.create(&person).await?;
        expect(201, created.status, "creating", name, &created.body)?;
        let enrolled = api.enrol(&person).await?;
        expect(201, enrolled.status, "enrolling", name, &enrolled.body)?;
        let mut account = Self::with_secret(person, enrolled.text("secret"));
        let code = account.next_code().ok_or("a new account has no code")?;
        let logged_in = api.log_in(&account.person, &code).await?;
        expect(200, logged_in.status, "the first login of", name, &logged_in.body)?;
        Ok((account, logged_in))
    }

    /// An account whose seed is known and of which no code was used.
    #[must_use]
    pub fn with_secret(person: Person, secret: String) -> Self {
        Self {
            person,
            secret,
            last_step: 0,
        }
    }

    /// The code of a step.
    #[must_use]
    pub fn code_at(&self, step: u64) -> String {
        totp_code(&self.secret, step * clock::STEP_SECONDS).unwrap_or_default()
    }

    /// The oldest code from this step on that was not used; `None` when only later steps have one.
    pub fn next_code(&mut self) -> Option<String> {
        let step = clock::step().max(self.last_step + 1);
        if step > clock::step() + 1 {
            return None;
        }
        self.last_step = step;
        Some(self.code_at(step))
    }

    /// Like [`Account::next_code`], waiting for a step that has one.
    pub async fn wait_for_code(&mut self) -> String {
        loop {
            if let Some(code) = self.next_code() {
                return code;
            }
            tokio::time::sleep(crate::limits::POLL).await;
        }
    }
}

impl Pool {
    /// Enrols `count` accounts through the clients in turn.
    ///
    /// # Errors
    /// The first failure.
    pub async fn enrol(apis: &[Api], prefix: &str, count: usize) -> Result<Self, String> {
        let mut tasks = JoinSet::new();
        let mut accounts = Vec::with_capacity(count);
        for (index, api) in (0..count).zip(apis.iter().cycle()) {
            if tasks.len() >= ENROL_PARALLEL_MAX {
                accounts.push(finish(tasks.join_next().await)?);
            }
            let (api, name) = (api.clone(), format!("{prefix}-{index}"));
            tasks.spawn(async move { Account::enrol(&api, &name).await });
        }
        while !tasks.is_empty() {
            accounts.push(finish(tasks.join_next().await)?);
        }
        Ok(Self {
            accounts: Mutex::new(accounts),
        })
    }

    /// A login that may succeed, of the account that waits longest; `None` when all codes of now are used.
    #[must_use]
    pub fn take(&self) -> Option<Attempt> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.iter_mut().min_by_key(|a| a.last_step)?;
        let code = account.next_code()?;
        Some(Attempt {
            person: account.person.clone(),
            code,
            step: account.last_step,
        })
    }
}

impl Pool {
    /// Accounts that have a code that nobody used, at this moment.
    #[must_use]
    pub fn ready(&self) -> usize {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.iter().filter(|a| a.last_step <= clock::step()).count()
    }
}

fn finish(joined: Option<Result<Result<Account, String>, tokio::task::JoinError>>) -> Result<Account, String> {
    match joined {
        Some(Ok(account)) => account,
        Some(Err(e)) => Err(format!("a task of the test failed: {e}")),
        None => Err("no account is being enrolled".to_owned()),
    }
}

fn expect(wanted: u16, got: u16, what: &str, name: &str, body: &serde_json::Value) -> Result<(), String> {
    if wanted == got {
        Ok(())
    } else {
        Err(format!(
            "{what} {name} was answered with {got} instead of {wanted}: {body}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_given_once_and_steps_grow() {
        let mut account = Account {
            person: Person::new("ana"),
            secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".into(),
            last_step: 0,
        };
        let given: Vec<String> = std::iter::from_fn(|| account.next_code()).collect();
        assert!((2..=3).contains(&given.len()), "this step and the next: {given:?}");
        assert_ne!(given[0], given[1]);
    }
}
