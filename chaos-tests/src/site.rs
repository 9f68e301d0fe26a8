//! A running cluster with people in it: users with a second factor, an administrator, and the mails that they get.
//!
//! Must not know what is right: tests judge the answers.

use crate::api::{Answer, Api, Call};
use crate::limits::{POLL, RECOVERY_MAX};
use crate::pool::Account;
use crate::shell;
use cluster_harness::binaries::{Binaries, Build};
use cluster_harness::cluster::{Cluster, Options};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::Instant;

/// A cluster, and a client at each of its load balancers.
pub struct Site {
    /// The cluster.
    pub cluster: Cluster,
    apis: Vec<Api>,
    turn: AtomicUsize,
}

/// Somebody who is logged in.
pub struct User {
    /// Name, password and authenticator app.
    pub account: Account,
    /// Access token.
    pub access: String,
    /// Refresh token.
    pub refresh: String,
}

impl Site {
    /// Starts a cluster of three nodes and two load balancers.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start() -> Result<Self, String> {
        Self::around(Cluster::start(Options::default()).await.map_err(|e| e.to_string())?)
    }

    /// The same with a cluster that runs already.
    ///
    /// # Errors
    /// Not expected.
    pub fn around(cluster: Cluster) -> Result<Self, String> {
        let client = cluster.client().map_err(|e| e.to_string())?;
        let apis = cluster.urls().iter().map(|url| Api::new(client.clone(), url)).collect();
        Ok(Self {
            cluster,
            apis,
            turn: AtomicUsize::new(0),
        })
    }

    /// A client of one load balancer after the other.
    #[must_use]
    pub fn api(&self) -> &Api {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        &self.apis[turn % self.apis.len()]
    }

    /// A call.
    ///
    /// # Errors
    /// No answer.
    pub async fn call(&self, call: Call) -> Result<Answer, String> {
        self.api().call(call).await
    }

    /// A call that must have this status.
    ///
    /// # Errors
    /// It has another one.
    pub async fn expect(&self, status: u16, call: Call) -> Result<Answer, String> {
        let what = format!("{call:?}");
        let answer = self.call(call).await?;
        if answer.status == status {
            Ok(answer)
        } else {
            Err(format!(
                "{} instead of {status} for {what}: {}",
                answer.status, answer.body
            ))
        }
    }

    /// A new account with an authenticator app, logged in with both factors a moment ago.
    ///
    /// # Errors
    /// A step was answered otherwise than it should.
    pub async fn user(&self, name: &str) -> Result<User, String> {
        let (account, answer) = Account::enrol_and_log_in(self.api(), name).await?;
        Ok(User {
            account,
            access: answer.text("access_token"),
            refresh: answer.text("refresh_token"),
        })
    }

    /// A new user whom the operator made the first administrator.
    ///
    /// # Errors
    /// As [`Site::user`], or the operator is refused.
    pub async fn administrator(&self, name: &str) -> Result<User, String> {
        let user = self.user(name).await?;
        let tool = Binaries::find(Build::Own).map_err(|e| e.to_string())?.ctl;
        let data = self.cluster.layout().data("node-1");
        let arguments = ["admin", "bootstrap", name, "--data", &data.to_string_lossy()];
        shell::run(&tool.to_string_lossy(), &arguments)?;
        Ok(user)
    }

    /// Confirms the user's address with the code that was mailed to it when the account was made.
    ///
    /// # Errors
    /// A step was answered otherwise than it should.
    pub async fn confirm_address(&self, user: &User) -> Result<(), String> {
        let email = &user.account.person.email;
        let code = self.mailed(email, grouped_code).await?;
        let confirm = Call::new("POST", "/v1/account/email/confirm");
        self.expect(204, confirm.json(json!({"code": code}))).await.map(|_| ())
    }

    /// What `find` sees in the newest mail to the address that it sees anything in. Waits for one.
    ///
    /// # Errors
    /// None came in time.
    pub async fn mailed(&self, to: &str, find: fn(&str) -> Option<String>) -> Result<String, String> {
        let deadline = Instant::now() + RECOVERY_MAX;
        loop {
            let mails = self.mails_to(to);
            if let Some(found) = mails.iter().rev().find_map(|mail| find(mail)) {
                return Ok(found);
            }
            if Instant::now() > deadline {
                return Err(format!("no such mail to {to}; there are {}", mails.len()));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Every mail to an address, the oldest first.
    #[must_use]
    pub fn mails_to(&self, to: &str) -> Vec<String> {
        let files = std::fs::read_dir(self.cluster.mail_dir())
            .into_iter()
            .flatten()
            .flatten();
        let mut mails: Vec<(u64, String)> = files
            .filter_map(|file| {
                let key = file.file_name().to_str()?.strip_suffix(".eml")?.parse().ok()?;
                Some((key, std::fs::read_to_string(file.path()).ok()?))
            })
            .filter(|(_, mail)| mail.lines().any(|line| line.starts_with("To:") && line.contains(to)))
            .collect();
        mails.sort();
        mails.into_iter().map(|(_, mail)| mail).collect()
    }

    /// Rows of the user's own audit, the newest first.
    ///
    /// # Errors
    /// No answer, or no rows.
    pub async fn audit(&self, access: &str) -> Result<Vec<Value>, String> {
        let mut rows = Vec::new();
        let mut path = "/v1/audit?limit=100".to_owned();
        loop {
            let page = self.expect(200, Call::new("GET", &path).bearer(access)).await?;
            rows.extend(page.body["rows"].as_array().cloned().unwrap_or_default());
            match page.body["next"].as_str() {
                Some(next) => path = format!("/v1/audit?limit=100&cursor={next}"),
                None => return Ok(rows),
            }
        }
    }
}

/// Six digits on a line of their own.
#[must_use]
pub fn six_digits(mail: &str) -> Option<String> {
    let mut lines = mail.lines().map(str::trim);
    let found = lines.find(|line| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit()));
    found.map(str::to_owned)
}

/// Twenty-five characters in groups of five on a line of their own.
#[must_use]
pub fn grouped_code(mail: &str) -> Option<String> {
    let is_code = |line: &&str| {
        let groups: Vec<&str> = line.split('-').collect();
        groups.len() == 5
            && groups
                .iter()
                .all(|g| g.len() == 5 && g.bytes().all(|b| b.is_ascii_alphanumeric()))
    };
    mail.lines().map(str::trim).find(is_code).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_mails() {
        let mail = "To: a@b\r\n\r\nThe code is\r\n\r\n    123456\r\n\r\nIt is good for 5 minutes";
        assert_eq!(six_digits(mail).as_deref(), Some("123456"));
        assert_eq!(grouped_code(mail), None);
        let mail = "    AAAAA-BBBBB-CCCCC-DDDDD-22222\r\n";
        assert_eq!(grouped_code(mail).as_deref(), Some("AAAAA-BBBBB-CCCCC-DDDDD-22222"));
    }
}
