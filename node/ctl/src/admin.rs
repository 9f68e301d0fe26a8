//! `tfauth admin`: what only the operator of a machine of the cluster may do to accounts.

use crate::cli::exit;
use crate::cluster::{Problem, Socket};
use auth_api::cluster::Said;
use auth_api::operator::{BOOTSTRAP_ADMIN, BootstrapAdmin};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Longest wait for the answer, in seconds.
const ANSWER_SECONDS_MAX: u64 = 30;

#[derive(Args)]
pub(crate) struct AdminOptions {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Make an account the first administrator. Refused when there is one: administrators make others.
    #[command(
        after_help = "The account must exist; sign up first, and add a second factor, without which nobody may administer.\n\nExample:\n  tfauth admin bootstrap alice --data /var/lib/tfauth/data\n\nExit codes: 0 done, 1 not done, 2 wrong usage, or refused as asked."
    )]
    Bootstrap {
        /// User name of the account.
        username: String,
        /// Data folder of a node of this machine that is running; any node of the cluster will do.
        #[arg(long, value_name = "DIR", default_value = "/var/lib/tfauth/data")]
        data: PathBuf,
    },
}

/// Asks, prints, and tells by the exit code.
pub(crate) async fn run(options: &AdminOptions) -> ExitCode {
    let Verb::Bootstrap { username, data } = &options.verb;
    let wish = BootstrapAdmin {
        username: username.clone(),
    };
    let said: Result<Said, Problem> = Socket::new(data, ANSWER_SECONDS_MAX).post(BOOTSTRAP_ADMIN, &wish).await;
    exit(said.map(|said| said.message))
}
