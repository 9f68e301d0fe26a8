//! A mail was handed over: it leaves the outbox. Sent twice, marked twice: no error.

use super::decision::Decision;
use crate::command::MarkMailSent;
use crate::error::Fault;
use crate::reply::Reply;
use crate::tables::{Table, Tables};

pub(super) fn apply(command: &MarkMailSent, tables: &mut impl Tables) -> Result<Decision, Fault> {
    tables.remove(Table::Outbox, &command.key.to_be_bytes())?;
    Ok(Decision::new(Reply::MailMarkedSent {}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::testing::Bench;
    use crate::command::Command;
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
        }
    }
}
