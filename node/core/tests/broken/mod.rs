//! For each check a machine that was broken on purpose, and a short run in which the check finds it.

use crate::check;
use crate::world::{Action, Ask, Guess, Machine, Step, prompt, sound};
use auth_core::account::Account;
use auth_core::apply::CLOCK_KEY;
use auth_core::challenge::Challenge;
use auth_core::command::Command;
use auth_core::entry::Entry;
use auth_core::error::Fault;
use auth_core::factor::Factor;
use auth_core::policy::throttle::Throttle;
use auth_core::query;
use auth_core::reply::Reply;
use auth_core::session::Session;
use auth_core::tables::memory::MemoryTables;
use auth_core::tables::schema::{decode_row, encode_row, put};
use auth_core::tables::{Table, Tables};
use auth_core::time::Timestamp;

/// The sound machine passes the run, the broken one fails the named check.
fn bites(check_name: &str, broken: Machine, actions: &[Action]) {
    let steps: Vec<Step> = actions.iter().copied().map(prompt).collect();
    assert_eq!(check(sound, &steps), Ok(()));
    let found = check(broken, &steps).expect_err("the broken machine passed");
    assert!(found.starts_with(check_name), "expected {check_name}, found {found}");
}

/// Applies the entry to rows of one table that were changed before.
fn tampered<T>(
    table: Table,
    tamper: impl Fn(&Entry, T) -> T,
    index: u64,
    entry: &Entry,
    tables: &mut MemoryTables,
) -> Result<Reply, Fault>
where
    T: for<'b> minicbor::Decode<'b, ()> + minicbor::Encode<()>,
{
    let repeated = query::reply(tables, entry.request_id)?.is_some();
    let rows: Vec<(Vec<u8>, Vec<u8>)> = tables
        .rows()
        .filter(|row| row.0 == table && !repeated)
        .map(|(_, key, row)| (key.to_vec(), row.to_vec()))
        .collect();
    for (key, row) in rows {
        let row = tamper(entry, decode_row(table, &row)?);
        tables.put(table, &key, encode_row(&row))?;
    }
    sound(index, entry, tables)
}

const LOG_IN: Action = Action::Ask(Ask::LogIn {
    name: 0,
    guess: Guess::Code(1),
});
const WRONG_PASSWORD: Action = Action::Ask(Ask::WrongPassword { name: 0 });
const WRONG_CODE: Action = Action::Ask(Ask::Verify {
    pick: 0,
    guess: Guess::Wrong,
});
const START: Action = Action::Ask(Ask::Start { name: 0 });
const REFRESH: Action = Action::Ask(Ask::Refresh { pick: 0, age: 0 });
const REPEAT: Action = Action::Repeat { pick: 0 };

#[test]
fn a_machine_without_memory_of_replies_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        tables.remove(Table::Replies, &entry.request_id.0)?;
        sound(index, entry, tables)
    }
    bites("once", broken, &[LOG_IN, REPEAT]);
    bites("once", broken, &[REFRESH, REPEAT]);
}

#[test]
fn a_machine_that_accepts_a_code_twice_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        tampered(
            Table::Factors,
            |_, row: Factor| Factor { last_step: None, ..row },
            index,
            entry,
            tables,
        )
    }
    bites("otp_3", broken, &[LOG_IN, LOG_IN]);
    bites(
        "otp_3",
        broken,
        &[
            START,
            LOG_IN,
            Action::Ask(Ask::Verify {
                pick: 0,
                guess: Guess::Code(0),
            }),
        ],
    );
}

#[test]
fn a_machine_that_forgets_failures_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        tampered(
            Table::Accounts,
            |_, row: Account| Account {
                throttle: Throttle::default(),
                ..row
            },
            index,
            entry,
            tables,
        )
    }
    bites("th_4", broken, &[WRONG_PASSWORD; 6]);
}

#[test]
fn a_machine_that_forgets_failures_of_unknown_names_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        // Of the same time, so that the tables agree.
        tampered(
            Table::UnknownNames,
            |_, row: Throttle| Throttle { failures: 0, ..row },
            index,
            entry,
            tables,
        )
    }
    bites("th_4", broken, &[Action::Ask(Ask::UnknownName { name: 0 }); 6]);
}

#[test]
fn a_machine_that_blocks_for_too_long_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        let harsher = |_: &Entry, row: Account| match row.throttle.failures {
            5 => Account {
                throttle: Throttle {
                    failures: 6,
                    ..row.throttle
                },
                ..row
            },
            _ => row,
        };
        tampered(Table::Accounts, harsher, index, entry, tables)
    }
    bites("th_2", broken, &[WRONG_PASSWORD; 6]);
}

#[test]
fn a_machine_that_never_disables_a_factor_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        let tamper = |_: &Entry, row: Factor| match row.throttle.failures {
            99 => Factor {
                throttle: Throttle {
                    failures: 98,
                    ..row.throttle
                },
                ..row
            },
            _ => row,
        };
        tampered(Table::Factors, tamper, index, entry, tables)
    }
    let guess = [
        Action::Wait { seconds: 3600 },
        Action::Ask(Ask::LogIn {
            name: 0,
            guess: Guess::Wrong,
        }),
    ];
    bites("th_1", broken, &guess.repeat(101));
}

#[test]
fn a_machine_that_takes_endless_answers_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        tampered(
            Table::Challenges,
            |_, row: Challenge| Challenge { answers_left: 5, ..row },
            index,
            entry,
            tables,
        )
    }
    let wait = Action::Wait { seconds: 30 };
    bites(
        "five_answers",
        broken,
        &[
            START, WRONG_CODE, WRONG_CODE, WRONG_CODE, WRONG_CODE, WRONG_CODE, wait, WRONG_CODE,
        ],
    );
}

#[test]
fn a_machine_that_keeps_an_answered_challenge_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        let challenge = if let Command::VerifyFactor(command) = &entry.command {
            query::challenge(tables, command.challenge)?
        } else {
            None
        };
        let reply = sound(index, entry, tables)?;
        if let (Some(challenge), Reply::SessionStarted(_)) = (challenge, &reply) {
            put(tables, Table::Challenges, &challenge.id.0, &challenge)?;
        }
        Ok(reply)
    }
    let right = |offset| {
        Action::Ask(Ask::Verify {
            pick: 0,
            guess: Guess::Code(offset),
        })
    };
    bites("one_session", broken, &[START, right(0), right(1)]);
}

#[test]
fn a_machine_that_honours_old_refresh_tokens_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        let shown = |entry: &Entry, row: Session| {
            let Command::RefreshSession(command) = &entry.command else {
                return row;
            };
            Session {
                generation: command.generation,
                ..row
            }
        };
        tampered(Table::Sessions, shown, index, entry, tables)
    }
    let old = Action::Ask(Ask::Refresh { pick: 0, age: 2 });
    bites("rt_2", broken, &[REFRESH, REFRESH, old]);
}

#[test]
fn a_machine_that_spares_the_session_of_a_copied_token_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        let before = if let Command::RefreshSession(command) = &entry.command {
            query::session(tables, command.session)?
        } else {
            None
        };
        let reply = sound(index, entry, tables)?;
        if let (Some(session), Reply::Denied(_)) = (before, &reply) {
            put(tables, Table::Sessions, &session.id.0, &session)?;
        }
        Ok(reply)
    }
    bites(
        "rt_1",
        broken,
        &[REFRESH, REFRESH, Action::Ask(Ask::Refresh { pick: 0, age: 2 })],
    );
}

#[test]
fn a_machine_that_refreshes_an_ended_session_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        tampered(
            Table::Sessions,
            |_, row: Session| Session {
                revoked_at: None,
                ..row
            },
            index,
            entry,
            tables,
        )
    }
    bites("se_2", broken, &[Action::Ask(Ask::End { pick: 0 }), REFRESH]);
}

#[test]
fn a_machine_that_gives_another_successor_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        // As if a repeat were a rotation: issued anew.
        tampered(
            Table::Sessions,
            |entry, row: Session| Session {
                rotated_at: entry.at,
                ..row
            },
            index,
            entry,
            tables,
        )
    }
    bites(
        "rt_2",
        broken,
        &[
            REFRESH,
            Action::Wait { seconds: 5 },
            Action::Ask(Ask::Refresh { pick: 0, age: 1 }),
        ],
    );
}

#[test]
fn a_machine_whose_clock_goes_back_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        tables.remove(Table::Meta, CLOCK_KEY)?;
        sound(index, entry, tables)
    }
    let behind = Step {
        node: 2,
        ..prompt(WRONG_PASSWORD)
    };
    let found = check(broken, &[prompt(WRONG_PASSWORD), behind]).expect_err("the broken machine passed");
    assert!(found.starts_with("clock"), "{found}");
}

#[test]
fn a_machine_that_gives_a_name_twice_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        tables.remove(Table::Usernames, b"user-0")?;
        sound(index, entry, tables)
    }
    let found = check(broken, &[prompt(Action::Ask(Ask::Register { name: 0, email: 5 }))])
        .expect_err("the broken machine passed");
    assert!(found.starts_with("unique"), "{found}");
}

#[test]
fn a_machine_that_charges_stale_evidence_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        let reply = sound(index, entry, tables)?;
        if let (Reply::Stale { .. }, Command::LogIn(command)) = (&reply, &entry.command) {
            let account = query::account(tables, command.account)?.ok_or(Fault::Invariant("account"))?;
            put(
                tables,
                Table::Accounts,
                &account.id.0,
                &Account {
                    throttle: account.throttle.charged(entry.at),
                    ..account
                },
            )?;
        }
        Ok(reply)
    }
    let unread = Step {
        node: 1,
        ..prompt(LOG_IN)
    };
    let steps = [unread, prompt(WRONG_PASSWORD), Step { reads: false, ..unread }];
    assert_eq!(check(sound, &steps), Ok(()));
    let found = check(broken, &steps).expect_err("the broken machine passed");
    assert!(found.starts_with("stale"), "{found}");
}

#[test]
fn a_machine_that_leaves_no_audit_row_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        let reply = sound(index, entry, tables)?;
        if matches!(entry.command, Command::EndSession(_)) {
            tables.remove(Table::Audit, &index.to_be_bytes())?;
        }
        Ok(reply)
    }
    bites("audit", broken, &[Action::Ask(Ask::End { pick: 0 })]);
}

#[test]
fn a_machine_that_takes_an_old_entry_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        // Its repeat is forgotten by then, and the time that would tell is hidden.
        let clock = query::log_clock(tables)?;
        let entry = Entry {
            at: entry.at.max(Timestamp(clock.0)),
            ..entry.clone()
        };
        sound(index, &entry, tables)
    }
    let late = [
        LOG_IN,
        Action::Wait { seconds: 600 },
        WRONG_PASSWORD,
        Action::Repeat { pick: 1 },
    ];
    bites("once", broken, &late);
}
