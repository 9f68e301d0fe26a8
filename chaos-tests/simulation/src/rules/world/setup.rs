//! What is there when a run begins: accounts with factors, recovery codes and sessions, an administrator.

use super::super::asks::mac;
use super::{SECOND_US, World};
use auth_core::command::*;
use auth_core::ids::{AccountId, FactorId, SessionId};
use auth_core::limits::TOTP_STEP_SECONDS;
use auth_core::query;
use auth_core::secret::Sealed;

impl World {
    /// Asks for all of it, one after the other.
    pub(super) fn populate(&mut self) -> Result<(), String> {
        for name in 0..3 {
            let register = self
                .asker(0)
                .register(format!("name-{name}"), format!("{name}@example.org"));
            self.calmly(register)?;
            let token = self.users.tokens.last().copied().ok_or("simulation: no token")?;
            self.calmly(Command::ConfirmEmail(ConfirmEmail { token }))?;
        }
        let accounts: Vec<AccountId> = self.users.accounts.clone();
        for account in accounts.iter().take(2) {
            self.bind(*account)?;
        }
        let (admin, session) = match (accounts.first(), self.users.sessions.first()) {
            (Some(account), Some(known)) => (*account, known.session),
            (_, _) => return Err("simulation: nobody could log in".into()),
        };
        self.calmly(Command::BootstrapAdmin(BootstrapAdmin { account: admin }))?;
        let hashes = (0..10).map(|_| mac(self.asker(0).draw())).collect();
        self.calmly(Command::IssueRecoveryCodes(IssueRecoveryCodes { session, hashes }))?;
        self.now_us += 2 * TOTP_STEP_SECONDS * SECOND_US;
        Ok(())
    }

    /// Binds an account to an authenticator by its first login.
    fn bind(&mut self, account: AccountId) -> Result<(), String> {
        let factor = FactorId(self.asker(0).draw());
        let seed = Sealed(vec![2]);
        self.calmly(Command::EnrolTotp(EnrolTotp {
            account,
            base_seq: self.seq(account),
            factor,
            seed,
            label: "phone".into(),
        }))?;
        let code = CodeEvidence {
            factor,
            matched_step: Some(self.now_us / SECOND_US / TOTP_STEP_SECONDS),
        };
        let session = SessionId(self.asker(0).draw());
        self.calmly(Command::LogIn(LogIn {
            account,
            base_seq: self.seq(account),
            code: Some(code),
            session,
            session_seconds: 5_000_000,
            device: None,
            idle_seconds: None,
        }))
    }

    fn seq(&self, account: AccountId) -> u64 {
        let row = query::account(&self.cluster.replicas[0].tables, account).ok().flatten();
        row.map_or(0, |row| row.auth_seq)
    }
}
