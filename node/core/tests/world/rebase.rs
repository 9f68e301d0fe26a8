//! The same evidence proposed again with a newer `auth_seq`, and small helpers of the world.

use auth_core::command::*;

pub(super) fn username(name: u8) -> String {
    format!("user-{name}")
}

/// The last one for 0.
pub(super) fn from_the_end<T: Copy>(all: &[T], pick: usize) -> Option<T> {
    all.iter().rev().nth(pick % all.len().max(1)).copied()
}

pub(super) fn rebased(command: Command, base_seq: u64) -> Command {
    match command {
        Command::RefuseLogin(RefuseLogin {
            subject: Subject::Account { account, .. },
        }) => Command::RefuseLogin(RefuseLogin {
            subject: Subject::Account { account, base_seq },
        }),
        Command::EnrolTotp(command) => Command::EnrolTotp(EnrolTotp { base_seq, ..command }),
        Command::StartLogin(command) => Command::StartLogin(StartLogin { base_seq, ..command }),
        Command::VerifyFactor(command) => Command::VerifyFactor(VerifyFactor { base_seq, ..command }),
        Command::LogIn(command) => Command::LogIn(LogIn { base_seq, ..command }),
        command @ (Command::RegisterAccount(_)
        | Command::RefuseLogin(_)
        | Command::RefreshSession(_)
        | Command::EndSession(_)
        | Command::InstallSigningKey(_)
        | Command::MarkMailSent(_)
        | Command::SignIn(_)
        | Command::AnswerChallenge(_)
        | Command::SendCode(_)
        | Command::ChangePassword(_)
        | Command::RequestPasswordReset(_)
        | Command::ResetPassword(_)
        | Command::RequestEmailChange(_)
        | Command::ConfirmEmail(_)
        | Command::DeleteAccount(_)
        | Command::IssueRecoveryCodes(_)
        | Command::AddTotp(_)
        | Command::ConfirmTotp(_)
        | Command::RemoveTotp(_)
        | Command::SetEmailFactor(_)
        | Command::StepUp(_)
        | Command::StartStepUp(_)
        | Command::EndSessions(_)
        | Command::ForgetDevice(_)
        | Command::SetPolicy(_)
        | Command::BootstrapAdmin(_)
        | Command::AdministerAccount(_)
        | Command::AddSigningKey(_)
        | Command::DropSigningKeys(_)
        | Command::Reseal(_)
        | Command::MarkMailFailed(_)
        | Command::ReleaseMail(_)
        | Command::UpgradePassword(_)
        | Command::KeepAnswer(_)) => command,
    }
}
