//! Follows the files while the program runs: configuration, certificates, keys and authorities, when a signal asks for it
//! and whenever one of them changes.
//!
//! Everything is read and checked before anything changes. What is wrong changes nothing, is told once, and is tried
//! again until it is right.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock;
use crate::cluster::{Cluster, Node};
use crate::config::{self, Config};
use crate::live::SharedLive;
use crate::logging::LevelSwitch;
use crate::metrics::Metrics;
use crate::tls::FrontCertificates;

/// What tells whether files changed: size, time and place of each.
type Fingerprint = Vec<Option<(u64, i64, i64, u64)>>;

/// Everything that follows the files.
pub struct Reloader {
    path: PathBuf,
    live: SharedLive,
    cluster: Arc<Cluster>,
    certificates: Arc<FrontCertificates>,
    metrics: Arc<Metrics>,
    level: LevelSwitch,
    /// The files when they were last read.
    read: Fingerprint,
    /// The files at the last look.
    seen: Fingerprint,
    /// What was wrong with them when they were last read.
    problem: Option<String>,
}

impl Reloader {
    /// Follows the configuration at `path`, which was read already.
    pub fn new(
        path: &Path,
        live: SharedLive,
        cluster: Arc<Cluster>,
        certificates: Arc<FrontCertificates>,
        metrics: Arc<Metrics>,
        level: LevelSwitch,
    ) -> Self {
        let read = fingerprint(path, &live.load().config);
        Self {
            path: path.into(),
            seen: read.clone(),
            read,
            live,
            cluster,
            certificates,
            metrics,
            level,
            problem: None,
        }
    }

    /// Looks at the files, and reads them when they changed or were wrong before. Files that changed since the last look
    /// are left alone until the next one: somebody may be writing a pair of them. Hands back nodes that must be probed.
    pub fn look(&mut self) -> Vec<Arc<Node>> {
        let now = fingerprint(&self.path, &self.live.load().config);
        let is_settled = now == self.seen;
        self.seen = now;
        if is_settled && (self.seen != self.read || self.problem.is_some()) {
            self.read_again(false)
        } else {
            Vec::new()
        }
    }

    /// Reads the files because a signal asked for it. Hands back nodes that must be probed.
    pub fn read_now(&mut self) -> Vec<Arc<Node>> {
        self.read_again(true)
    }

    fn read_again(&mut self, is_asked: bool) -> Vec<Arc<Node>> {
        let (read, loaded) = self.load();
        // What changes while it is read is noticed at the next look.
        self.seen.clone_from(&read);
        self.read = read;
        let outcome = loaded.and_then(|config| self.apply(config));
        match outcome {
            Ok(added) => {
                self.problem = None;
                added
            }
            Err(problem) => {
                if is_asked || self.problem.as_ref() != Some(&problem) {
                    self.metrics.reload_refused();
                    tracing::error!(error = problem, "configuration is wrong: nothing was changed");
                }
                self.problem = Some(problem);
                Vec::new()
            }
        }
    }

    /// The configuration, and its files as they were before they were read.
    fn load(&self) -> (Fingerprint, Result<Config, String>) {
        let known = Arc::clone(&self.live.load().config);
        let read = fingerprint(&self.path, &known);
        match Config::load(&self.path) {
            // Of other files nothing is known from before.
            Ok(config) if config.files != known.files => {
                let read = fingerprint(&self.path, &config);
                (read, Config::load(&self.path).map_err(|error| error.to_string()))
            }
            loaded => (read, loaded.map_err(|error| error.to_string())),
        }
    }

    fn apply(&self, config: Config) -> Result<Vec<Arc<Node>>, String> {
        let before = self.live.load_full();
        refuse_loss(&before.config, &config)?;
        let is_trust_new = !before.config.backend.is_same(&config.backend);
        let added = self
            .cluster
            .reconfigure(&config, is_trust_new)
            .map_err(|error| format!("backend.certificate, backend.key: {error}"))?;
        self.certificates.replace(config.front.certificates.clone());
        self.level.set(config.log_level);
        let at_next_start = at_next_start(&before.config, &config);
        for warning in &config.warnings {
            tracing::warn!(warning, "configuration");
        }
        self.metrics.reloaded(&config);
        self.live.store(Arc::new(before.successor(Arc::new(config))));
        if at_next_start.is_empty() {
            tracing::info!(is_trust_new, "configuration and certificates read again");
        } else {
            let settings = at_next_start.join(" ");
            tracing::warn!(
                is_trust_new,
                settings,
                "configuration and certificates read again; these settings take effect at the next start"
            );
        }
        Ok(added)
    }
}

/// A certificate that has expired, or is not valid yet, never takes the place of one that is good.
fn refuse_loss(before: &Config, after: &Config) -> Result<(), String> {
    let lost = config::first_loss(before, after, clock::unix_seconds());
    lost.map_or(Ok(()), |lost| {
        Err(format!("{lost}; issue another one, or wait until it is valid"))
    })
}

/// Settings that differ and cannot be changed in a running process.
fn at_next_start(before: &Config, after: &Config) -> Vec<&'static str> {
    let listens = |config: &Config| config.redirect.as_ref().map(|redirect| redirect.listen.clone());
    let differences = [
        ("name", before.name != after.name),
        ("front.listen", before.front.listen != after.front.listen),
        ("redirect.listen", listens(before) != listens(after)),
        ("ops.listen", before.ops_listen != after.ops_listen),
        ("ops.socket", before.ops_socket != after.ops_socket),
        ("reload.poll_ms", before.reload != after.reload),
    ];
    let different = differences.into_iter().filter(|(_, is_different)| *is_different);
    different.map(|(setting, _)| setting).collect()
}

fn fingerprint(path: &Path, config: &Config) -> Fingerprint {
    let files = std::iter::once(path).chain(config.files.iter().map(PathBuf::as_path));
    files
        .map(|file| {
            let found = fs::metadata(file).ok()?;
            Some((found.size(), found.mtime(), found.mtime_nsec(), found.ino()))
        })
        .collect()
}
