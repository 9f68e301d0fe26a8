//! Which package may depend on which, read from `cargo metadata`; and which folders the project has.

use serde_json::Value;
use std::process::Command;

/// Every package with the packages of ours that it may depend on, in any kind of dependency.
const ARROWS: [(&str, &[&str]); 10] = [
    ("auth-api", &[]),
    ("auth-core", &["mutations"]),
    (
        "chaos-tests",
        &[
            "auth-api",
            "auth-core",
            "cluster-harness",
            "node",
            "raft-store",
            "simulation",
            "tfauth",
        ],
    ),
    ("cluster-harness", &["auth-api"]),
    ("lb", &["auth-api", "mutations"]),
    ("mutations", &[]),
    ("node", &["auth-api", "auth-core", "mutations", "raft-store"]),
    ("raft-store", &["mutations"]),
    ("simulation", &["auth-core", "mutations", "raft-store"]),
    ("tfauth", &["auth-api"]),
];

/// Third parties that only one package may name.
const DOORS: [(&str, &str); 4] = [
    ("sled", "raft-store"),
    ("openraft", "raft-store"),
    ("pingora", "lb"),
    ("lettre", "node"),
];

/// What `auth-core` may never depend on: it does no I/O, reads no clock, draws no randomness.
const NOT_IN_CORE: [&str; 9] = [
    "tokio",
    "hyper",
    "axum",
    "sled",
    "openraft",
    "rand",
    "getrandom",
    "reqwest",
    "tracing",
];

/// Folders at the top. No seventh.
const FOLDERS: [&str; 6] = ["chaos-tests", "infra", "lb", "node", "raft-store", "terraform"];

/// What `cargo metadata` says about the project's own packages; needs no network.
///
/// # Errors
/// cargo is missing or fails.
pub fn metadata() -> Result<Value, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(super::project())
        .output()
        .map_err(|e| format!("cannot run cargo: {e}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata: {e}"))
}

/// Dependencies that no arrow allows.
#[must_use]
pub fn forbidden_arrows(metadata: &Value) -> Vec<String> {
    let packages = packages(metadata);
    let ours: Vec<&str> = packages.iter().map(|(name, _)| *name).collect();
    let mut broken = Vec::new();
    for (name, dependencies) in &packages {
        // The package of the operator's command line was named after its folder first.
        let known = if *name == "ctl" { "tfauth" } else { *name };
        let Some((_, allowed)) = ARROWS.iter().find(|(n, _)| *n == known) else {
            broken.push(format!(
                "{name}: a package that the rules do not know; ARCHITECTURE says which there are"
            ));
            continue;
        };
        for dependency in dependencies.iter().filter(|d| ours.contains(d) && !allowed.contains(d)) {
            broken.push(format!(
                "{name} depends on {dependency}: it may depend on {}",
                list(allowed)
            ));
        }
    }
    broken
}

/// Third parties outside of their door.
#[must_use]
pub fn foreign_doors(metadata: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, dependencies) in packages(metadata) {
        for dependency in dependencies {
            // pingora comes in several crates.
            let door = DOORS
                .iter()
                .find(|(third, _)| dependency == *third || dependency.starts_with(&format!("{third}-")));
            if let Some((third, owner)) = door
                && *owner != name
            {
                broken.push(format!("{name} depends on {dependency}: {third} stays behind {owner}"));
            }
            if name == "auth-core" && NOT_IN_CORE.contains(&dependency) {
                broken.push(format!(
                    "auth-core depends on {dependency}: it does no I/O, reads no clock, draws no randomness"
                ));
            }
        }
    }
    broken
}

/// Folders at the top that are not among the six.
#[must_use]
pub fn foreign_folders(names: &[String]) -> Vec<String> {
    let hidden_or_built = |name: &str| name.starts_with('.') || name == "target";
    let foreign = names
        .iter()
        .filter(|n| !hidden_or_built(n) && !FOLDERS.contains(&n.as_str()));
    foreign
        .map(|n| format!("{n}/: top-level folders are {}", list(&FOLDERS)))
        .collect()
}

/// Names of the folders at the top of the project.
///
/// # Errors
/// It cannot be read.
pub fn top_folders() -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(super::project()).map_err(|e| e.to_string())?;
    let folders = entries.filter_map(Result::ok).filter(|e| e.path().is_dir());
    Ok(folders.map(|e| e.file_name().to_string_lossy().into_owned()).collect())
}

fn list(names: &[&str]) -> String {
    if names.is_empty() {
        "none of ours".to_owned()
    } else {
        names.join(", ")
    }
}

fn packages(metadata: &Value) -> Vec<(&str, Vec<&str>)> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    packages
        .iter()
        .filter_map(|p| Some((p["name"].as_str()?, dependencies(p))))
        .collect()
}

fn dependencies(package: &Value) -> Vec<&str> {
    let all = package["dependencies"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    all.iter().filter_map(|d| d["name"].as_str()).collect()
}
