//! The command line and the exit codes: 0 for what was done, 2 for a refusal, 1 for a fault.

mod check;
mod orders;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::serve::serve;
use orders::Order;

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
    /// Serve until SIGTERM, which drains, or SIGINT, which does not.
    ///
    /// The configuration and the files that it names are read again on SIGHUP and when they change; when anything is
    /// wrong with them, what runs is kept.
    #[command(after_help = "Example:\n  tfauth-lb serve --config /etc/tfauth/lb.toml")]
    Serve {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Check a configuration and every file that it names, without serving.
    #[command(
        after_help = "Example:\n  tfauth-lb check-config --config /etc/tfauth/lb.toml && systemctl reload tfauth-lb\n\n\
                      Exit codes: 0 fine (warnings are printed), 2 wrong."
    )]
    CheckConfig {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show what the running load balancer sees.
    #[command(after_help = "Example:\n  tfauth-lb status --socket /run/tfauth-lb/admin.sock")]
    Status {
        #[command(flatten)]
        target: Target,
    },
    /// Send a node nothing new; what it is working on goes on. Ends with `undrain`, or when the load balancer restarts.
    #[command(
        after_help = "Example:\n  tfauth-lb drain node-2 --socket /run/tfauth-lb/admin.sock\n\n\
                      Exit codes: 0 done, 2 refused (no such node, or no other one is ready), 1 nobody answers."
    )]
    Drain {
        /// The node's name.
        node: String,
        /// Even when no other node is ready.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Send a node requests again.
    #[command(after_help = "Example:\n  tfauth-lb undrain node-2 --socket /run/tfauth-lb/admin.sock")]
    Undrain {
        /// The node's name.
        node: String,
        #[command(flatten)]
        target: Target,
    },
}

/// The running load balancer.
#[derive(Args)]
struct Target {
    /// The `ops.socket` of its configuration.
    #[arg(long, value_name = "PATH", default_value = "/run/tfauth-lb/admin.sock")]
    socket: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
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
        Command::CheckConfig { config, json } => check::run(&config, json),
        Command::Status { target } => orders::run(&Order::Status, &target),
        Command::Drain { node, force, target } => orders::run(&Order::Drain { node, force }, &target),
        Command::Undrain { node, target } => orders::run(&Order::Undrain { node }, &target),
    }
}
