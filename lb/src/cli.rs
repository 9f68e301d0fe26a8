//! The command line and the exit codes: 0 for an orderly stop, 2 for a refusal before serving, 1 for a fault while serving.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;
use crate::serve::serve;
use crate::tls;

const EXIT_FAULT: u8 = 1;
const EXIT_REFUSED: u8 = 2;

/// Load balancer of tfauth: takes TLS from clients and sends each request to the least loaded ready node.
#[derive(Parser)]
#[command(
    name = "tfauth-lb",
    version,
    after_help = "Example:\n  tfauth-lb serve --config /etc/tfauth/lb.toml"
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM, which drains, or SIGINT, which does not. SIGHUP reads the front's certificate again.
    #[command(after_help = "Example:\n  tfauth-lb serve --config /etc/tfauth/lb.toml")]
    Serve {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Check a configuration and every file that it names, without serving.
    #[command(
        after_help = "Example:\n  tfauth-lb check-config --config /etc/tfauth/lb.toml && systemctl reload tfauth-lb"
    )]
    CheckConfig {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Runs the program.
pub fn run() -> ExitCode {
    match CommandLine::parse().command {
        Command::Serve { config } => match serve(&config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("tfauth-lb: {error}");
                ExitCode::from(if error.is_before_serving() {
                    EXIT_REFUSED
                } else {
                    EXIT_FAULT
                })
            }
        },
        Command::CheckConfig { config } => {
            tls::install_provider();
            match Config::load(&config) {
                Ok(checked) => {
                    println!(
                        "{}: fine, {} with {} nodes",
                        config.display(),
                        checked.name,
                        checked.nodes.len()
                    );
                    ExitCode::SUCCESS
                }
                Err(error) => {
                    eprintln!("tfauth-lb: {error}");
                    ExitCode::from(EXIT_REFUSED)
                }
            }
        }
    }
}
