//! What a login costs all nodes together, as their own counters tell it.

use crate::native::Native;
use cluster_harness::cluster::Cluster;
use cluster_harness::http::ops_client;
use serde::Serialize;
use serde_json::json;
use std::fmt;

/// Work of one login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Work {
    /// Password hashes.
    pub hashes: f64,
    /// Entries of the log that a login makes.
    pub entries: f64,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hashes, {} entries", self.hashes, self.entries)
    }
}

/// Of one login with a wrong password, on average over these names.
pub(super) async fn of_logins(cluster: &Cluster, native: &Native, names: &[String]) -> Result<Work, String> {
    let before = counted(cluster).await?;
    for name in names {
        let body = json!({"identifier": name, "password": "not the password of anybody"});
        native.post("/v1/login", &body).await?;
    }
    let after = counted(cluster).await?;
    let count = f64::from(u32::try_from(names.len()).unwrap_or(u32::MAX));
    Ok(Work {
        hashes: (after.hashes - before.hashes) / count,
        entries: (after.entries - before.entries) / count,
    })
}

/// Sums over all nodes since their start.
async fn counted(cluster: &Cluster) -> Result<Work, String> {
    let client = ops_client().map_err(|e| e.to_string())?;
    let mut sum = Work::default();
    for node in cluster.description().nodes {
        let got = client.get(format!("{}/metrics", node.ops)).send().await;
        let text = got
            .map_err(|e| e.to_string())?
            .text()
            .await
            .map_err(|e| e.to_string())?;
        sum.hashes += total(&text, |name| name == "tfauth_node_hash_seconds_count");
        sum.entries += total(&text, |name| {
            let is_login = ["verb=\"sign_in\"", "verb=\"refuse_login\"", "verb=\"log_in\""];
            name.starts_with("tfauth_node_proposals_total{") && is_login.iter().any(|verb| name.contains(verb))
        });
    }
    Ok(sum)
}

/// The sum of the lines whose name is wanted.
fn total(text: &str, wanted: impl Fn(&str) -> bool) -> f64 {
    let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    lines
        .filter(|(name, _)| wanted(name))
        .filter_map(|(_, value)| value.parse::<f64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wanted_lines_are_summed() {
        let text = "# HELP a b\na{verb=\"x\"} 2\na{verb=\"y\"} 3\nb 7\n";
        assert!((total(text, |name| name.starts_with("a{")) - 5.0).abs() < f64::EPSILON);
        assert!((total(text, |name| name == "b") - 7.0).abs() < f64::EPSILON);
    }
}
