//! Measures beside a peer or a physical limit. `infra/dev bench` is the door to it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chaos_tests::bench::failover::{self, Fault, Wish};
use chaos_tests::bench::{Plan, lb, store};
use clap::{Args, Parser, Subcommand};
use tokio::runtime::Builder;

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
    /// Makes a new connection with a full handshake for each request and counts the answers, for `lb`
    #[command(hide = true, after_help = "Example: infra/dev bench lb")]
    LbHandshakes {
        /// The authority of the proxy's certificate
        #[arg(long)]
        ca: PathBuf,
        /// Where the proxy listens on this machine
        #[arg(long)]
        port: u16,
        #[arg(long)]
        seconds: u64,
    },
    /// What clients see while a node dies, through our load balancer and through HAProxy in front of the same nodes
    #[command(after_help = "Example: sudo infra/dev bench failover --json > failover.json")]
    Failover(Failover),
    /// The store beside a raw log on the same disk, one client of three members, and a million rows
    #[command(after_help = "Example: infra/dev bench store --rounds 5 --json > store.json")]
    Store(Store),
    /// Fills a store with rows and stays, for `store`
    #[command(hide = true, after_help = "Example: infra/dev bench store")]
    StoreLoad {
        #[command(flatten)]
        at: At,
        #[arg(long)]
        rows: u64,
    },
    /// Opens a store and tells how long that took, for `store`
    #[command(hide = true, after_help = "Example: infra/dev bench store")]
    StoreReopen {
        #[command(flatten)]
        at: At,
        #[arg(long)]
        stay: bool,
    },
    /// Checks a store as a node does before it opens it, and tells how long that took, for `store`
    #[command(hide = true, after_help = "Example: infra/dev bench store")]
    StoreCheck {
        #[command(flatten)]
        at: At,
    },
}

#[derive(Args)]
struct Store {
    /// Rounds; each measures everything but the rows
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Milliseconds of each measurement
    #[arg(long, default_value_t = 1500)]
    millis: u64,
    /// Rows of 300 bytes of the restart figures; 0 leaves them out
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// A folder on the disk to measure, instead of the temporary folder
    #[arg(long, value_name = "FOLDER")]
    ground: Option<PathBuf>,
    /// The figures of every round as JSON, instead of tables
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct At {
    #[arg(long)]
    address: SocketAddr,
    #[arg(long)]
    papers: PathBuf,
    #[arg(long)]
    data: PathBuf,
}

#[derive(Args)]
struct Failover {
    /// Folder of the programs of the cluster
    #[arg(long, value_name = "FOLDER")]
    programs: PathBuf,
    /// Folder of HAProxy's configuration
    #[arg(long, value_name = "FOLDER")]
    configs: PathBuf,
    /// The figures as JSON, instead of a table
    #[arg(long)]
    json: bool,
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
    /// The example `bare-proxy` of the load balancer: its library with nothing of ours in it
    #[arg(long, value_name = "PROGRAM")]
    bare: PathBuf,
    /// Folder of the configurations of all programs
    #[arg(long, value_name = "FOLDER")]
    configs: PathBuf,
    /// The figures of every round as JSON, instead of tables
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    // Two providers may be linked; the choice must be made before the first handshake. It can only have been made already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let ended = match Arguments::parse().verb {
        Verb::Failover(arguments) => on(&mut Builder::new_multi_thread(), fail_over(arguments)),
        Verb::Lb(arguments) => on(&mut Builder::new_current_thread(), load_balancer(arguments)),
        Verb::LbHandshakes { ca, port, seconds } => {
            on(&mut Builder::new_current_thread(), handshakes(&ca, port, seconds))
        }
        Verb::Store(arguments) => on(&mut Builder::new_multi_thread(), measure_store(arguments)),
        Verb::StoreLoad { at, rows } => {
            let load = store::load(at.address, &at.papers, &at.data, rows);
            on(&mut Builder::new_multi_thread(), async {
                load.await.map(|()| String::new())
            })
        }
        Verb::StoreCheck { at } => store::check(&at.data).map(|()| String::new()),
        Verb::StoreReopen { at, stay } => {
            let reopen = store::reopen(at.address, &at.papers, &at.data, stay);
            on(&mut Builder::new_multi_thread(), async {
                reopen.await.map(|()| String::new())
            })
        }
    };
    match ended {
        Ok(text) => {
            if !text.is_empty() {
                println!("{text}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("tfauth-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs it on a runtime of the kind that it is meant for.
fn on(kind: &mut Builder, work: impl Future<Output = Result<String, String>>) -> Result<String, String> {
    let runtime = kind.enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(work)
}

fn own_program() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("cannot tell where this program lies: {error}"))
}

async fn handshakes(ca: &Path, port: u16, seconds: u64) -> Result<String, String> {
    let counts = lb::handshakes::generate(ca, port, Duration::from_secs(seconds)).await?;
    serde_json::to_string(&counts).map_err(|error| error.to_string())
}

async fn measure_store(arguments: Store) -> Result<String, String> {
    let plan = store::Plan {
        program: own_program()?,
        ground: arguments.ground.unwrap_or_else(std::env::temp_dir),
        rounds: arguments.rounds,
        time: Duration::from_millis(arguments.millis),
        rows: arguments.rows,
    };
    let figures = store::run(&plan).await?;
    if arguments.json {
        serde_json::to_string_pretty(&figures).map_err(|error| error.to_string())
    } else {
        Ok(store::markdown(&figures))
    }
}

async fn load_balancer(arguments: Lb) -> Result<String, String> {
    let work = tempfile::tempdir().map_err(|error| format!("cannot make a folder: {error}"))?;
    let plan = Plan {
        program: own_program()?,
        rounds: arguments.rounds,
        seconds: arguments.seconds,
        work: work.path().to_owned(),
        configs: arguments.configs,
        lb: arguments.program,
        bare: arguments.bare,
    };
    let figures = lb::run(&plan).await?;
    if arguments.json {
        serde_json::to_string_pretty(&figures).map_err(|error| error.to_string())
    } else {
        Ok(lb::markdown(&figures))
    }
}

async fn fail_over(arguments: Failover) -> Result<String, String> {
    let wish = Wish {
        configs: arguments.configs,
        programs: arguments.programs,
        faults: Fault::ALL.to_vec(),
    };
    let rows = failover::run(&wish).await?;
    if arguments.json {
        serde_json::to_string_pretty(&rows).map_err(|error| error.to_string())
    } else {
        Ok(failover::markdown(&rows))
    }
}
