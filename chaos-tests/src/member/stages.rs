//! Turns three lines of the store's log into words for the parent: a checkpoint begins, a checkpoint is written, a vote is
//! saved.

use std::io::{self, Write};
use tracing_subscriber::fmt::MakeWriter;

/// Where the log of a member goes.
#[derive(Clone, Copy, Debug)]
struct Stages;

/// Logs warnings to standard error, and checkpoints and votes to the parent.
pub(super) fn install() {
    let filter =
        tracing_subscriber::EnvFilter::new("warn,raft_store::state::checkpoint=debug,raft_store::log_store=debug");
    // A second subscriber in the same process is no fault of a member.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Stages)
        .try_init();
}

impl<'a> MakeWriter<'a> for Stages {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for Stages {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        if text.contains("checkpoint begins") {
            super::body::say("checkpoint begun");
        } else if text.contains("checkpoint written") {
            super::body::say("checkpoint done");
        } else if let Some(term) = voted(&text) {
            super::body::say(&format!("voted {term}"));
        } else {
            io::stderr().lock().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The term of a vote that is on disk.
fn voted(line: &str) -> Option<u64> {
    let (_, fields) = line.split_once("vote saved")?;
    let (_, term) = fields.split_once("term=")?;
    term.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::voted;

    #[test]
    fn the_term_of_a_saved_vote_is_read() {
        assert_eq!(voted("DEBUG raft_store::log_store: vote saved term=12\n"), Some(12));
        assert_eq!(voted("DEBUG raft_store::state: checkpoint begins seen=12\n"), None);
    }
}
