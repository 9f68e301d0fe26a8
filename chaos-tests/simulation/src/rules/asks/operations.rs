//! What administrators and the nodes themselves ask for.

use super::Asker;
use auth_core::account::Role;
use auth_core::command::*;
use auth_core::query;
use auth_core::secret::Sealed;

impl Asker<'_> {
    pub(super) fn operation(&mut self, verb: u16) -> Option<Command> {
        let kid = format!("{:02x}", self.dice.below(8));
        let (public_der, private) = (vec![1], Sealed(vec![2]));
        let algorithm = "RS256".to_owned();
        Some(match verb {
            9 => Command::InstallSigningKey(InstallSigningKey {
                kid,
                algorithm,
                public_der,
                private,
            }),
            29 => {
                let mut policy = query::policy(self.tables).ok()?;
                policy.admin_mailed_codes = self.dice.percent(50);
                policy.remembered_device_suffices = self.dice.percent(50);
                let session = self.users.sessions.first()?.session;
                Command::SetPolicy(SetPolicy {
                    session,
                    expected_version: policy.version,
                    policy,
                })
            }
            30 => Command::BootstrapAdmin(BootstrapAdmin {
                account: self.account()?,
            }),
            31 => self.administer()?,
            32 => Command::AddSigningKey(AddSigningKey {
                kid,
                algorithm,
                public_der,
                private,
                activates_in_seconds: 600,
                keep_seconds: 3_600,
            }),
            33 => Command::DropSigningKeys(DropSigningKeys {}),
            34 => Command::Reseal(Reseal {
                key: 2,
                values: Vec::new(),
                cursor: None,
            }),
            10 | 35 | 36 => self.mail_command(verb)?,
            _ => {
                let account = self.account()?;
                let old = query::account(self.tables, account).ok().flatten()?.password.digest();
                Command::UpgradePassword(UpgradePassword {
                    account,
                    old,
                    sealed: Sealed(self.draw().to_vec()),
                })
            }
        })
    }

    fn mail_command(&mut self, verb: u16) -> Option<Command> {
        let mail = query::outbox(self.tables, 3).unwrap_or_default();
        Some(match verb {
            10 => Command::MarkMailSent(MarkMailSent {
                key: self.dice.recent(&mail)?.key,
            }),
            35 => {
                let mail = self.dice.recent(&mail)?;
                let permanent = self.dice.percent(30);
                Command::MarkMailFailed(MarkMailFailed {
                    key: mail.key,
                    attempt: 0,
                    permanent,
                    retry_in_seconds: 60,
                    reason: "451".into(),
                })
            }
            _ => {
                let key = self
                    .dice
                    .recent(&query::quarantine(self.tables, 3).unwrap_or_default())?
                    .key;
                Command::ReleaseMail(ReleaseMail {
                    key,
                    retry: self.dice.percent(50),
                })
            }
        })
    }

    fn administer(&mut self) -> Option<Command> {
        let action = match self.dice.below(8) {
            0 | 1 => AdminAction::Disable {},
            2..=4 => AdminAction::Activate {},
            5 => AdminAction::Unlock {},
            6 => AdminAction::EndSessions {},
            _ if self.dice.percent(50) => AdminAction::ResetFactors {},
            _ if self.dice.percent(50) => AdminAction::SetRole { role: Role::User },
            _ => AdminAction::SendPasswordReset { token: self.token() },
        };
        // The first session is the administrator's; others try, too.
        let session = if self.dice.percent(80) {
            self.users.sessions.first()?
        } else {
            self.users.sessions.last()?
        }
        .session;
        Some(Command::AdministerAccount(AdministerAccount {
            session,
            account: self.account()?,
            action,
            then: Vec::new(),
        }))
    }
}
