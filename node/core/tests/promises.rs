//! Random runs of everything that came after the first version: mailed codes, recovery codes, resets, step-up, devices,
//! binding, addresses, the policy, administration, idempotency. What must hold is checked after every entry, and for each check a machine that was broken
//! on purpose shows that it can fail.

#[cfg(test)]
mod ended;
#[cfg(test)]
mod run;

use auth_core::account::Account;
use auth_core::apply::apply;
use auth_core::audit::AuditRow;
use auth_core::command::Command;
use auth_core::device::Device;
use auth_core::entry::Entry;
use auth_core::error::Fault;
use auth_core::factor::{Factor, FactorState};
use auth_core::policy::throttle::Throttle;
use auth_core::reply::Reply;
use auth_core::session::Session;
use auth_core::tables::memory::MemoryTables;
use auth_core::tables::schema::{decode_row, encode_row};
use auth_core::tables::{Table, Tables, TablesRead};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use run::{Act, Machine, Own, Run, acts};
use std::collections::BTreeMap;

fn sound(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
    apply(index, entry, tables)
}

fn check(machine: Machine, acts: &[Act]) -> Result<(), String> {
    let mut run = Run::new(machine)?;
    for act in acts {
        run.step(*act)?;
    }
    run.replayed().map(|_| ())
}

proptest! {
    #[test]
    fn otp_11_rc_1_th_5_se_2_lg_2_hold_in_every_run(acts in acts(80)) {
        check(sound, &acts).map_err(TestCaseError::fail)?;
    }
}

/// What random runs must reach, or they would prove little.
const OUTCOMES: [&str; 17] = [
    "admin_needs_factor",
    "address_taken",
    "device_forgotten",
    "email_change_requested",
    "email_confirmed",
    "email_factor_enabled",
    "factor_removed",
    "factors_reset",
    "invalid_code",
    "password_reset",
    "policy_set",
    "recovery_codes_issued",
    "repeated",
    "step_up_required",
    "totp_confirmed",
    "totp_pending",
    "version_conflict",
];

#[test]
fn random_runs_reach_every_outcome() {
    let mut runner = TestRunner::deterministic();
    let mut reached = BTreeMap::<String, u32>::new();
    for _ in 0..200 {
        let mut run = Run::new(sound).unwrap();
        for act in acts(80).new_tree(&mut runner).unwrap().current() {
            run.step(act).unwrap();
        }
        for (_, row) in run
            .replayed()
            .unwrap()
            .range(Table::Audit, &[], &[0xff; 9], usize::MAX)
            .unwrap()
        {
            let row: AuditRow = decode_row(Table::Audit, &row).unwrap();
            *reached.entry(row.outcome).or_default() += 1;
        }
    }
    for outcome in OUTCOMES {
        let times = reached.get(outcome).copied().unwrap_or_default();
        assert!(times >= 5, "{outcome} came out {times} times only: {reached:?}");
    }
}

/// The sound machine passes the run, the broken one fails the named check.
fn bites(name: &str, broken: Machine, acts: &[Act]) {
    check(sound, acts).expect("the sound machine passes");
    let found = check(broken, acts).expect_err("the broken machine passed");
    assert!(found.starts_with(name), "expected {name}, found {found}");
}

/// Applies the entry and puts rows back that it removed or changed.
fn keeping(table: Table, index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
    let rows: Vec<_> = tables
        .rows()
        .filter(|row| row.0 == table)
        .map(|(_, key, row)| (key.to_vec(), row.to_vec()))
        .collect();
    let reply = sound(index, entry, tables)?;
    for (key, row) in rows {
        tables.put(table, &key, row)?;
    }
    Ok(reply)
}

/// Applies the entry to rows of one table that were changed before.
fn tampered<T>(
    table: Table,
    tamper: impl Fn(T) -> T,
    index: u64,
    entry: &Entry,
    tables: &mut MemoryTables,
) -> Result<Reply, Fault>
where
    T: for<'b> minicbor::Decode<'b, ()> + minicbor::Encode<()>,
{
    for (key, row) in tables.range(table, &[], &[0xff; 64], usize::MAX)? {
        let row = tamper(decode_row(table, &row)?);
        tables.put(table, &key, encode_row(&row))?;
    }
    sound(index, entry, tables)
}

const MAILED: Act = Act::SignIn {
    who: 1,
    device: false,
    always: true,
};
const RIGHT_MAIL: Act = Act::AnswerMail { pick: 0, right: true };
const RECOVER: [Act; 2] = [
    Act::SignIn {
        who: 0,
        device: false,
        always: false,
    },
    Act::AnswerRecovery { pick: 0, code: 3 },
];

#[test]
fn a_machine_that_takes_a_mailed_code_twice_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        keeping(Table::Challenges, index, entry, tables)
    }
    bites("once", broken, &[MAILED, RIGHT_MAIL, RIGHT_MAIL]);
}

#[test]
fn a_machine_that_takes_a_recovery_code_twice_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        keeping(Table::RecoveryCodes, index, entry, tables)
    }
    bites("once", broken, &[RECOVER, RECOVER].concat());
}

#[test]
fn a_machine_that_takes_a_reset_token_twice_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        let forgetful = |row: auth_core::account::Account| auth_core::account::Account {
            password_changed_at: None,
            ..row
        };
        let tokens: Vec<_> = tables.range(Table::MailTokens, &[], &[0xff; 64], usize::MAX)?;
        let reply = tampered(Table::Accounts, forgetful, index, entry, tables)?;
        for (key, row) in tokens {
            tables.put(Table::MailTokens, &key, row)?;
        }
        Ok(reply)
    }
    let reset = Act::Reset { pick: 0 };
    bites("once", broken, &[Act::RequestReset { who: 1 }, reset, reset]);
}

#[test]
fn a_machine_that_steps_up_with_a_spent_code_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        let forgetful = |row: auth_core::factor::Factor| auth_core::factor::Factor { last_step: None, ..row };
        tampered(Table::Factors, forgetful, index, entry, tables)
    }
    bites("once", broken, &[Act::StepUp { offset: 1 }, Act::StepUp { offset: 1 }]);
}

#[test]
fn a_machine_that_leaves_sessions_of_a_disabled_account_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        if matches!(entry.command, Command::AdministerAccount(_)) {
            return keeping(Table::Sessions, index, entry, tables);
        }
        sound(index, entry, tables)
    }
    bites("se_2", broken, &[Act::Disable { who: 2 }]);
}

#[test]
fn a_machine_that_forgets_failures_on_a_device_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        let lenient = |row: Device| Device {
            throttle: Throttle::default(),
            ..row
        };
        tampered(Table::Devices, lenient, index, entry, tables)
    }
    let wrong = Act::WrongPassword { who: 2, device: true };
    bites("th_5", broken, &[wrong, wrong]);
}

#[test]
fn a_machine_that_breaks_the_chain_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        tables.remove(Table::Meta, b"audit_head")?;
        sound(index, entry, tables)
    }
    let found = check(broken, &[]).expect_err("the broken machine passed");
    assert!(found.starts_with("lg_2"), "{found}");
}

#[test]
fn a_machine_that_forgets_answers_to_keys_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        for (key, _) in tables.range(Table::Idempotency, &[], &[0xff; 64], usize::MAX)? {
            tables.remove(Table::Idempotency, &key)?;
        }
        sound(index, entry, tables)
    }
    let run = [
        Act::Refresh { pick: 0 },
        Act::Wait { seconds: 31 },
        Act::SameKey { pick: 0 },
    ];
    bites("idempotency", broken, &run);
}

#[test]
fn a_machine_that_binds_an_app_without_its_code_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        let trusting = |row: Factor| Factor {
            state: FactorState::Confirmed { at: entry.at },
            ..row
        };
        tampered(Table::Factors, trusting, index, entry, tables)
    }
    let wrong = Act::WrongPassword { who: 1, device: false };
    bites("otp_8", broken, &[Act::Own(Own::AddTotp), wrong]);
}

#[test]
fn a_machine_that_takes_the_word_of_an_old_session_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        let fresh = |row: Session| Session {
            auth_time: entry.at,
            ..row
        };
        tampered(Table::Sessions, fresh, index, entry, tables)
    }
    bites(
        "se_5",
        broken,
        &[Act::Wait { seconds: 3_601 }, Act::Own(Own::RecoveryCodes)],
    );
}

#[test]
fn a_machine_that_takes_an_address_before_it_is_proven_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        let reply = sound(index, entry, tables)?;
        if let Command::RequestEmailChange(command) = &entry.command {
            for (key, row) in tables.range(Table::Accounts, &[], &[0xff; 64], 1)? {
                let row: Account = decode_row(Table::Accounts, &row)?;
                tables.remove(Table::Emails, row.email_key.as_bytes())?;
                tables.put(Table::Emails, command.email_key.as_bytes(), encode_row(&row.id))?;
                let email_key = command.email_key.clone();
                tables.put(Table::Accounts, &key, encode_row(&Account { email_key, ..row }))?;
            }
        }
        Ok(reply)
    }
    bites("rc_4", broken, &[Act::Own(Own::AskAddress { who: 0, to: 2 })]);
}

#[test]
fn a_machine_that_overwrites_a_newer_policy_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        let reply = sound(index, entry, tables)?;
        if let Command::SetPolicy(command) = &entry.command {
            tables.put(Table::Meta, b"policy", encode_row(&command.policy))?;
        }
        Ok(reply)
    }
    bites("policy", broken, &[Act::Own(Own::SetPolicy { kind: 1 })]);
}

#[test]
fn a_machine_that_leaves_an_administrator_without_an_app_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        let reply = sound(index, entry, tables)?;
        if let Command::RemoveTotp(command) = &entry.command {
            for (key, row) in tables.range(Table::Factors, &[], &[0xff; 64], usize::MAX)? {
                if decode_row::<Factor>(Table::Factors, &row)?.id == command.factor {
                    tables.remove(Table::Factors, &key)?;
                }
            }
        }
        Ok(reply)
    }
    bites("otp_12", broken, &[Act::Own(Own::RemoveTotp { pick: 0 })]);
}

#[test]
fn a_machine_that_brings_old_device_tokens_back_is_found() {
    fn broken(index: u64, entry: &Entry, tables: &mut MemoryTables) -> Result<Reply, Fault> {
        let old = |row: Device| Device {
            generation: row.generation.saturating_sub(1),
            ..row
        };
        tampered(Table::Devices, old, index, entry, tables)
    }
    bites("device", broken, &[Act::WrongPassword { who: 1, device: false }]);
}
