//! What clients saw, as histories of keys that the checker of linearizability knows: codes, challenges and tokens that work
//! once, sessions that end, names that one account may have.
//!
//! Must not know what was agreed on: only what was asked and answered, and when.
#![expect(clippy::wildcard_enum_match_arm, reason = "a verb that is not named has no key")]

use super::users::{Known, Users};
use crate::history::{Call, Outcome};
use crate::linearizable::judge;
use crate::models::{Life, SingleUse, UniqueName};
use auth_core::command::*;
use auth_core::entry::Entry;
use auth_core::ids::{AccountId, SessionId};
use auth_core::reply::Reply;

/// All calls of a run.
#[derive(Default)]
pub(super) struct Witness {
    once: Vec<Call>,
    lives: Vec<Call>,
    names: Vec<Call>,
}

/// A request that is over for its client.
pub(super) struct Finished<'a> {
    pub(super) process: u64,
    pub(super) entry: &'a Entry,
    /// None when the client gave up.
    pub(super) reply: Option<&'a Reply>,
    pub(super) started_us: u64,
    pub(super) ended_us: u64,
}

impl Finished<'_> {
    fn call(&self, key: String, verb: &str, input: Option<String>, ok: bool) -> Call {
        let outcome = match self.reply {
            None => Outcome::Unknown("no answer".into()),
            Some(_) if ok => Outcome::Ok(None),
            Some(reply) => Outcome::Denied(format!("{reply:?}")),
        };
        Call {
            process: self.process,
            key,
            verb: verb.into(),
            input,
            started_us: self.started_us,
            ended_us: self.reply.map(|_| self.ended_us),
            outcome,
        }
    }
}

impl Witness {
    pub(super) fn calls(&self) -> usize {
        self.once.len() + self.lives.len() + self.names.len()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Call> {
        self.once.iter().chain(&self.lives).chain(&self.names)
    }

    /// How many of them were refused or stayed open.
    pub(super) fn of_each_outcome(&self) -> [usize; 3] {
        let open = self.all().filter(|call| call.outcome.is_unknown()).count();
        let ok = self.all().filter(|call| call.outcome.is_ok()).count();
        [ok, self.calls() - ok - open, open]
    }

    pub(super) fn note(&mut self, finished: &Finished<'_>, users: &Users) {
        self.note_once(finished);
        self.note_lives(finished, users);
        self.note_removal(finished, users);
        if let Command::RegisterAccount(command) = &finished.entry.command {
            let ok = matches!(finished.reply, Some(Reply::AccountRegistered { .. }));
            let owner = Some(format!("{:?}", command.account));
            self.names
                .push(finished.call(command.username_key.clone(), "take", owner, ok));
        }
    }

    fn note_removal(&mut self, finished: &Finished<'_>, users: &Users) {
        let Command::DeleteAccount(command) = &finished.entry.command else {
            return;
        };
        let account = users.known(command.session).map(|known| known.account);
        if let Some((account, name)) = account.and_then(|account| Some((account, users.names.get(&account)?))) {
            let done = finished.reply == Some(&Reply::Done {});
            self.names
                .push(finished.call(name.clone(), "free", Some(format!("{account:?}")), done));
        }
    }

    fn note_once(&mut self, finished: &Finished<'_>) {
        let opened = matches!(
            finished.reply,
            Some(Reply::SessionStarted(_) | Reply::SessionRefreshed(_))
        );
        let done = matches!(finished.reply, Some(Reply::Done {} | Reply::EmailConfirmed { .. }));
        let mut keys = Vec::new();
        match &finished.entry.command {
            Command::AnswerChallenge(command) => {
                keys.push((format!("challenge/{:?}", command.challenge), opened));
                keys.extend(command.answer.totp.and_then(step).map(|key| (key, opened)));
                keys.extend(
                    command
                        .answer
                        .recovery
                        .map(|hash| (format!("recovery/{:?}", hash.0), opened)),
                );
            }
            Command::VerifyFactor(command) => {
                keys.push((format!("challenge/{:?}", command.challenge), opened));
                keys.extend(step(command.code).map(|key| (key, opened)));
            }
            Command::LogIn(command) => keys.extend(command.code.and_then(step).map(|key| (key, opened))),
            Command::ResetPassword(command) => keys.push((format!("token/{:?}", command.token.0), done)),
            Command::ConfirmEmail(command) => keys.push((format!("token/{:?}", command.token.0), done)),
            _other => {}
        }
        self.once.extend(
            keys.into_iter()
                .map(|(key, ok)| finished.call(key, "consume", None, ok)),
        );
    }

    fn note_lives(&mut self, finished: &Finished<'_>, users: &Users) {
        let answered = finished
            .reply
            .is_some_and(|reply| !matches!(reply, Reply::Denied(_) | Reply::Stale { .. }));
        let mut push = |session: SessionId, verb: &str| {
            self.lives
                .push(finished.call(format!("session/{session:?}"), verb, None, answered));
        };
        let owner = |session: SessionId| users.known(session).map(|known| known.account);
        let others = |account: Option<AccountId>, but: Option<SessionId>| {
            let began_before = |known: &&Known| known.since_us <= finished.started_us;
            let of = move |known: &&Known| Some(known.account) == account && Some(known.session) != but;
            users
                .sessions
                .iter()
                .filter(began_before)
                .filter(of)
                .map(|known| known.session)
        };
        match &finished.entry.command {
            Command::RefreshSession(command) => push(command.session, "use"),
            Command::StepUp(command) => push(command.session, "use"),
            Command::IssueRecoveryCodes(command) => push(command.session, "use"),
            Command::EndSession(command) => push(command.session, "end"),
            Command::ChangePassword(command) => {
                push(command.session, "use");
                others(owner(command.session), Some(command.session)).for_each(|session| push(session, "end"));
            }
            Command::EndSessions(command) => match command.scope {
                SessionScope::One(session) => push(session, "end"),
                SessionScope::Others {} => {
                    others(owner(command.session), Some(command.session)).for_each(|session| push(session, "end"));
                }
                SessionScope::All {} => others(owner(command.session), None).for_each(|session| push(session, "end")),
            },
            Command::AdministerAccount(command) if command.action == (AdminAction::Disable {}) => {
                others(Some(command.account), None).for_each(|session| push(session, "end"));
            }
            _other => {}
        }
    }

    /// Whether everything that clients saw can have happened.
    pub(super) fn judge(self) -> Result<(), String> {
        judge("once", &SingleUse, self.once)?;
        judge("revoke", &Life, self.lives)?;
        judge("unique", &UniqueName, self.names)
    }
}

fn step(code: CodeEvidence) -> Option<String> {
    code.matched_step.map(|step| format!("step/{:?}/{step}", code.factor))
}
