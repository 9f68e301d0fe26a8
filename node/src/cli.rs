//! The command line, and what becomes of it as an exit code: 0 an orderly end, 1 a fault while running, 2 refused before
//! anything was served, 3 the data folder must not be used.

mod breach_filter;

use crate::config::Config;
use crate::data_folder::{QUARANTINE, VerifyArgs, run_verify};
use crate::startup::{self, Ended};
use breach_filter::BreachFilterCommand;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const FAULT: u8 = 1;
const REFUSED: u8 = 2;
/// What may still run in the background when the end is decided.
const BACKGROUND_MAX: Duration = Duration::from_millis(500);

/// One node of tfauth, a replicated two-factor authentication service.
#[derive(Parser)]
#[command(
    name = "tfauth-node",
    version,
    after_help = "Exit codes: 0 orderly stop, 1 fault while running, 2 refused before anything was served,\n\
                  3 the data folder is damaged and must not be used.\n\n\
                  Example:\n  tfauth-node serve --config /etc/tfauth/node-1.toml"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT.
    #[command(after_help = "Example:\n  tfauth-node serve --config /etc/tfauth/node-1.toml")]
    Serve(ConfigFile),
    /// Read the configuration and every file it names, tell what is wrong, and serve nothing.
    #[command(
        after_help = "Example:\n  tfauth-node check-config --config /etc/tfauth/node-1.toml && systemctl restart tfauth-node"
    )]
    CheckConfig(ConfigFile),
    /// Work on the filter of breached passwords.
    #[command(
        subcommand,
        after_help = "Example:\n  tfauth-node breach-filter build --in pwned-passwords-sha1-ordered-by-hash.txt --out /etc/tfauth/breached.filter"
    )]
    BreachFilter(BreachFilterCommand),
    /// Read every byte of a data folder that no node is using, and tell whether it may be used: OK, or QUARANTINE and why.
    #[command(
        after_help = "Exit codes: 0 OK, 2 refused (in use, no such folder, disk full or read-only), 3 QUARANTINE.\n\n\
                      Example:\n  tfauth-node verify --data /var/lib/tfauth"
    )]
    Verify(VerifyArgs),
}

#[derive(Args)]
struct ConfigFile {
    /// Configuration in TOML.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs the program. `fsync` is the outcome of what had to happen before any thread existed.
#[must_use]
pub fn run(fsync: Result<(), raft_store::FsyncFilterError>) -> ExitCode {
    run_with(std::env::args_os(), fsync)
}

fn run_with(args: impl IntoIterator<Item = OsString>, fsync: Result<(), raft_store::FsyncFilterError>) -> ExitCode {
    crate::tls::install_provider();
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are errors to clap; printing can only fail when nobody listens.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(REFUSED)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match cli.command {
        Command::BreachFilter(BreachFilterCommand::Build(files)) => breach_filter::build(&files),
        Command::CheckConfig(file) => match Config::load(&file.config) {
            Ok(config) => {
                let id = config.node_id.map_or("that joins".to_owned(), |id| id.to_string());
                println!("{}: good for node {id} ({})", file.config.display(), config.name);
                ExitCode::SUCCESS
            }
            Err(error) => refuse(&error.to_string()),
        },
        Command::Verify(args) => match fsync {
            Ok(()) => run_verify(&args),
            Err(error) => refuse(&error.to_string()),
        },
        Command::Serve(file) => match (Config::load(&file.config), fsync) {
            (Ok(config), Ok(())) => serve(config),
            (Err(error), _) => refuse(&error.to_string()),
            (_, Err(error)) => refuse(&error.to_string()),
        },
    }
}

fn serve(config: Config) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("the system gives no threads: {error}")),
    };
    let ended = runtime.block_on(startup::run(config));
    runtime.shutdown_timeout(BACKGROUND_MAX);
    match ended {
        Ended::Orderly => ExitCode::SUCCESS,
        Ended::Refused(message) => refuse(&message),
        Ended::Quarantined(message) => {
            eprintln!("tfauth-node: {message}");
            ExitCode::from(QUARANTINE)
        }
        // The log has told it already, at the time.
        Ended::Fault => ExitCode::from(FAULT),
    }
}

fn refuse(message: &str) -> ExitCode {
    eprintln!("tfauth-node: {message}");
    ExitCode::from(REFUSED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent_and_every_command_has_an_example() {
        let command = Cli::command();
        command.clone().debug_assert();
        for sub in command.get_subcommands() {
            let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example:"), "{}", sub.get_name());
        }
    }
}
