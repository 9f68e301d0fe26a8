//! `tfauth audit`: takes audit rows out of the cluster, and checks such a file without the cluster.

mod export;
mod verify;

use crate::cli::exit;
use crate::cluster::Socket;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct AuditOptions {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Write audit rows to a file, one JSON object in each line, the oldest first.
    #[command(
        after_help = "Example:\n  tfauth audit export --out audit.jsonl --data /var/lib/tfauth/data\n\nExit codes: 0 written, 1 not done, 2 wrong usage, or refused as asked."
    )]
    Export {
        /// Data folder of a node of this machine that is running; any node of the cluster will do.
        #[arg(long, value_name = "DIR", default_value = "/var/lib/tfauth/data")]
        data: PathBuf,
        /// File to write; it must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Place in the log of the first row that is wanted.
        #[arg(long, value_name = "INDEX", default_value_t = 0)]
        from: u64,
    },
    /// Check a file of exported rows: whether any was changed, taken out or put in.
    #[command(
        after_help = "Needs no cluster. A row that was cut off at the end can only be noticed with --head: the link that the cluster, or an earlier export, told.\n\nExample:\n  tfauth audit verify audit.jsonl\n\nExit codes: 0 the chain holds, 1 it does not, or the file cannot be read, 2 wrong usage, or the file has no row to check."
    )]
    Verify {
        /// The file.
        file: PathBuf,
        /// Link that the last row must have.
        #[arg(long, value_name = "HEX")]
        head: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Does it, and tells by the exit code.
pub(crate) async fn run(options: &AuditOptions) -> ExitCode {
    let done = match &options.verb {
        Verb::Export { data, out, from } => {
            let socket = Socket::new(data, export::ANSWER_SECONDS_MAX);
            export::run(&socket, out, *from).await
        }
        Verb::Verify { file, head, json } => verify::run(file, head.as_deref(), *json),
    };
    exit(done)
}
