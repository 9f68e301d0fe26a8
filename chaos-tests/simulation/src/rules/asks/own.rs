//! What somebody asks for about his own account, with a session or with a mailed token.

use super::Asker;
use super::mac;
use auth_core::command::*;
use auth_core::ids::{AccountId, ChallengeId, NameMac, SessionId};
use auth_core::limits::RECOVERY_CODES;
use auth_core::query;

impl Asker<'_> {
    pub(super) fn account_command(&mut self, verb: u16) -> Option<Command> {
        if verb == 13 {
            let (challenge, _) = self.dice.recent(&self.users.challenges)?;
            let code = self.new_code(challenge);
            return Some(Command::SendCode(SendCode { challenge, code }));
        }
        if verb == 15 {
            let account = self.account()?;
            let unknown = ResetSubject::UnknownAddress(NameMac([7; 16]));
            let subject = if self.dice.percent(90) {
                ResetSubject::Account(account)
            } else {
                unknown
            };
            let token = self.token();
            return Some(Command::RequestPasswordReset(RequestPasswordReset { subject, token }));
        }
        if verb == 16 || verb == 18 {
            let token = self.dice.recent(&self.users.tokens)?;
            if verb == 18 {
                return Some(Command::ConfirmEmail(ConfirmEmail { token }));
            }
            let row = query::mail_token(self.tables, &token, self.clock).ok().flatten();
            let account = row.map_or(AccountId([0; 16]), |row| row.account);
            let (base_seq, password) = (self.seq(account), self.password());
            let answer = self.dice.percent(80).then(|| self.answer(account, None));
            return Some(Command::ResetPassword(ResetPassword {
                token,
                base_seq,
                password,
                answer,
            }));
        }
        let known = self.session()?;
        let session = known.session;
        Some(match verb {
            14 => Command::ChangePassword(ChangePassword {
                session,
                base_seq: self.seq(known.account),
                password: self.password(),
            }),
            17 => {
                let email = format!("{}@example.org", self.dice.draw());
                Command::RequestEmailChange(RequestEmailChange {
                    session,
                    email: email.clone(),
                    email_key: email,
                    token: self.token(),
                })
            }
            19 => Command::DeleteAccount(DeleteAccount { session }),
            _ => {
                let hashes = (0..RECOVERY_CODES).map(|_| mac(self.draw())).collect();
                Command::IssueRecoveryCodes(IssueRecoveryCodes { session, hashes })
            }
        })
    }

    pub(super) fn session_command(&mut self, verb: u16) -> Option<Command> {
        let known = self.session()?;
        let session = known.session;
        let factors = query::factors(self.tables, known.account).unwrap_or_default();
        Some(match verb {
            8 => Command::EndSession(EndSession { session }),
            21 => Command::AddTotp(AddTotp {
                authority: self.authority(session),
                new: self.new_totp(),
            }),
            22 => {
                let authority = self.authority(session);
                let account = self.users.owner(authority)?;
                Command::ConfirmTotp(ConfirmTotp {
                    authority,
                    base_seq: self.seq(account),
                    code: self.code(account)?,
                })
            }
            23 => Command::RemoveTotp(RemoveTotp {
                session,
                factor: self.dice.recent(&factors)?.id,
            }),
            24 => Command::SetEmailFactor(SetEmailFactor {
                session,
                enabled: self.dice.percent(70),
            }),
            25 => {
                let answer = self.dice.percent(80).then(|| self.answer(known.account, None));
                Command::StepUp(StepUp {
                    session,
                    base_seq: self.seq(known.account),
                    password: answer.is_none(),
                    answer,
                })
            }
            26 => {
                let challenge = ChallengeId(self.draw());
                let code = Some(self.new_code(challenge));
                Command::StartStepUp(StartStepUp {
                    session,
                    challenge,
                    code,
                })
            }
            27 => {
                let scope = match self.dice.below(3) {
                    0 => SessionScope::One(self.session()?.session),
                    1 => SessionScope::Others {},
                    _ => SessionScope::All {},
                };
                Command::EndSessions(EndSessions { session, scope })
            }
            _ => {
                let device = self.dice.recent(&self.users.devices)?.1.device;
                Command::ForgetDevice(ForgetDevice { session, device })
            }
        })
    }

    fn authority(&mut self, session: SessionId) -> Authority {
        match self.dice.recent(&self.users.challenges) {
            Some((challenge, _)) if self.dice.percent(40) => Authority::Challenge(challenge),
            Some(_) | None => Authority::Session(session),
        }
    }
}
