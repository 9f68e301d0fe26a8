//! `export_audit`: audit rows as they are chained, the oldest first. Reads only.

use super::{Auth, ServiceError};
use crate::http::context::RequestContext;
use auth_api::audit_export::Line;
use auth_api::operator::{EXPORT_ROWS_MAX, ExportedAudit};
use auth_core::audit::AuditRow;
use auth_core::tables::schema::decode_row;
use auth_core::tables::{Table, TablesRead as _};

/// Key after every row's.
const END: [u8; 9] = [0xff; 9];

impl Auth {
    /// Rows from a log index on.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn export_audit(&self, ctx: &RequestContext, from_index: u64) -> Result<ExportedAudit, ServiceError> {
        let view = self.current_view(ctx).await?;
        let rows = view.range(Table::Audit, &from_index.to_be_bytes(), &END, EXPORT_ROWS_MAX)?;
        let is_full = rows.len() == EXPORT_ROWS_MAX;
        let mut lines = Vec::with_capacity(rows.len());
        let mut last = None;
        for (key, value) in rows {
            let index = <[u8; 8]>::try_from(key.as_slice()).map(u64::from_be_bytes);
            let index = index.map_err(|_| ServiceError::Fault("an audit row's key is no log index".into()))?;
            let row: AuditRow = decode_row(Table::Audit, &value)?;
            last = Some(index);
            lines.extend(line(index, &row));
        }
        let next = last.filter(|_| is_full).and_then(|index| index.checked_add(1));
        Ok(ExportedAudit { lines, next })
    }
}

/// Rows from before there was a chain are not in it.
fn line(index: u64, row: &AuditRow) -> Option<Line> {
    let chain = row.chain?;
    let [
        at,
        request_id,
        verb,
        outcome,
        account,
        client_address,
        actor,
        session,
        device,
        methods,
        reasons,
        shadow_reasons,
        facts,
    ] = row.chained_fields();
    Some(Line {
        index,
        number: chain.number,
        previous: hex(&chain.previous.0),
        link: hex(&chain.link.0),
        at,
        request_id,
        verb,
        outcome,
        account,
        client_address,
        actor,
        session,
        device,
        methods,
        reasons,
        shadow_reasons,
        facts,
    })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
