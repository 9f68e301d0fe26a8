//! The same password, hashed with stronger parameters (PW-6). No session ends, nobody is told: nothing else changed.

use super::decision::Decision;
use crate::command::UpgradePassword;
use crate::error::Fault;
use crate::query;
use crate::reply::Reply;
use crate::secret::Mac;
use crate::tables::schema::put;
use crate::tables::{Table, Tables};
use sha2::{Digest as _, Sha256};

pub(super) fn apply(command: &UpgradePassword, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let done = Decision::new(Reply::Done {}).about(command.account);
    let Some(mut account) = query::account(tables, command.account)? else {
        return Ok(done.known_as("password_hash_kept"));
    };
    if !Mac(Sha256::digest(&account.password.0).into()).matches(&command.old) {
        return Ok(done.known_as("password_hash_kept"));
    }
    account.password = command.sealed.clone();
    put(tables, Table::Accounts, &account.id.0, &account)?;
    Ok(done.known_as("password_hash_upgraded"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::testing::Bench;
    use crate::command::Command;
    use crate::secret::Sealed;

    #[test]
    fn pw_6_a_hash_is_replaced_only_while_it_is_the_one_that_was_verified() {
        let mut bench = Bench::new();
        let account = bench.register("ana", "ana@example.org");
        let before = bench.account(account);
        let upgrade = |old: &Sealed, new: &[u8]| {
            Command::UpgradePassword(UpgradePassword {
                account,
                old: Mac(Sha256::digest(&old.0).into()),
                sealed: Sealed(new.to_vec()),
            })
        };
        assert_eq!(bench.run(upgrade(&before.password, b"stronger")), Reply::Done {});
        let after = bench.account(account);
        assert_eq!(after.password, Sealed(b"stronger".to_vec()));
        assert_eq!(after.auth_seq, before.auth_seq, "evidence that was computed stays good");
        assert_eq!(bench.run(upgrade(&before.password, b"late")), Reply::Done {});
        assert_eq!(bench.account(account).password, Sealed(b"stronger".to_vec()));
    }
}
