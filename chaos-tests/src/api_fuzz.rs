//! The OpenAPI document held against the cluster that serves it, by schemathesis: calls as the document allows them and as it
//! does not, without a login and with one of each role. No server error, no undocumented status, no answer of another shape.
//!
//! Must not know any route: everything comes from the document.

use crate::native::Native;
use crate::pool::Account;
use cluster_harness::cluster::Cluster;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What every answer is judged by.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,unsupported_method";
/// Operations that end the session they are called with: kept out of a pass that needs its session.
const ENDINGS: &str = "^(delete_account|end_session|end_other_sessions|change_password|.*logout)$";

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Cases that are made up for each operation, beside those that follow from its schema.
    pub examples: u32,
    /// Repeats the choices of another run.
    pub seed: u64,
    /// Also every case that follows from a schema: bounds, missing fields, wrong types. Takes most of the time.
    pub coverage: bool,
}

/// One pass over the document.
#[derive(Clone, Debug, Serialize)]
pub struct Pass {
    /// Who called.
    pub who: &'static str,
    /// Calls that were made, as schemathesis counts them.
    pub cases: String,
    /// Whether every answer was as documented.
    pub holds: bool,
    /// What it said, where it does not hold.
    pub said: String,
}

/// All passes.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// One for each kind of caller.
    pub passes: Vec<Pass>,
}

impl Report {
    /// The verdict on all of them.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.passes.iter().all(|pass| pass.holds)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for pass in &self.passes {
            let verdict = if pass.holds {
                "as documented"
            } else {
                "NOT AS DOCUMENTED"
            };
            writeln!(f, "as {}: {}: {verdict}", pass.who, pass.cases)?;
            if !pass.holds {
                writeln!(f, "{}", pass.said)?;
            }
        }
        Ok(())
    }
}

/// Holds the served document against the cluster. `interpreter` is a Python that has schemathesis.
///
/// # Errors
/// The document is not served, nobody can log in, or schemathesis does not run.
pub async fn run(cluster: &Cluster, interpreter: &Path, effort: Effort) -> Result<Report, String> {
    let native = Native::new(cluster)?;
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let document = folder.path().join("openapi.json");
    let served = native.get("/openapi.json").await?;
    std::fs::write(&document, served.body.to_string()).map_err(|e| e.to_string())?;
    let administrator = native.administrator(cluster).await?;
    let (user, leaver) = (session(cluster, "fuzzed").await?, session(cluster, "leaver").await?);
    let fuzzer = Fuzzer {
        program: interpreter.with_file_name("schemathesis"),
        document,
        url: cluster.urls().first().cloned().ok_or("no load balancer")?,
        ca: cluster.ca(),
        ground: folder.path().to_owned(),
        effort,
    };
    let token = |who: &Native| who.token().map(str::to_owned).unwrap_or_default();
    let (user, leaver, administrator) = (token(&user), token(&leaver), token(&administrator));
    let passes = tokio::task::spawn_blocking(move || {
        Ok::<_, String>(vec![
            fuzzer.pass("nobody", None, &[])?,
            fuzzer.pass("a user", Some(&user), &["--exclude-operation-id-regex", ENDINGS])?,
            fuzzer.pass(
                "an administrator",
                Some(&administrator),
                &["--exclude-operation-id-regex", ENDINGS],
            )?,
            fuzzer.pass(
                "a user who leaves",
                Some(&leaver),
                &["--include-operation-id-regex", ENDINGS],
            )?,
        ])
    });
    let passes = passes.await.map_err(|e| e.to_string())??;
    Ok(Report { passes })
}

/// Somebody with an authenticator app who just logged in.
async fn session(cluster: &Cluster, name: &str) -> Result<Native, String> {
    let native = Native::new(cluster)?;
    let client = cluster.client().map_err(|e| e.to_string())?;
    let api = crate::api::Api::new(client, cluster.urls().first().ok_or("no load balancer")?);
    let mut account = Account::enrol(&api, name).await?;
    let code = account.wait_for_code().await;
    let answer = api.log_in(&account.person, &code).await?;
    if answer.status == 200 {
        return Ok(native.bearing(&answer.text("access_token")));
    }
    Err(format!("{name} cannot log in: {}", answer.body))
}

struct Fuzzer {
    program: PathBuf,
    document: PathBuf,
    url: String,
    ca: PathBuf,
    ground: PathBuf,
    effort: Effort,
}

impl Fuzzer {
    fn pass(&self, who: &'static str, token: Option<&str>, more: &[&str]) -> Result<Pass, String> {
        let phases = if self.effort.coverage {
            "examples,coverage,fuzzing"
        } else {
            "examples,fuzzing"
        };
        let mut command = Command::new(&self.program);
        command
            .current_dir(&self.ground)
            .arg("run")
            .arg(&self.document)
            .args(["--url", &self.url, "--checks", CHECKS, "--phases", phases])
            // One at a time: ast.parse of Python 3.11 fails in threads.
            .args(["--workers", "1", "--no-color", "--continue-on-failure"])
            .arg("--tls-verify")
            .arg(&self.ca)
            .args(["--max-examples", &self.effort.examples.to_string()])
            .args(["--seed", &self.effort.seed.to_string()])
            .args(more);
        if let Some(token) = token {
            command.args(["--header", &format!("Authorization: Bearer {token}")]);
        }
        let output = command
            .output()
            .map_err(|e| format!("{}: {e}", self.program.display()))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let cases = said
            .lines()
            .find(|line| line.contains(" generated, "))
            .unwrap_or_default()
            .trim()
            .to_owned();
        if cases.is_empty() {
            let error = String::from_utf8_lossy(&output.stderr);
            return Err(format!("schemathesis made no calls: {said}{error}"));
        }
        let failures = said
            .find("= FAILURES =")
            .or_else(|| said.find("= ERRORS ="))
            .unwrap_or_default();
        Ok(Pass {
            who,
            cases,
            holds: output.status.success(),
            said: said.get(failures..).unwrap_or_default().to_owned(),
        })
    }
}
