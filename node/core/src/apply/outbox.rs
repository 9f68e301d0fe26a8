//! Puts mail where the leader finds it. At most one per entry: the log index is its key.

use super::decision::Moment;
use crate::error::Fault;
use crate::outbox::{Channel, Mail, MailTemplate};
use crate::tables::schema::put;
use crate::tables::{Table, Tables};

/// Has `template` sent to an address.
pub(super) fn send(
    moment: Moment<'_>,
    to: &str,
    template: MailTemplate,
    tables: &mut impl Tables,
) -> Result<(), Fault> {
    let mail = Mail {
        key: moment.index,
        to: to.to_owned(),
        template,
        created_at: moment.now,
        channel: Channel::Mail,
        language: None,
        account: None,
        attempts: 0,
        next_attempt_at: None,
        last_error: None,
    };
    put(tables, Table::Outbox, &mail.key.to_be_bytes(), &mail)
}
