//! Chromium, driven over the WebDriver protocol by ChromeDriver: what a browser makes of the service.
//!
//! Runs without a window and talks to nobody but the address that a test opens. Leaves no process behind, however its driver
//! ends.

use crate::limits::POLL;
use crate::mail::free_port;
use cluster_harness::http::install_crypto;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Client;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

const CHROMIUM: &str = "/usr/bin/chromium";
const DRIVER: &str = "/usr/bin/chromedriver";
/// How long the driver may take to start.
const START_MAX: Duration = Duration::from_secs(30);
/// How long the driver may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// How long a browser whose driver was killed may take to end.
const END_MAX: Duration = Duration::from_secs(10);
/// Without a window, and without the connections that a browser makes by itself.
const ARGUMENTS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// Why there is none here; none when there is.
#[must_use]
pub fn missing() -> Option<String> {
    let absent = [CHROMIUM, DRIVER].into_iter().find(|path| !Path::new(path).exists());
    absent.map(|path| format!("{path} is not there: Debian's packages are chromium and chromium-driver"))
}

/// A browser of its own; it ends with this value.
pub struct Chromium {
    driver: Child,
    client: Client,
    session: String,
    profile: TempDir,
}

impl Chromium {
    /// Starts one. Certificates are not judged: that of a test is by an authority that no browser knows.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start() -> Result<Self, String> {
        install_crypto();
        let client = Client::builder().tls_certs_only([]).no_proxy().timeout(ANSWER_MAX);
        let client = client.build().map_err(|e| e.to_string())?;
        let port = free_port()?;
        let profile = tempfile::tempdir().map_err(|e| e.to_string())?;
        let driver = Command::new(DRIVER)
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("{DRIVER}: {e}"))?;
        let mut browser = Self {
            driver,
            client,
            session: format!("http://127.0.0.1:{port}"),
            profile,
        };
        let mut arguments: Vec<String> = ARGUMENTS.iter().map(|&a| a.to_owned()).collect();
        arguments.push(format!("--user-data-dir={}", browser.profile.path().display()));
        let options = json!({"binary": CHROMIUM, "args": arguments});
        let wanted = json!({"browserName": "chrome", "acceptInsecureCerts": true, "goog:chromeOptions": options});
        let capabilities = json!({"capabilities": {"alwaysMatch": wanted}});
        let deadline = Instant::now() + START_MAX;
        let made = loop {
            match browser.command("/session", &capabilities).await {
                Ok(made) => break made,
                Err(why) if Instant::now() > deadline => return Err(why),
                Err(_) => tokio::time::sleep(POLL).await,
            }
        };
        let id = made["sessionId"].as_str().ok_or("the driver gave no session")?;
        browser.session = format!("{}/session/{id}", browser.session);
        Ok(browser)
    }

    /// Opens a page.
    ///
    /// # Errors
    /// It does not open.
    pub async fn open(&self, url: &str) -> Result<(), String> {
        self.command("/url", &json!({"url": url})).await.map(|_| ())
    }

    /// Lets scripts of the test run in pages whose own content policy allows none: the page that a script belongs to is
    /// another one under the same origin. Before the page is opened.
    ///
    /// # Errors
    /// The browser refuses.
    pub async fn set_content_policy_aside(&self) -> Result<(), String> {
        let body = json!({"cmd": "Page.setBypassCSP", "params": {"enabled": true}});
        self.command("/goog/cdp/execute", &body).await.map(|_| ())
    }

    /// Runs the body of an asynchronous function in the page; what it returns, or `{"thrown": message}`.
    ///
    /// # Errors
    /// The script is not understood, or does not end.
    pub async fn run(&self, function_body: &str, arguments: &[Value]) -> Result<Value, String> {
        let script = format!(
            "const done = arguments[arguments.length - 1];\n\
             (async (...given) => {{\n{function_body}\n}})(...arguments).then(done, error => done({{thrown: error.message}}));"
        );
        self.command("/execute/async", &json!({"script": script, "args": arguments}))
            .await
    }

    async fn command(&self, path: &str, body: &Value) -> Result<Value, String> {
        let answer = self
            .client
            .post(format!("{}{path}", self.session))
            .json(body)
            .send()
            .await;
        let answer = answer.map_err(|e| format!("{path}: {e}"))?;
        let status = answer.status();
        let said: Value = answer.json().await.map_err(|e| format!("{path}: {e}"))?;
        if status.is_success() {
            return Ok(said["value"].clone());
        }
        Err(format!("{path}: {}", said["value"]["message"]))
    }
}

impl Chromium {
    /// Kills the driver, which leaves its browser without anybody to end it.
    ///
    /// # Errors
    /// It cannot be killed.
    pub fn kill_driver(&mut self) -> Result<(), String> {
        self.driver.kill().map_err(|e| e.to_string())?;
        self.driver.wait().map(|_| ()).map_err(|e| e.to_string())
    }

    /// The folder that no other browser has.
    #[must_use]
    pub fn profile(&self) -> &Path {
        self.profile.path()
    }
}

/// The browser's processes: those that were started with this folder as theirs.
#[must_use]
pub fn processes(profile: &Path) -> Vec<Pid> {
    let wanted = format!("--user-data-dir={}", profile.display());
    let listed = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = listed.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // One that has just ended has no command line any more.
    let is_one = |number: &i32| {
        let line = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == wanted.as_bytes())
    };
    numbers.filter(is_one).map(Pid::from_raw).collect()
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The driver ends its browser when it is asked to end.
        let pid = Pid::from_raw(i32::try_from(self.driver.id()).unwrap_or_default());
        if matches!(self.driver.try_wait(), Ok(None)) {
            let _ = kill(pid, Signal::SIGTERM);
            let _ = self.driver.wait();
        }
        // One that was killed, or did not do so, left it behind; and a process may make another while it is killed.
        let deadline = Instant::now() + END_MAX;
        loop {
            let left = processes(self.profile.path());
            if left.is_empty() || Instant::now() > deadline {
                return;
            }
            for pid in left {
                let _ = kill(pid, Signal::SIGKILL);
            }
            std::thread::sleep(POLL);
        }
    }
}
