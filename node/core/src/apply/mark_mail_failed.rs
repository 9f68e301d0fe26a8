//! A mail could not be handed over: it waits for its next try, or goes to quarantine, where an operator finds it.

use super::decision::{Decision, Moment};
use super::expiry::{self, Kind};
use super::outbox;
use crate::command::MarkMailFailed;
use crate::error::Fault;
use crate::limits::{MAIL_ATTEMPTS_MAX, MAIL_REASON_BYTES_MAX, MAIL_RETRY_SECONDS_MAX, QUARANTINE_SECONDS};
use crate::outbox::Mail;
use crate::reply::{Denial, Reply};
use crate::tables::schema::{get, put};
use crate::tables::{Table, Tables};

pub(super) fn apply(moment: Moment<'_>, command: &MarkMailFailed, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let key = command.key.to_be_bytes();
    let Some(mut mail) = get::<Mail>(tables, Table::Outbox, &key)? else {
        return Ok(match get::<Mail>(tables, Table::Quarantine, &key)? {
            Some(mail) => postponed(mail.attempts, true),
            None => Decision::denied(Denial::NotFound {}),
        });
    };
    // Two leaders may have tried: the same try counts once.
    if mail.attempts != command.attempt {
        return Ok(postponed(mail.attempts, false));
    }
    outbox::take(&mail, tables)?;
    mail.attempts = mail.attempts.saturating_add(1);
    mail.last_error = Some(cut(&command.reason));
    let quarantined = command.permanent || mail.attempts >= MAIL_ATTEMPTS_MAX;
    if quarantined {
        let due = moment.now.plus_seconds(QUARANTINE_SECONDS);
        mail.next_attempt_at = Some(due);
        put(tables, Table::Quarantine, &key, &mail)?;
        expiry::schedule(due, Kind::Quarantined, &expiry::mail_id(mail.key), tables)?;
    } else {
        let pause = command.retry_in_seconds.min(MAIL_RETRY_SECONDS_MAX);
        mail.next_attempt_at = Some(moment.now.plus_seconds(pause));
        outbox::keep(&mail, tables)?;
    }
    let decision = postponed(mail.attempts, quarantined);
    Ok(match mail.account {
        Some(account) => decision.about(account),
        None => decision,
    })
}

fn postponed(attempts: u32, quarantined: bool) -> Decision {
    let decision = Decision::new(Reply::MailPostponed { attempts, quarantined });
    if quarantined {
        decision.known_as("mail_quarantined")
    } else {
        decision
    }
}

fn cut(reason: &str) -> String {
    let mut end = reason.len().min(MAIL_REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::testing::{Bench, mac, token};
    use crate::command::{Command, DropSigningKeys, MarkMailSent, NewCode, ReleaseMail};
    use crate::outbox::{Channel, MAILS_PER_ENTRY_MAX, MailState};
    use crate::query::{self, Shelf};
    use crate::secret::Sealed;

    fn fail(bench: &mut Bench, key: u64, attempt: u32, permanent: bool) -> Reply {
        bench.run(Command::MarkMailFailed(MarkMailFailed {
            key,
            attempt,
            permanent,
            retry_in_seconds: 60,
            reason: "the mail server answered 451".into(),
        }))
    }

    /// Key of the mail of a new account.
    fn new_mail(bench: &mut Bench, number: u64) -> u64 {
        let mut command = bench.new_account(&format!("user{number}"), &format!("user{number}@example.org"));
        command.confirmation = Some(token(number));
        bench.run(Command::RegisterAccount(command));
        bench.index * MAILS_PER_ENTRY_MAX
    }

    fn one_mail(bench: &mut Bench) -> u64 {
        bench.bound_account("ana");
        query::outbox(&bench.tables, 9).unwrap()[0].key
    }

    #[test]
    fn a_try_counts_once_and_the_next_one_waits() {
        let mut bench = Bench::new();
        let key = one_mail(&mut bench);
        for _ in 0..2 {
            let reply = fail(&mut bench, key, 0, false);
            assert_eq!(
                reply,
                Reply::MailPostponed {
                    attempts: 1,
                    quarantined: false
                }
            );
        }
        let mail = &query::outbox(&bench.tables, 9).unwrap()[0];
        assert_eq!(mail.next_attempt_at, Some(bench.now.plus_seconds(60)));
        assert_eq!(mail.last_error.as_deref(), Some("the mail server answered 451"));
        assert_eq!(
            query::mail_state(&bench.tables, key).unwrap(),
            MailState::Waiting { attempts: 1 }
        );
    }

    #[test]
    fn what_is_refused_for_good_or_too_often_goes_to_quarantine() {
        let mut bench = Bench::new();
        let key = one_mail(&mut bench);
        for attempt in 0..MAIL_ATTEMPTS_MAX {
            let last = attempt + 1 == MAIL_ATTEMPTS_MAX;
            let reply = fail(&mut bench, key, attempt, false);
            assert_eq!(
                reply,
                Reply::MailPostponed {
                    attempts: attempt + 1,
                    quarantined: last
                }
            );
        }
        assert_eq!(query::outbox(&bench.tables, 9).unwrap(), []);
        assert_eq!(query::mail_state(&bench.tables, key).unwrap(), MailState::Quarantined);
        let again = fail(&mut bench, key, 0, true);
        assert!(
            matches!(again, Reply::MailPostponed { quarantined: true, .. }),
            "{again:?}"
        );
        bench.bound_account("ben");
        let other = query::outbox(&bench.tables, 9).unwrap()[0].key;
        let reply = fail(&mut bench, other, 0, true);
        assert!(
            matches!(reply, Reply::MailPostponed { quarantined: true, .. }),
            "{reply:?}"
        );
        assert_eq!(query::quarantine(&bench.tables, 9).unwrap().len(), 2);
        assert_eq!(fail(&mut bench, 999, 0, true), Reply::Denied(Denial::NotFound {}));
    }

    #[test]
    fn an_operator_releases_what_is_in_quarantine_and_the_rest_is_forgotten_in_the_end() {
        let mut bench = Bench::new();
        let key = one_mail(&mut bench);
        fail(&mut bench, key, 0, true);
        let release = |retry| Command::ReleaseMail(ReleaseMail { key, retry });
        assert_eq!(bench.run(release(true)), Reply::Done {});
        assert_eq!(bench.run(release(true)), Reply::Denied(Denial::NotFound {}));
        let mail = &query::outbox(&bench.tables, 9).unwrap()[0];
        assert_eq!((mail.attempts, mail.next_attempt_at), (0, None));
        // What was scheduled for its first stay does not end the second one early.
        bench.wait(QUARANTINE_SECONDS - 10);
        fail(&mut bench, key, 0, true);
        bench.wait(20);
        bench.run(Command::DropSigningKeys(DropSigningKeys {}));
        assert_eq!(query::mail_state(&bench.tables, key).unwrap(), MailState::Quarantined);
        assert_eq!(bench.run(release(false)), Reply::Done {});
        assert_eq!(query::mail_state(&bench.tables, key).unwrap(), MailState::Unknown);
        bench.bound_account("ben");
        let other = query::outbox(&bench.tables, 9).unwrap()[0].key;
        fail(&mut bench, other, 0, true);
        bench.wait(QUARANTINE_SECONDS);
        bench.run(Command::MarkMailSent(MarkMailSent { key: 1 }));
        assert_eq!(query::mail_state(&bench.tables, other).unwrap(), MailState::Unknown);
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        assert_eq!(cut(&"\u{e9}".repeat(200)).len(), MAIL_REASON_BYTES_MAX);
        assert_eq!(
            cut(&format!("a{}", "\u{e9}".repeat(200))).len(),
            MAIL_REASON_BYTES_MAX - 1
        );
    }

    #[test]
    fn however_much_is_postponed_what_is_due_is_found_first_and_leaves_no_trace() {
        let mut bench = Bench::new();
        let due = |bench: &Bench| -> Vec<u64> {
            let mails = query::due_mail(&bench.tables, Channel::Mail, bench.now, 3).unwrap();
            mails.into_iter().map(|mail| mail.key).collect()
        };
        let mut postponed = Vec::new();
        for number in 0..2_000 {
            let key = new_mail(&mut bench, number);
            assert_eq!(due(&bench), [key], "behind {number} that wait");
            fail(&mut bench, key, 0, false);
            assert_eq!(due(&bench), [0_u64; 0]);
            postponed.push(key);
        }
        // Their time comes, in the order in which it comes.
        bench.wait(60);
        assert_eq!(due(&bench), postponed[..3]);
        let new = new_mail(&mut bench, 2_000);
        let all = query::due_mail(&bench.tables, Channel::Mail, bench.now, 9_999).unwrap();
        assert_eq!((all.len(), counted(&bench)), (2_001, 2_001));
        for key in postponed.into_iter().chain([new]) {
            bench.run(Command::MarkMailSent(MarkMailSent { key }));
        }
        let left = bench.tables.rows().filter(|row| row.0 == Table::OutboxByDue).count();
        assert_eq!((left, due(&bench).len(), counted(&bench)), (0, 0, 0));
    }

    /// All mail that waits, counted in steps that do not divide it.
    fn counted(bench: &Bench) -> usize {
        let (mut sum, mut from) = (0, Some(Vec::new()));
        while let Some(place) = from {
            let (counted, next) = query::count_mail(&bench.tables, Shelf::Waiting, &place, 100).unwrap();
            (sum, from) = (sum + counted, next);
        }
        sum
    }

    #[test]
    fn what_goes_one_way_is_found_however_much_waits_for_the_other() {
        let mut bench = Bench::new();
        let account = bench.mailed_account("ana");
        for number in 0..50 {
            new_mail(&mut bench, number);
        }
        let reply = bench.sign_in_with(account, |command| {
            command.always = true;
            command.code = Some(NewCode {
                mac: mac(1),
                sealed: Sealed(vec![3]),
                channel: Channel::Gateway,
            });
        });
        assert!(matches!(reply, Reply::SecondFactorRequired { .. }), "{reply:?}");
        let due = |channel| query::due_mail(&bench.tables, channel, bench.now, 3).unwrap();
        let (mails, codes) = (due(Channel::Mail), due(Channel::Gateway));
        assert!(mails.iter().all(|mail| mail.channel == Channel::Mail) && mails.len() == 3);
        assert_eq!(
            codes.iter().map(|mail| mail.channel).collect::<Vec<_>>(),
            [Channel::Gateway]
        );
        assert_eq!(counted(&bench), 51);
    }
}
