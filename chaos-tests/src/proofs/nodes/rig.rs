//! The cluster on its disks, and one case from its beginning to the repair.

use super::witness::Witness;
use super::{Case, Row, Trouble, Victim};
use crate::api::Api;
use crate::entropy::Dice;
use crate::faultfs::FaultDisk;
use crate::limits::{GAP_MAX, POLL};
use crate::load::{Report, Traffic};
use crate::pool::Pool;
use cluster_harness::cluster::{Cluster, Options, Staged};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
const LOGINS_PER_SECOND: u32 = 2;
/// A code of an account is new every 30 s.
const ACCOUNTS: usize = 72;
/// How long logins go on with a slow disk at least, in syncs of it.
const SLOW_SYNCS: u32 = 2;
const SLOW_MIN: Duration = Duration::from_secs(1);
/// How long a node may take to notice that its disk takes nothing, with logins going on.
const NOTICED_MAX: Duration = Duration::from_secs(40);

/// Entries that one person's calls may take, with their mails and what is repeated when a leader dies.
const ENTRIES_OF_A_CALL_MAX: u64 = 12;
/// Entries that changes of leaders may take beside that.
const ENTRIES_OF_AN_ELECTION_MAX: u64 = 60;

/// Disks first: they must be gone before the folder that they are mounted in.
pub(super) struct Rig {
    disks: BTreeMap<String, FaultDisk>,
    cluster: Cluster,
    apis: Vec<Api>,
    pool: Arc<Pool>,
    dice: Dice,
    witnesses: Vec<Witness>,
    named: usize,
}

impl Rig {
    /// `program` is `tfauth-proofs`; the other programs lie beside it.
    pub(super) async fn start(program: &Path, seed: u64) -> Result<Self, String> {
        let mut disks = BTreeMap::new();
        let options = Options {
            bin_dir: program.parent().map(Path::to_path_buf),
            ..Options::default()
        };
        let staged = Staged::new(&options).map_err(|e| e.to_string())?;
        for name in NODES {
            let disk = FaultDisk::mount(program, &staged.layout().data(name))?;
            disks.insert(name.to_owned(), disk);
        }
        let cluster = staged.start().await.map_err(|e| e.to_string())?;
        let client = cluster.client().map_err(|e| e.to_string())?;
        let apis: Vec<Api> = cluster.urls().iter().map(|url| Api::new(client.clone(), url)).collect();
        let pool = Arc::new(Pool::enrol(&apis, "pool", ACCOUNTS).await?);
        Ok(Self {
            disks,
            cluster,
            apis,
            pool,
            dice: Dice::new(seed),
            witnesses: Vec::new(),
            named: 0,
        })
    }

    /// The trouble, what everybody makes of it, the repair, and what is left afterwards.
    pub(super) async fn case(&mut self, case: Case) -> Result<Row, String> {
        if (case.trouble, case.victim) == (Trouble::PowerLoss, Victim::Everybody) {
            return self.everything_off(case).await;
        }
        let leader = self.cluster.find_leader().await.map_err(|e| e.to_string())?;
        let node = match case.victim {
            Victim::Leader => Some(leader),
            Victim::Follower => {
                let followers: Vec<&str> = NODES.into_iter().filter(|name| *name != leader).collect();
                Some(followers[self.dice.index(followers.len())].to_owned())
            }
            Victim::Everybody => None,
        };
        let before = self.applied().await;
        let traffic = Traffic::start(self.last_api(), Arc::clone(&self.pool), LOGINS_PER_SECOND);
        let known = self.witnesses.len();
        let mut told = Vec::new();
        match &node {
            Some(node) => told = self.trouble_of_one(case.trouble, node, known).await?,
            None => self.slow(case.trouble, &NODES, known).await?,
        }
        self.cluster.wait_healthy().await.map_err(|e| e.to_string())?;
        self.ask_from(known).await?;
        let report = Report::of(&traffic.finish().await?);
        let row = Row {
            case,
            node: node.unwrap_or_default(),
            entries: self.applied().await.saturating_sub(before),
            logins: report.logins,
            failed: report.failures.len(),
            longest_gap_ms: report.longest_gap.as_millis(),
            told,
        };
        if let Some(failure) = report.failures.first() {
            return Err(format!("{} of {} logins failed: {failure}", row.failed, row.logins));
        }
        let calls = (row.logins + self.witnesses.len() - known) as u64;
        if row.entries > ENTRIES_OF_AN_ELECTION_MAX + calls * ENTRIES_OF_A_CALL_MAX {
            return Err(format!(
                "{} entries for {calls} people: somebody proposes in a loop",
                row.entries
            ));
        }
        if report.longest_gap > GAP_MAX {
            return Err(format!("no login succeeded for {} ms", row.longest_gap_ms));
        }
        Ok(row)
    }

    async fn trouble_of_one(&mut self, trouble: Trouble, node: &str, known: usize) -> Result<Vec<String>, String> {
        match trouble {
            Trouble::Slow { .. } => {
                self.slow(trouble, &[node], known).await?;
                Ok(Vec::new())
            }
            Trouble::PowerLoss => {
                self.disk(node)?.power_off()?;
                self.log_in_people().await?;
                self.end(node).await;
                self.ask_from(known).await?;
                let seed = self.dice.within(0..=u64::MAX);
                let ruins = self.disk(node)?.power_on(seed)?;
                self.start_node(node).await?;
                Ok(vec![ruins])
            }
            Trouble::FailingSync | Trouble::Full | Trouble::ReadOnly => self.stops(trouble, node, known).await,
        }
    }

    /// The node notices, says so, and stops; it does not start while the trouble lasts, and does afterwards.
    async fn stops(&mut self, trouble: Trouble, node: &str, known: usize) -> Result<Vec<String>, String> {
        let from = self.log_of(node)?.len();
        self.set(trouble, node, true)?;
        self.log_in_people().await?;
        let code = self.exit_of(node).await?;
        let said = self.log_of(node)?.split_off(from);
        let word = trouble.error().unwrap_or_default();
        let mut told = vec![find_told(
            &said,
            &["storage failed", word, "has to be restarted"],
            node,
        )?];
        if code != Some(1) {
            return Err(format!("{node} ended with {code:?} instead of 1: {}", told[0]));
        }
        self.log_in_people().await?;
        self.ask_from(known).await?;
        if let Some((words, wanted)) = trouble.refusal() {
            let from = self.log_of(node)?.len();
            if self.cluster.members().start(node).await.is_ok() {
                return Err(format!("{node} started although its disk takes nothing"));
            }
            let code = self.exit_of(node).await?;
            let said = self.log_of(node)?.split_off(from);
            let folder = self.cluster.layout().data(node).display().to_string();
            told.push(find_told(&said, &[words, &folder], node)?);
            if code != Some(wanted) {
                return Err(format!("{node} refused with {code:?} instead of {wanted}"));
            }
        }
        self.set(trouble, node, false)?;
        self.start_node(node).await?;
        Ok(told)
    }

    async fn slow(&mut self, trouble: Trouble, nodes: &[&str], known: usize) -> Result<(), String> {
        let Trouble::Slow { millis } = trouble else {
            return Err("a trouble that not all disks can have at once".into());
        };
        for node in nodes {
            self.set(trouble, node, true)?;
        }
        let until = Instant::now() + SLOW_MIN.max(Duration::from_millis(millis) * SLOW_SYNCS);
        while Instant::now() < until {
            self.log_in_people().await?;
        }
        self.ask_from(known).await?;
        for node in nodes {
            self.set(trouble, node, false)?;
        }
        Ok(())
    }

    /// Nobody can be served meanwhile; afterwards everything is there.
    async fn everything_off(&mut self, case: Case) -> Result<Row, String> {
        self.log_in_people().await?;
        for disk in self.disks.values_mut() {
            disk.power_off()?;
        }
        for name in NODES {
            self.end(name).await;
        }
        let mut told = Vec::new();
        for name in NODES {
            let seed = self.dice.within(0..=u64::MAX);
            told.push(format!("{name}: {}", self.disk(name)?.power_on(seed)?));
        }
        for name in NODES {
            self.start_node(name).await?;
        }
        self.cluster.wait_healthy().await.map_err(|e| e.to_string())?;
        self.ask_from(0).await?;
        Ok(Row {
            case,
            node: String::new(),
            entries: 0,
            logins: 0,
            failed: 0,
            longest_gap_ms: 0,
            told,
        })
    }

    /// The nodes whose disks failed serve without the one that leads now: what they were repaired to holds everything.
    pub(super) async fn finish(mut self) -> Result<usize, String> {
        let leader = self.cluster.find_leader().await.map_err(|e| e.to_string())?;
        self.end(&leader).await;
        self.ask_from(0).await?;
        Ok(self.witnesses.len())
    }

    /// Keeps the logs of the nodes for whoever wants to know more; says where.
    pub(super) fn keep_logs(&self) -> Result<PathBuf, String> {
        let folder = tempfile::tempdir().map_err(|e| format!("no temporary folder: {e}"))?;
        for name in NODES {
            let path = folder.path().join(format!("{name}.log"));
            std::fs::write(&path, self.log_of(name)?).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        Ok(folder.keep())
    }

    fn set(&mut self, trouble: Trouble, node: &str, on: bool) -> Result<(), String> {
        let disk = self.disk(node)?;
        match trouble {
            Trouble::FailingSync => disk.fail_sync(on),
            Trouble::ReadOnly => disk.read_only(on),
            Trouble::Full => {
                // Below what is used, nothing can be written in place either, as where each write takes a new block.
                let used = disk.stat("used-bytes")?;
                disk.capacity(on.then_some(used.saturating_sub(1)))
            }
            Trouble::Slow { millis } => {
                let delay = Duration::from_millis(if on { millis } else { 0 });
                disk.slow(delay / 20)?;
                disk.slow_sync(delay)
            }
            Trouble::PowerLoss => Err("power is not set but lost".into()),
        }
    }

    fn disk(&mut self, name: &str) -> Result<&mut FaultDisk, String> {
        self.disks.get_mut(name).ok_or_else(|| format!("{name} has no disk"))
    }

    fn last_api(&self) -> Api {
        self.apis[self.apis.len() - 1].clone()
    }

    /// Somebody new through each load balancer.
    async fn log_in_people(&mut self) -> Result<(), String> {
        for api in &self.apis {
            self.named += 1;
            self.witnesses
                .push(Witness::new(api, &format!("witness-{}", self.named)).await?);
        }
        Ok(())
    }

    async fn ask_from(&mut self, first: usize) -> Result<(), String> {
        for (witness, api) in self.witnesses[first..].iter_mut().zip(self.apis.iter().cycle()) {
            witness.is_remembered(api).await?;
        }
        Ok(())
    }

    /// The highest entry that any node has applied.
    async fn applied(&self) -> u64 {
        let status = self.cluster.status().await;
        status.nodes.iter().filter_map(|node| node.applied).max().unwrap_or(0)
    }

    fn log_of(&self, name: &str) -> Result<String, String> {
        let path = self.cluster.layout().log(name);
        std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// Waits until it has ended by itself.
    async fn exit_of(&self, name: &str) -> Result<Option<i32>, String> {
        let until = Instant::now() + NOTICED_MAX;
        loop {
            self.cluster.members().reap().await.map_err(|e| e.to_string())?;
            if self.cluster.description().pid(name).is_none() {
                return self.cluster.members().wait_exit(name).await.map_err(|e| e.to_string());
            }
            if Instant::now() > until {
                return Err(format!("{name} still runs after {} s", NOTICED_MAX.as_secs()));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Kills it; it may have noticed by itself, and ended.
    async fn end(&self, name: &str) {
        let _gone = self.cluster.members().kill(name).await;
    }

    async fn start_node(&self, name: &str) -> Result<(), String> {
        let started = self.cluster.members().start(name).await;
        started.map_err(|e| format!("after the repair: {e}"))
    }
}

/// The line of a log that has all these words.
fn find_told(log: &str, words: &[&str], node: &str) -> Result<String, String> {
    let told = log
        .lines()
        .rev()
        .find(|line| words.iter().all(|word| line.contains(word)));
    told.map(str::to_owned).ok_or_else(|| {
        let last: Vec<&str> = log.lines().rev().take(8).collect();
        format!("{node} did not say {words:?}; it said last: {last:#?}")
    })
}
