//! Puts mail where the leader finds it. At most one per entry: the log index is its key.

use super::decision::Moment;
use crate::error::Fault;
use crate::outbox::{Mail, MailTemplate};
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
    };
    put(tables, Table::Outbox, &mail.key.to_be_bytes(), &mail)
}
