//! Measures beside a peer or a physical limit. `infra/dev bench` is the door to it.

use std::path::PathBuf;
use std::process::ExitCode;

use chaos_tests::bench::{Plan, lb};
use clap::{Args, Parser, Subcommand};

/// Measures beside a peer or a physical limit in the same run; publishes ratios, with the figures that they come from.
#[derive(Parser)]
#[command(
    name = "tfauth-bench",
    version,
    after_help = "Example: infra/dev bench lb --rounds 5 --seconds 8\nExit codes: 0 measured, 1 something went wrong."
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// The load balancer beside HAProxy and nginx, one core each: keep-alive, HTTP/2, handshakes, memory
    #[command(after_help = "Example: infra/dev bench lb --rounds 5 --seconds 8 --json > lb.json")]
    Lb(Lb),
}

#[derive(Args)]
struct Lb {
    /// Rounds; each does every job with every program
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each job
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// The load balancer to measure
    #[arg(long, value_name = "PROGRAM")]
    program: PathBuf,
    /// Folder of the configurations of all programs
    #[arg(long, value_name = "FOLDER")]
    configs: PathBuf,
    /// The figures of every round as JSON, instead of tables
    #[arg(long)]
    json: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // Two providers may be linked; the choice must be made before the first handshake. It can only have been made already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let ended = match Arguments::parse().verb {
        Verb::Lb(arguments) => load_balancer(arguments).await,
    };
    match ended {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("tfauth-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn load_balancer(arguments: Lb) -> Result<String, String> {
    let work = tempfile::tempdir().map_err(|error| format!("cannot make a folder: {error}"))?;
    let plan = Plan {
        rounds: arguments.rounds,
        seconds: arguments.seconds,
        work: work.path().to_owned(),
        configs: arguments.configs,
        lb: arguments.program,
    };
    let figures = lb::run(&plan).await?;
    if arguments.json {
        serde_json::to_string_pretty(&figures).map_err(|error| error.to_string())
    } else {
        Ok(lb::markdown(&figures))
    }
}
