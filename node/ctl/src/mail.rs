//! `tfauth mail`: mail that nobody takes, and what to do with it.
//!
//! Shows no address and no code: a node tells neither.

use crate::cli::exit;
use crate::cluster::{Problem, Socket};
use auth_api::cluster::Said;
use auth_api::operator::{MAIL, MAILS_SHOWN_MAX, MailView, RELEASE_MAIL, ReleaseMail};
use clap::{Args, Subcommand};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Longest wait for an answer, in seconds.
const ANSWER_SECONDS_MAX: u64 = 30;

#[derive(Args)]
pub(crate) struct MailOptions {
    /// Data folder of a node of this machine that is running; any node of the cluster will do.
    #[arg(long, value_name = "DIR", global = true, default_value = "/var/lib/tfauth/data")]
    data: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Show how many mails wait, and those in quarantine: refused for good, or too often.
    #[command(
        after_help = "Example:\n  tfauth mail list --json | jq '.quarantined[] | .key, .reason'\n\nExit codes: 0 shown, 1 the node does not answer, 2 wrong usage."
    )]
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Take mail out of quarantine: it is tried again from the beginning, or with --forget dropped.
    #[command(
        after_help = "A code that has run out goes back to quarantine at once: people ask for another one.\n\nExamples:\n  tfauth mail release 4160\n  tfauth mail release --all\n\nExit codes: 0 done, 1 not done, 2 wrong usage, or there is no such mail in quarantine."
    )]
    Release {
        /// Number of the mail, see `tfauth mail list`.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        key: Option<u64>,
        /// Every mail that is in quarantine now.
        #[arg(long)]
        all: bool,
        /// Drop it instead.
        #[arg(long)]
        forget: bool,
    },
}

/// Asks, prints, and tells by the exit code.
pub(crate) async fn run(options: &MailOptions) -> ExitCode {
    let socket = Socket::new(&options.data, ANSWER_SECONDS_MAX);
    exit(carry_out(&socket, &options.verb).await)
}

async fn carry_out(socket: &Socket, verb: &Verb) -> Result<String, Problem> {
    match verb {
        Verb::List { json } => {
            let view: MailView = socket.get(MAIL).await?;
            if *json {
                return serde_json::to_string(&view).map_err(|error| Problem::Fault(error.to_string()));
            }
            Ok(render(&view))
        }
        Verb::Release { key, all: _, forget } => match key {
            Some(key) => release(socket, *key, !forget).await,
            None => release_all(socket, !forget).await,
        },
    }
}

async fn release(socket: &Socket, key: u64, retry: bool) -> Result<String, Problem> {
    let said: Said = socket.post(RELEASE_MAIL, &ReleaseMail { key, retry }).await?;
    Ok(said.message)
}

/// One look at the quarantine, so that mail which is refused anew is not released again and again.
async fn release_all(socket: &Socket, retry: bool) -> Result<String, Problem> {
    let view: MailView = socket.get(MAIL).await?;
    for mail in &view.quarantined {
        release(socket, mail.key, retry).await?;
    }
    let more = if view.quarantined.len() == MAILS_SHOWN_MAX {
        "; there may be more"
    } else {
        ""
    };
    Ok(format!("{} mails are out of quarantine{more}", view.quarantined.len()))
}

/// For people. Writing to a String cannot fail.
fn render(view: &MailView) -> String {
    let mut text = format!("{} waiting, {} in quarantine", view.waiting, view.quarantined.len());
    for mail in &view.quarantined {
        let reason = mail.reason.as_deref().unwrap_or("?");
        let _ = write!(
            text,
            "\n{:>10}  {}  {:<26} {} tries, {reason}",
            mail.key, mail.created_at, mail.kind, mail.attempts
        );
    }
    text
}
