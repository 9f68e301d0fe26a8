//! Registration, logins, and the tokens that come of them.

use super::Asker;
use auth_core::command::*;
use auth_core::ids::{ChallengeId, NameMac, SessionId};

impl Asker<'_> {
    pub(super) fn login(&mut self, verb: u16) -> Option<Command> {
        if verb == 1 {
            let (name, email) = (self.dice.below(6), self.dice.draw());
            let email = if self.dice.percent(10) {
                "shared".to_owned()
            } else {
                email.to_string()
            };
            return Some(self.register(format!("name-{name}"), format!("{email}@example.org")));
        }
        if verb == 7 {
            let known = self.session()?;
            let back = if self.dice.percent(75) {
                0
            } else {
                1 + self.dice.below(3)
            };
            let generation = known.generation.saturating_sub(u32::try_from(back).unwrap_or(0));
            let session = known.session;
            return Some(Command::RefreshSession(RefreshSession { session, generation }));
        }
        if verb == 5 || verb == 12 {
            let (challenge, account) = self.dice.recent(&self.users.challenges)?;
            let base_seq = self.seq(account);
            if verb == 12 {
                let (answer, session) = (self.answer(account, Some(challenge)), self.new_session());
                return Some(Command::AnswerChallenge(AnswerChallenge {
                    challenge,
                    base_seq,
                    answer,
                    session,
                }));
            }
            let (code, session) = (self.code(account)?, SessionId(self.draw()));
            return Some(Command::VerifyFactor(VerifyFactor {
                challenge,
                base_seq,
                code,
                session,
                session_seconds: 86_400,
            }));
        }
        if verb == 2 && self.dice.percent(20) {
            let name = NameMac([u8::try_from(self.dice.below(3)).unwrap_or(0); 16]);
            return Some(Command::RefuseLogin(RefuseLogin {
                subject: Subject::UnknownName { name },
            }));
        }
        self.with_password(verb)
    }

    /// After a password that was compared.
    fn with_password(&mut self, verb: u16) -> Option<Command> {
        let account = self.account()?;
        let base_seq = self.seq(account);
        Some(match verb {
            2 => Command::RefuseLogin(RefuseLogin {
                subject: Subject::Account { account, base_seq },
            }),
            3 => {
                let NewTotp { factor, seed, label } = self.new_totp();
                Command::EnrolTotp(EnrolTotp {
                    account,
                    base_seq,
                    factor,
                    seed,
                    label,
                })
            }
            4 => {
                let enrol = self.dice.percent(50).then(|| self.new_totp());
                Command::StartLogin(StartLogin {
                    account,
                    base_seq,
                    challenge: ChallengeId(self.draw()),
                    enrol,
                })
            }
            6 => {
                let (code, session) = (self.code(account), SessionId(self.draw()));
                Command::LogIn(LogIn {
                    account,
                    base_seq,
                    code,
                    session,
                    session_seconds: 86_400,
                    device: None,
                    idle_seconds: None,
                })
            }
            _ => {
                let challenge = ChallengeId(self.draw());
                let (session, code) = (self.new_session(), self.new_code(challenge));
                Command::SignIn(SignIn {
                    account,
                    base_seq,
                    challenge,
                    session,
                    answer: None,
                    always: self.dice.percent(50),
                    share: Some(u16::try_from(self.dice.below(10_000)).unwrap_or(0)),
                    code: Some(code),
                })
            }
        })
    }
}
