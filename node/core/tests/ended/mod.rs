//! Machines that let go on what was ended: sessions, and what sessions asked for.

use super::{Act, MAILED, Own, bites, keeping, sound, tampered};
use auth_core::account::Account;
use auth_core::command::Command;
use auth_core::entry::Entry;
use auth_core::error::Fault;
use auth_core::reply::Reply;
use auth_core::session::Session;
use auth_core::tables::memory::MemoryTables;
use auth_core::tables::{Table, Tables as _, TablesRead as _};

#[test]
fn a_machine_that_revives_ended_sessions_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        let revived = |row: Session| Session {
            revoked_at: None,
            ..row
        };
        tampered(Table::Sessions, revived, index, entry, tables)
    }
    bites(
        "se_2",
        broken,
        &[Act::Disable { who: 2 }, Act::Wait { seconds: 1 }, MAILED],
    );
}

/// A device's first token is shown long after its second one was given, by the session that began with the second.
const COPIED: [Act; 3] = [
    Act::SignIn {
        who: 2,
        device: true,
        always: false,
    },
    Act::Wait { seconds: 301 },
    Act::Own(Own::StepUpOnDevice { pick: 1 }),
];

#[test]
fn a_machine_that_steps_up_a_session_as_it_was_before_the_entry_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        if matches!(entry.command, Command::StepUp(_)) {
            return keeping(Table::Sessions, index, entry, tables);
        }
        sound(index, entry, tables)
    }
    bites("se_2", broken, &COPIED);
}

/// The same, and what such a session asks for in that very entry.
const COPIED_AND_CHANGED: [Act; 3] = [COPIED[0], COPIED[1], Act::Own(Own::ChangePasswordOnDevice { pick: 1 })];
const COPIED_AND_BOUND: [Act; 4] = [
    COPIED[0],
    COPIED[1],
    Act::Own(Own::BindOnDevice { pick: 0, offset: 1 }),
    Act::Own(Own::BindOnDevice { pick: 1, offset: 1 }),
];

#[test]
fn a_machine_that_gives_an_ended_session_what_it_asked_for_is_found() {
    // Whoever shows no token of a device is not found out; what was copied ends the session all the same.
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        let asks = matches!(entry.command, Command::ChangePassword(_) | Command::ConfirmTotp(_));
        let mut unseen = entry.clone();
        unseen.client.device = entry.client.device.filter(|_| !asks);
        let mut as_it_should = tables.clone();
        sound(index, entry, &mut as_it_should)?;
        let reply = sound(index, &unseen, tables)?;
        if asks {
            for (table, key, row) in as_it_should.rows().filter(|row| row.0 == Table::Sessions) {
                tables.put(table, key, row.to_vec())?;
            }
            for (table, key, _) in tables.clone().rows().filter(|row| row.0 == Table::SessionsByAccount) {
                if as_it_should.get(table, key)?.is_none() {
                    tables.remove(table, key)?;
                }
            }
        }
        Ok(reply)
    }
    bites("se_2", broken, &COPIED_AND_CHANGED);
    bites("se_2", broken, &COPIED_AND_BOUND);
}

#[test]
fn a_machine_that_takes_an_address_of_an_ended_session_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        if matches!(entry.command, Command::EndSessions(_)) {
            return keeping(Table::MailTokens, index, entry, tables);
        }
        sound(index, entry, tables)
    }
    bites(
        "rc_4",
        broken,
        &[
            Act::Own(Own::AskAddress { who: 2, to: 2 }),
            Act::SignIn {
                who: 2,
                device: true,
                always: false,
            },
            Act::EndOthers { pick: 0 },
            Act::Own(Own::ProveAddress { pick: 0 }),
        ],
    );
}

#[test]
fn a_machine_that_takes_an_address_from_before_the_password_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        if matches!(entry.command, Command::ChangePassword(_)) {
            return keeping(Table::MailTokens, index, entry, tables);
        }
        if matches!(entry.command, Command::ConfirmEmail(_)) {
            let forgetful = |row: Account| Account {
                password_changed_at: None,
                ..row
            };
            return tampered(Table::Accounts, forgetful, index, entry, tables);
        }
        sound(index, entry, tables)
    }
    bites(
        "rc_4",
        broken,
        &[
            Act::Own(Own::AskAddress { who: 2, to: 2 }),
            Act::ChangePassword { pick: 0 },
            Act::Own(Own::ProveAddress { pick: 0 }),
        ],
    );
}
