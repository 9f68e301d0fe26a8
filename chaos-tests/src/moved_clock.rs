//! A cluster whose members all live at another time: what must end after minutes can then be seen to end. Debian's libfaketime
//! answers every node's questions for the time of day; the clock that counts durations stays.

use crate::api::Call;
use crate::limits::{POLL, RECOVERY_MAX};
use crate::nemeses::clock;
use crate::site::Site;
use cluster_harness::cluster::{Options, Staged};
use serde_json::json;
use std::path::PathBuf;
use tokio::time::Instant;

/// The clocks of all nodes, which are moved together.
pub struct MovedClock {
    files: Vec<PathBuf>,
}

/// Why this machine cannot move clocks, if it cannot.
#[must_use]
pub fn missing() -> Option<String> {
    let why = "Debian's package libfaketime is not installed";
    clock::library().is_none().then(|| why.to_owned())
}

impl MovedClock {
    /// Starts a cluster of three nodes and two load balancers whose clocks are right, still.
    ///
    /// # Errors
    /// The library is missing, or the cluster does not start.
    pub async fn start() -> Result<(Site, Self), String> {
        let library = clock::library().ok_or("libfaketime is missing")?;
        let staged = Staged::new(&Options::default()).map_err(|e| e.to_string())?;
        let nodes: Vec<String> = (1..=Options::default().nodes).map(|n| format!("node-{n}")).collect();
        let mut files = Vec::new();
        for node in &nodes {
            let file = staged.layout().member(node).join("clock");
            clock::set(&file, clock::RIGHT)?;
            files.push(file);
        }
        let equip = |members: &cluster_harness::supervisor::Supervisor| {
            for (node, file) in nodes.iter().zip(&files) {
                members.equip(node, clock::equipment(&library, file));
            }
        };
        let cluster = staged.start_with(equip).await.map_err(|e| e.to_string())?;
        Ok((Site::around(cluster)?, Self { files }))
    }

    /// So many seconds ahead of the machine from now on, on every node. Returns when all nodes went through it and serve.
    ///
    /// # Errors
    /// The files cannot be written, or the cluster does not serve again.
    pub async fn ahead(&self, site: &Site, seconds: u64) -> Result<(), String> {
        for file in &self.files {
            clock::set(file, &format!("+{seconds}s x1"))?;
        }
        let deadline = Instant::now() + RECOVERY_MAX;
        for node in site.cluster.description().nodes {
            while !tells(&node.ops, crate::clock::unix_seconds() + seconds).await {
                if Instant::now() > deadline {
                    return Err(format!("the clock of {} was not moved", node.name));
                }
                tokio::time::sleep(POLL).await;
            }
        }
        self.writes(site, deadline).await
    }

    /// Waits until nobody is taken for one whose clock is wrong: a wrong guess is charged, which is a write.
    async fn writes(&self, site: &Site, deadline: Instant) -> Result<(), String> {
        site.cluster.wait_healthy().await.map_err(|e| e.to_string())?;
        let guess = json!({"identifier": "nobody-at-all", "password": "violet harbour"});
        loop {
            let answer = site.call(Call::new("POST", "/v1/login").json(guess.clone())).await?;
            match answer.status {
                401 | 429 => return Ok(()),
                _ if Instant::now() > deadline => return Err(format!("no writes: {}", answer.body)),
                _ => tokio::time::sleep(POLL).await,
            }
        }
    }
}

/// Whether a node's answers carry this time, to a few seconds.
async fn tells(ops: &str, unix_seconds: u64) -> bool {
    let Ok(client) = cluster_harness::http::ops_client() else {
        return false;
    };
    let Ok(answer) = client.get(format!("{ops}/status")).send().await else {
        return false;
    };
    let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
    date.and_then(second_of_day)
        .is_some_and(|told| (unix_seconds + 3 - told) % 86_400 <= 6)
}

/// The second of the day in `Sat, 21 Nov 2026 18:29:07 GMT`.
fn second_of_day(date: &str) -> Option<u64> {
    let clock = date.split(' ').nth(4)?;
    clock
        .split(':')
        .try_fold(0, |sum, part| Some(sum * 60 + part.parse::<u64>().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_an_answer_is_read() {
        assert_eq!(second_of_day("Sat, 21 Nov 2026 18:29:07 GMT"), Some(66_547));
        assert_eq!(second_of_day("yesterday"), None);
    }
}
