//! Pages of rows from the socket into a file.

use crate::cluster::{Problem, Socket};
use auth_api::operator::{AUDIT_EXPORT, ExportAudit, ExportedAudit};
use std::fs::OpenOptions;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Longest wait for one page, in seconds.
pub(super) const ANSWER_SECONDS_MAX: u64 = 30;

pub(super) async fn run(socket: &Socket, out: &Path, from: u64) -> Result<String, Problem> {
    let fault = |error: std::io::Error| Problem::Fault(format!("{}: {error}", out.display()));
    // Rows name accounts and addresses: for this user alone.
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(out)
        .map_err(fault)?;
    let mut file = BufWriter::new(file);
    let (mut rows, mut head, mut next) = (0_u64, String::new(), Some(from));
    while let Some(from_index) = next {
        let page: ExportedAudit = socket.post(AUDIT_EXPORT, &ExportAudit { from_index }).await?;
        for line in &page.lines {
            let text = serde_json::to_string(line).map_err(|error| Problem::Fault(error.to_string()))?;
            writeln!(file, "{text}").map_err(fault)?;
            head.clone_from(&line.link);
            rows += 1;
        }
        next = page.next;
    }
    let file = file.into_inner().map_err(|error| fault(error.into_error()))?;
    file.sync_all().map_err(fault)?;
    Ok(format!("{rows} rows written to {}; head {head}", out.display()))
}
