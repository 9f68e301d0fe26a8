//! The command line: what can be asked, and the exit codes.

use crate::admin::AdminOptions;
use crate::audit::AuditOptions;
use crate::cluster::{ClusterOptions, Problem};
use crate::keys::KeysOptions;
use crate::mail::MailOptions;
use clap::{Args, Parser, Subcommand};
use hyper::Uri;
use std::process::ExitCode;

/// A node is unreachable or not ready, or something is not done yet.
pub(crate) const EXIT_FAULT: u8 = 1;
/// The cluster must not do what was asked.
pub(crate) const EXIT_REFUSED: u8 = 2;

/// Operates a tfauth cluster.
#[derive(Parser)]
#[command(
    name = "tfauth",
    version,
    about,
    after_help = "Exit codes: 0 done and all is well, 1 something is not, 2 wrong usage, or refused as asked."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show role, term, progress and readiness of nodes.
    #[command(
        after_help = "Example:\n  tfauth status --ops http://127.0.0.1:7301 --ops http://127.0.0.1:7302\n\nExit codes: 0 when every node is ready, 1 when one is not or does not answer, 2 for wrong usage."
    )]
    Status(StatusOptions),
    /// Form the cluster, let nodes in, replace and remove them, upgrade.
    Cluster(ClusterOptions),
    /// Make the first administrator.
    Admin(AdminOptions),
    /// Take audit rows out of the cluster, and check such a file.
    Audit(AuditOptions),
    /// Show the keys of the cluster, and make the next signing key.
    Keys(KeysOptions),
    /// Show mail that nobody takes, and release it.
    Mail(MailOptions),
}

/// Prints what was done or why not, and tells by the exit code.
pub(crate) fn exit(done: Result<String, Problem>) -> ExitCode {
    match done {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("tfauth: {problem}");
            ExitCode::from(match problem {
                Problem::Refused(_) => EXIT_REFUSED,
                Problem::Fault(_) => EXIT_FAULT,
            })
        }
    }
}

#[derive(Args)]
pub(crate) struct StatusOptions {
    /// Operations listener of a node; repeat for more nodes.
    #[arg(long = "ops", required = true, value_name = "URL", value_parser = parse_ops_url)]
    pub(crate) ops: Vec<Uri>,
    /// Print JSON, one object with an array `nodes`.
    #[arg(long)]
    pub(crate) json: bool,
}

fn parse_ops_url(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
    if uri.scheme_str() != Some("http") || uri.authority().is_none() || !matches!(uri.path(), "" | "/") {
        return Err("an operations listener is given as http://ADDRESS:PORT".into());
    }
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn only_plain_http_origins_are_operations_listeners() {
        assert!(parse_ops_url("http://127.0.0.1:7301").is_ok());
        assert!(parse_ops_url("http://127.0.0.1:7301/").is_ok());
        for wrong in [
            "https://127.0.0.1:7301",
            "127.0.0.1:7301",
            "http://127.0.0.1:7301/status",
            "nonsense",
        ] {
            assert!(parse_ops_url(wrong).is_err(), "{wrong}");
        }
    }
}
