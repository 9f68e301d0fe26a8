//! Commands of administrators and of the nodes themselves, with fixed contents.

use super::later::{ACCOUNT, SESSION, mac, policy, token};
use auth_core::account::Role;
use auth_core::command::*;
use auth_core::keys::SealedAt;
use auth_core::secret::Sealed;

pub(super) fn administration() -> Vec<(&'static str, Command)> {
    let end = |scope| {
        Command::EndSessions(EndSessions {
            session: SESSION,
            scope,
        })
    };
    let act = |action| {
        Command::AdministerAccount(AdministerAccount {
            session: SESSION,
            account: ACCOUNT,
            action,
            then: Vec::new(),
        })
    };
    let all = AdministerAccount {
        session: SESSION,
        account: ACCOUNT,
        action: AdminAction::Disable {},
        then: vec![AdminAction::Unlock {}, AdminAction::SetRole { role: Role::User }],
    };
    let set = SetPolicy {
        session: SESSION,
        expected_version: 2,
        policy: policy(),
    };
    vec![
        ("end_sessions_one", end(SessionScope::One(SESSION))),
        ("end_sessions_others", end(SessionScope::Others {})),
        ("end_sessions_all", end(SessionScope::All {})),
        ("set_policy", Command::SetPolicy(set)),
        (
            "bootstrap_admin",
            Command::BootstrapAdmin(BootstrapAdmin { account: ACCOUNT }),
        ),
        ("administer_activate", act(AdminAction::Activate {})),
        ("administer_disable", act(AdminAction::Disable {})),
        ("administer_several", Command::AdministerAccount(all)),
        ("administer_unlock", act(AdminAction::Unlock {})),
        ("administer_set_role", act(AdminAction::SetRole { role: Role::Admin })),
        ("administer_end_sessions", act(AdminAction::EndSessions {})),
        ("administer_reset_factors", act(AdminAction::ResetFactors {})),
        (
            "administer_send_password_reset",
            act(AdminAction::SendPasswordReset { token: token() }),
        ),
    ]
}

pub(super) fn operation() -> Vec<(&'static str, Command)> {
    let key = AddSigningKey {
        kid: "next".into(),
        algorithm: "RS256".into(),
        public_der: vec![5; 8],
        private: Sealed(vec![6; 8]),
        activates_in_seconds: 600,
        keep_seconds: 3_600,
    };
    let at = SealedAt {
        table: 4,
        key: vec![1; 16],
    };
    let reseal = Reseal {
        key: 2,
        values: vec![Resealed {
            at: at.clone(),
            old: mac(3),
            new: Sealed(vec![7; 3]),
        }],
        cursor: Some(at),
    };
    let failed = MarkMailFailed {
        key: 70_000,
        attempt: 2,
        permanent: true,
        retry_in_seconds: 60,
        reason: "550".into(),
    };
    vec![
        ("add_signing_key", Command::AddSigningKey(key)),
        ("drop_signing_keys", Command::DropSigningKeys(DropSigningKeys {})),
        ("keep_answer", Command::KeepAnswer(KeepAnswer { account: ACCOUNT })),
        ("reseal", Command::Reseal(reseal)),
        ("mark_mail_failed", Command::MarkMailFailed(failed)),
        (
            "release_mail",
            Command::ReleaseMail(ReleaseMail {
                key: 70_000,
                retry: true,
            }),
        ),
    ]
}
