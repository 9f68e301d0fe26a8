//! The same evidence with another `auth_seq`, as a node proposes it again after `Stale`.
#![expect(clippy::wildcard_enum_match_arm, reason = "a verb that is not named has no evidence")]

use auth_core::command::{Command, RefuseLogin, Subject};

/// The same evidence with another `auth_seq`, as a node proposes it again after `Stale`.
pub(super) fn rebased(mut command: Command, auth_seq: u64) -> Command {
    let base_seq = match &mut command {
        Command::RefuseLogin(RefuseLogin {
            subject: Subject::Account { base_seq, .. },
        }) => Some(base_seq),
        Command::EnrolTotp(command) => Some(&mut command.base_seq),
        Command::StartLogin(command) => Some(&mut command.base_seq),
        Command::VerifyFactor(command) => Some(&mut command.base_seq),
        Command::LogIn(command) => Some(&mut command.base_seq),
        Command::SignIn(command) => Some(&mut command.base_seq),
        Command::AnswerChallenge(command) => Some(&mut command.base_seq),
        Command::ChangePassword(command) => Some(&mut command.base_seq),
        Command::ResetPassword(command) => Some(&mut command.base_seq),
        Command::StepUp(command) => Some(&mut command.base_seq),
        Command::ConfirmTotp(command) => Some(&mut command.base_seq),
        _ => None,
    };
    if let Some(base_seq) = base_seq {
        *base_seq = auth_seq;
    }
    command
}
