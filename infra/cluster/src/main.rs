//! `tfauth-cluster`: the development cluster's command line. `infra/dev` builds and calls it.

mod cli;

use clap::Parser as _;
use cli::{Arguments, Verb};
use cluster_harness::binaries::Build;
use cluster_harness::commands::{self, Up};
use cluster_harness::control::Action;
use cluster_harness::description::Description;
use cluster_harness::error::{Error, Result};
use cluster_harness::layout::Layout;
use cluster_harness::logs;
use cluster_harness::settings::Wish;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("error: cannot start the runtime: {e}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(e.exit_code())
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let layout = Layout::new(&arguments.dir)?;
    match arguments.verb {
        Verb::Up(up) if up.detach => {
            commands::up_detached(&layout, &asked(&up), &supervise_arguments(&layout, &up)).await
        }
        Verb::Up(up) => commands::up(&layout, &asked(&up)).await,
        Verb::Supervise(up) => commands::supervise(&layout, &asked(&up)).await,
        Verb::Down => {
            println!("{}", commands::down(&layout).await?);
            Ok(())
        }
        Verb::Status { json } => {
            let status = commands::status(&layout).await?;
            let json_text = || serde_json::to_string(&status).map_err(|e| Error::Fault(e.to_string()));
            println!(
                "{}",
                if json {
                    json_text()?
                } else {
                    status.table().trim_end().to_owned()
                }
            );
            Ok(())
        }
        Verb::Logs { name, follow } => {
            let description = Description::require(&layout)?;
            logs::show(&description, name.as_deref(), follow, &mut std::io::stdout()).await
        }
        Verb::Restart { name } => commands::member(&layout, Action::Restart, name).await,
        Verb::Stop { name } => commands::member(&layout, Action::Stop, name).await,
        Verb::Kill { name } => commands::member(&layout, Action::Kill, name).await,
        Verb::Pause { name } => commands::member(&layout, Action::Pause, name).await,
        Verb::Replace { name } => commands::member(&layout, Action::Replace, name).await,
        Verb::Resume { name } => commands::member(&layout, Action::Resume, name).await,
    }
}

fn asked(up: &cli::UpArguments) -> Up {
    Up {
        wish: Wish {
            nodes: up.nodes,
            lbs: up.lbs,
            base_port: up.base_port,
        },
        smtp: up.smtp.clone(),
        fresh: up.fresh,
        build: if up.debug_build { Build::Debug } else { Build::Own },
    }
}

/// The same wish for the supervisor in the background, with the folder made absolute.
fn supervise_arguments(layout: &Layout, up: &cli::UpArguments) -> Vec<std::ffi::OsString> {
    let mut out = vec!["supervise".into(), "--dir".into(), layout.root().into()];
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            out.push(name.into());
            out.push(value.into());
        }
    };
    option("--nodes", up.nodes.map(|n| n.to_string()));
    option("--lbs", up.lbs.map(|n| n.to_string()));
    option("--base-port", up.base_port.map(|n| n.to_string()));
    option("--smtp", up.smtp.clone());
    out.extend(up.fresh.then(|| "--fresh".into()));
    out.extend(up.debug_build.then(|| "--debug-build".into()));
    out
}
