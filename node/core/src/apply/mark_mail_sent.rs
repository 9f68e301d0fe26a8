//! A mail was handed over: it leaves the outbox, and for a while that is remembered for whoever waits for it. Sent twice,
//! marked twice: no error.

use super::decision::{Decision, Moment};
use super::expiry::{self, Kind};
use super::outbox;
use crate::command::MarkMailSent;
use crate::error::Fault;
use crate::limits::MAIL_OUTCOME_SECONDS;
use crate::outbox::Mail;
use crate::reply::Reply;
use crate::tables::schema::{get, put};
use crate::tables::{Table, Tables};

pub(super) fn apply(moment: Moment<'_>, command: &MarkMailSent, tables: &mut impl Tables) -> Result<Decision, Fault> {
    let key = command.key.to_be_bytes();
    if let Some(mail) = get::<Mail>(tables, Table::Outbox, &key)? {
        outbox::take(&mail, tables)?;
        put(tables, Table::SentMail, &key, &moment.now)?;
        let due = moment.now.plus_seconds(MAIL_OUTCOME_SECONDS);
        expiry::schedule(due, Kind::SentMail, &expiry::mail_id(command.key), tables)?;
    }
    Ok(Decision::new(Reply::MailMarkedSent {}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::testing::Bench;
    use crate::command::{Command, DropSigningKeys};
    use crate::outbox::MailState;
    use crate::query;

    #[test]
    fn a_sent_mail_leaves_the_outbox_and_the_others_stay() {
        let mut bench = Bench::new();
        bench.bound_account("ana");
        bench.bound_account("ben");
        let mail = query::outbox(&bench.tables, 9).unwrap();
        assert_eq!(mail.len(), 2);
        for _ in 0..2 {
            let sent = MarkMailSent { key: mail[0].key };
            assert_eq!(bench.run(Command::MarkMailSent(sent)), Reply::MailMarkedSent {});
            assert_eq!(query::outbox(&bench.tables, 9).unwrap(), mail[1..]);
            let state = query::mail_state(&bench.tables, mail[0].key).unwrap();
            assert_eq!(state, MailState::Sent);
        }
        bench.wait(MAIL_OUTCOME_SECONDS);
        bench.run(Command::DropSigningKeys(DropSigningKeys {}));
        let state = query::mail_state(&bench.tables, mail[0].key).unwrap();
        assert_eq!(state, MailState::Unknown, "remembered for a while only");
    }
}
