//! `check-config`: everything that `serve` would check before it binds anything.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::EXIT_REFUSED;
use crate::config::Config;
use crate::tls;

/// Checks, prints, and tells by the exit code.
pub(super) fn run(path: &Path, as_json: bool) -> ExitCode {
    tls::install_provider();
    let checked = Config::load(path);
    if as_json {
        let report = match &checked {
            Ok(config) => json!({
                "ok": true,
                "name": config.name,
                "nodes": config.nodes.iter().map(|node| &node.name).collect::<Vec<_>>(),
                "warnings": config.warnings,
            }),
            Err(error) => json!({"ok": false, "error": error.to_string()}),
        };
        println!("{report}");
    }
    match checked {
        Ok(config) => {
            if !as_json {
                let count = config.nodes.len();
                println!("{}: fine, {} with {count} nodes", path.display(), config.name);
                for warning in &config.warnings {
                    println!("warning: {warning}");
                }
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            if !as_json {
                eprintln!("tfauth-lb: {error}");
            }
            ExitCode::from(EXIT_REFUSED)
        }
    }
}
