//! What waits in the outbox, opened with the key ring as the sender does.

use super::*;
use crate::secrets::Purpose;
use auth_core::outbox::{Mail, MailTemplate};
use auth_core::policy::Policy;
use auth_core::query;
use auth_core::secret::Sealed;

impl Bench {
    /// Every mail that waits, the oldest first.
    pub(super) fn mails(&self) -> Vec<Mail> {
        query::outbox(&self.replication.view(), 1000).unwrap()
    }

    fn open(&self, mail: &Mail, sealed: &Sealed) -> String {
        let record = if let MailTemplate::LoginCode { challenge, .. } = &mail.template {
            challenge.0
        } else {
            mail.account.unwrap().0
        };
        let text = self.ring.open(Purpose::MailSecret, &record, sealed).unwrap();
        String::from_utf8(text.to_vec()).unwrap()
    }

    /// The newest secret of the mails to an address that `choose` picks.
    fn newest(&self, to: &str, choose: impl Fn(&MailTemplate) -> Option<Sealed>) -> String {
        let mails = self.mails();
        let found = mails
            .iter()
            .rev()
            .filter(|mail| mail.to == to)
            .find_map(|mail| choose(&mail.template).map(|sealed| self.open(mail, &sealed)));
        found.unwrap_or_else(|| panic!("no such mail to {to} among {mails:?}"))
    }

    /// The newest login code to an address.
    pub(super) fn login_code(&self, to: &str) -> String {
        self.newest(to, |template| {
            if let MailTemplate::LoginCode { code, .. } = template {
                return Some(code.clone());
            }
            None
        })
    }

    /// The newest token that proves an address.
    pub(super) fn confirmation(&self, to: &str) -> String {
        self.newest(to, |template| {
            if let MailTemplate::ConfirmAddress { token, .. } = template {
                return Some(token.clone());
            }
            None
        })
    }

    /// The newest token that resets a password.
    pub(super) fn reset_token(&self, to: &str) -> String {
        self.newest(to, |template| {
            if let MailTemplate::ResetPassword { token, .. } = template {
                return Some(token.clone());
            }
            None
        })
    }

    /// A policy that asks nobody by chance: a test must not depend on the draw of an account. Returns the session of the
    /// administrator who set it; nothing when it is so already.
    pub(super) async fn ask_nobody_by_chance(&self, node: &Node) -> Option<String> {
        if node.auth.read_policy(&context()).await.unwrap().risk.share_permyriad == 0 {
            return None;
        }
        Some(self.change_policy(node, |policy| policy.risk.share_permyriad = 0).await)
    }

    /// Makes an administrator `root`, who changes the policy; returns his session.
    pub(super) async fn change_policy(&self, node: &Node, change: impl FnOnce(&mut Policy)) -> String {
        let app = node.enrolled("root").await;
        let access = node.log_in("root", PASSWORD, &app.code(0)).await.token("access_token");
        node.auth.bootstrap_admin(&context(), "root").await.unwrap();
        let admin = node.auth.access_token(&access).unwrap();
        let admin = node.auth.authenticate(&context(), admin).await.unwrap();
        let mut policy = node.auth.read_policy(&context()).await.unwrap();
        change(&mut policy);
        node.auth
            .set_policy(&context(), &admin, policy.version, policy.clone())
            .await
            .unwrap();
        access
    }

    /// A user with a proven address whose password is long enough alone; nothing else.
    pub(super) async fn confirmed_user(&self, node: &Node, name: &str) -> String {
        self.ask_nobody_by_chance(node).await;
        assert_eq!(node.sign_up(name).await.status, StatusCode::CREATED);
        let email = format!("{name}@example.org");
        let code = self.confirmation(&email);
        let answer = node
            .v1(
                Method::POST,
                "/v1/account/email/confirm",
                "",
                Some(&json!({"code": code})),
            )
            .await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
        email
    }
}
