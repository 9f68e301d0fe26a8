//! `tfauth`, the operator's command line. It asks nodes over their operations listeners, and changes the cluster over
//! the socket in a node's data folder.

mod admin;
mod audit;
mod cli;
mod cluster;
mod fetch;
mod keys;
mod mail;
mod status;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("tfauth: the runtime did not start: {error}");
            return ExitCode::from(cli::EXIT_FAULT);
        }
    };
    match cli.command {
        cli::Command::Status(options) => runtime.block_on(status::run(&options)),
        cli::Command::Admin(options) => runtime.block_on(admin::run(&options)),
        cli::Command::Audit(options) => runtime.block_on(audit::run(&options)),
        cli::Command::Keys(options) => runtime.block_on(keys::run(&options)),
        cli::Command::Mail(options) => runtime.block_on(mail::run(&options)),
        cli::Command::Cluster(options) => runtime.block_on(cluster::run(&options)),
    }
}
