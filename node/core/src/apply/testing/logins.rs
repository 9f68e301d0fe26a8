//! Logins with everything but authenticator apps, and what follows them.

use super::Bench;
use crate::account::Account;
use crate::audit::AuditRow;
use crate::command::*;
use crate::device::{DeviceGrant, DeviceProof};
use crate::ids::{AccountId, ChallengeId, DeviceId, FactorId, SessionId};
use crate::limits::RECOVERY_CODES;
use crate::outbox::{Mail, MailTemplate, Notice};
use crate::query;
use crate::reply::{Reply, SessionGrant};
use crate::secret::{Mac, Sealed};
use crate::tables::schema::{get, put};
use crate::tables::{Table, Tables};

/// 32 bytes that differ for every number.
pub(in crate::apply) fn mac(number: u64) -> Mac {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Mac(bytes)
}

/// A token whose hash is of this number.
pub(in crate::apply) fn token(number: u64) -> NewToken {
    NewToken {
        hash: mac(number),
        sealed: Sealed(vec![1]),
    }
}

/// A password that is long enough to be the only factor, or not.
pub(in crate::apply) fn password(alone: bool) -> NewPassword {
    NewPassword {
        sealed: Sealed(vec![9, 9]),
        alone,
    }
}

impl Bench {
    /// Changes an account's row.
    pub(in crate::apply) fn change(&mut self, account: AccountId, change: impl FnOnce(&mut Account)) {
        let mut row = self.account(account);
        change(&mut row);
        put(&mut self.tables, Table::Accounts, &account.0, &row).unwrap();
    }

    /// An account whose address is proven and whose password is long enough to be the only factor.
    pub(in crate::apply) fn mailed_account(&mut self, name: &str) -> AccountId {
        let account = self.register(name, &format!("{name}@example.org"));
        let now = self.now;
        self.change(account, |row| {
            row.password_alone = true;
            row.email_confirmed_at = Some(now);
        });
        account
    }

    /// Makes an account an administrator.
    pub(in crate::apply) fn make_admin(&mut self, account: AccountId) {
        let reply = self.run(Command::BootstrapAdmin(BootstrapAdmin { account }));
        assert_eq!(reply, Reply::Done {});
    }

    pub(in crate::apply) fn new_session(&mut self) -> NewSession {
        NewSession {
            session: self.draw_session(),
            seconds: 86_400,
            idle_seconds: None,
            device: None,
        }
    }

    /// A sign-in after the right password; `change` adjusts it.
    pub(in crate::apply) fn sign_in_with(&mut self, account: AccountId, change: impl FnOnce(&mut SignIn)) -> Reply {
        let mut command = SignIn {
            account,
            base_seq: self.account(account).auth_seq,
            challenge: ChallengeId(self.draw()),
            session: self.new_session(),
            answer: None,
            always: false,
            share: Some(9_999),
            code: None,
        };
        change(&mut command);
        self.run(Command::SignIn(command))
    }

    pub(in crate::apply) fn sign_in(&mut self, account: AccountId) -> Reply {
        self.sign_in_with(account, |_| {})
    }

    /// A sign-in that is asked for a second factor, and the code that is mailed for it at once.
    pub(in crate::apply) fn demanded(&mut self, account: AccountId, code: u64) -> ChallengeId {
        let reply = self.sign_in_with(account, |command| {
            command.always = true;
            command.code = Some(NewCode {
                mac: mac(code),
                sealed: Sealed(vec![3]),
                channel: Default::default(),
            });
        });
        let Reply::SecondFactorRequired { challenge, .. } = reply else {
            panic!("{reply:?}")
        };
        challenge
    }

    pub(in crate::apply) fn send_code(&mut self, challenge: ChallengeId, code: u64) -> Reply {
        let code = NewCode {
            mac: mac(code),
            sealed: Sealed(vec![3]),
            channel: Default::default(),
        };
        self.run(Command::SendCode(SendCode { challenge, code }))
    }

    pub(in crate::apply) fn answer_with(&mut self, challenge: ChallengeId, answer: Answer) -> Reply {
        let row = query::challenge(&self.tables, challenge).unwrap();
        let base_seq = row.map_or(0, |row| self.account(row.account).auth_seq);
        let session = self.new_session();
        self.run(Command::AnswerChallenge(AnswerChallenge {
            challenge,
            base_seq,
            answer,
            session,
        }))
    }

    pub(in crate::apply) fn answer_mail(&mut self, challenge: ChallengeId, code: u64) -> Reply {
        self.answer_with(
            challenge,
            Answer {
                mailed: Some(mac(code)),
                ..Answer::default()
            },
        )
    }

    pub(in crate::apply) fn answer_recovery(&mut self, challenge: ChallengeId, code: u64) -> Reply {
        self.answer_with(
            challenge,
            Answer {
                recovery: Some(mac(code)),
                ..Answer::default()
            },
        )
    }

    /// A session of a bound account, proven with its factor.
    pub(in crate::apply) fn session_of(&mut self, account: AccountId, factor: FactorId) -> SessionGrant {
        let step = self.step();
        self.wait(crate::limits::TOTP_STEP_SECONDS);
        granted(self.log_in(account, Some((factor, Some(step)))))
    }

    /// A session of an account that needs no second factor.
    pub(in crate::apply) fn plain_session(&mut self, account: AccountId) -> SessionGrant {
        granted(self.sign_in(account))
    }

    /// Recovery codes with the numbers from `first` on.
    pub(in crate::apply) fn issue_codes(&mut self, session: SessionId, first: u64) -> Reply {
        let hashes = (first..).take(RECOVERY_CODES).map(mac).collect();
        self.run(Command::IssueRecoveryCodes(IssueRecoveryCodes { session, hashes }))
    }

    /// Signs in and has the device remembered; the next requests show its token.
    pub(in crate::apply) fn remember_device(&mut self, account: AccountId) -> DeviceGrant {
        let device = DeviceId(self.draw());
        let reply = self.sign_in_with(account, |command| {
            command.session.device = Some(NewDevice {
                device,
                name: "Firefox".into(),
                remembered: true,
            });
        });
        self.show_device(granted(reply).device.unwrap())
    }

    /// The next requests show this token.
    pub(in crate::apply) fn show_device(&mut self, grant: DeviceGrant) -> DeviceGrant {
        self.device = Some(DeviceProof {
            device: grant.device,
            generation: grant.generation,
        });
        grant
    }

    /// Adds an authenticator of this number on a session.
    pub(in crate::apply) fn run_add(&mut self, session: SessionId, number: u8) {
        let new = NewTotp {
            factor: FactorId([number; 16]),
            seed: Sealed(vec![4]),
            label: "tablet".into(),
        };
        let authority = Authority::Session(session);
        let reply = self.run(Command::AddTotp(AddTotp { authority, new }));
        assert!(matches!(reply, Reply::TotpPending { .. }), "{reply:?}");
    }

    /// Answers for an authenticator of this number on a session.
    pub(in crate::apply) fn run_confirm(&mut self, session: SessionId, number: u8, matched_step: Option<u64>) -> Reply {
        let account = query::session(&self.tables, session).unwrap().unwrap().account;
        let command = ConfirmTotp {
            authority: Authority::Session(session),
            base_seq: self.account(account).auth_seq,
            code: CodeEvidence {
                factor: FactorId([number; 16]),
                matched_step,
            },
        };
        self.run(Command::ConfirmTotp(command))
    }

    /// One more authenticator for an account that has one.
    pub(in crate::apply) fn add_totp(&mut self, account: AccountId, factor: FactorId) -> FactorId {
        let session = self.session_of(account, factor).session;
        let known = query::factors(&self.tables, account).unwrap().len();
        let number = 100 + u8::try_from(known).unwrap();
        self.run_add(session, number);
        let step = self.step();
        assert_eq!(self.run_confirm(session, number, Some(step)), Reply::Done {});
        self.wait(2 * crate::limits::TOTP_STEP_SECONDS);
        FactorId([number; 16])
    }

    pub(in crate::apply) fn refresh(&mut self, session: SessionId, generation: u32) -> Reply {
        self.run(Command::RefreshSession(RefreshSession { session, generation }))
    }

    /// Answers a challenge of a bound account and has the device remembered.
    pub(in crate::apply) fn device_of(
        &mut self,
        account: AccountId,
        factor: FactorId,
        challenge: ChallengeId,
    ) -> DeviceGrant {
        let code = CodeEvidence {
            factor,
            matched_step: Some(self.step()),
        };
        let mut session = self.new_session();
        session.device = Some(NewDevice {
            device: DeviceId(self.draw()),
            name: "Firefox".into(),
            remembered: true,
        });
        let base_seq = self.account(account).auth_seq;
        let reply = self.run(Command::AnswerChallenge(AnswerChallenge {
            challenge,
            base_seq,
            answer: Answer {
                totp: Some(code),
                ..Answer::default()
            },
            session,
        }));
        self.wait(2 * crate::limits::TOTP_STEP_SECONDS);
        granted(reply).device.unwrap()
    }

    /// The audit row of the last entry.
    pub(in crate::apply) fn audited(&self) -> AuditRow {
        get(&self.tables, Table::Audit, &self.index.to_be_bytes())
            .unwrap()
            .unwrap()
    }

    /// Mail that waits, the newest last.
    pub(in crate::apply) fn mails(&self) -> Vec<Mail> {
        query::outbox(&self.tables, 999).unwrap()
    }

    /// What owners were told of, and empties the outbox.
    pub(in crate::apply) fn notices(&mut self) -> Vec<Notice> {
        let mut notices = Vec::new();
        for mail in self.mails() {
            self.tables.remove(Table::Outbox, &mail.key.to_be_bytes()).unwrap();
            if let MailTemplate::Notice { what, .. } = mail.template {
                notices.push(what);
            }
        }
        notices
    }
}

/// The grant of a session that was started or refreshed.
pub(in crate::apply) fn granted(reply: Reply) -> SessionGrant {
    let (Reply::SessionStarted(grant) | Reply::SessionRefreshed(grant)) = reply else {
        panic!("{reply:?}")
    };
    grant
}
