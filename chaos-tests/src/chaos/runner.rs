//! One run of one scenario, from an empty folder to verdicts.

use super::aftermath;
use super::evidence::{Event, Evidence};
use super::field::{Field, text};
use super::mailbox::Mailbox;
use super::scenario::Scenario;
use super::stage::{Administrator, Stage};
use super::traffic::Traffic;
use crate::api::{Api, Person};
use crate::faultfs::{self, FaultDisk};
use crate::nemeses::{Need, Nemesis, Strike, clock, packets};
use crate::pool::Pool;
use crate::promises::{self, Verdict};
use crate::proxy::Network;
use crate::workloads::{self, Row, Workload};
use cluster_harness::cluster::{Cluster, Options, Staged};
use cluster_harness::surroundings::{HashingCost, Surroundings};
use reqwest::Method;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What is wished of a run.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What breaks.
    pub scenario: &'static Scenario,
    /// How many nodes.
    pub nodes: u16,
    /// For how long clients arrive while things break.
    pub length: Duration,
    /// Decides who is struck, when and for how long.
    pub seed: u64,
    /// Bounds of time are so many times as wide.
    pub patience: u32,
    /// Clients arrive at so many hundredths of the usual rates.
    pub rate_percent: u32,
    /// Folder of the programs.
    pub programs: PathBuf,
    /// Folder of the programs of an older build.
    pub older: Option<PathBuf>,
    /// Where the logs of the members go when a promise was broken.
    pub logs: Option<PathBuf>,
    /// Says what is being done.
    pub progress: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Run {
    /// What was wished.
    pub wish: Wish,
    /// Everything that was seen.
    pub evidence: Evidence,
    /// What it shows.
    pub verdicts: Vec<Verdict>,
}

/// Load balancers of a run.
const LBS: u16 = 2;
/// Accounts with an authenticator app: each gives a login every 30 s.
const ACCOUNTS: usize = 40;
/// Calm before the first strike.
const CALM: Duration = Duration::from_secs(2);
/// Traffic goes on so long after everything is mended.
const AFTER: Duration = Duration::from_secs(4);
/// OWASP's cheapest: logins of many accounts share two cores with all nodes.
const HASHING: HashingCost = HashingCost {
    memory_kib: 7_168,
    passes: 5,
};

impl Run {
    /// Whether every promise held.
    #[must_use]
    pub fn held(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.held)
    }
}

/// Runs it.
///
/// # Errors
/// The run could not be made: that says nothing about the promises.
pub async fn run(wish: Wish) -> Result<Run, String> {
    let say = |what: &str| {
        if wish.progress {
            eprintln!("[{}] {what}", wish.scenario.name);
        }
    };
    say(&format!("starting {} nodes, seed {}", wish.nodes, wish.seed));
    let field = set_up(&wish).await?;
    say("making accounts and sessions");
    let stage = Arc::new(set_the_stage(&field, wish.seed).await?);
    let mut workloads: Vec<(Row, Arc<dyn Workload>)> = Vec::new();
    for row in workloads::ALL {
        let prepared = (row.prepare)(Arc::clone(&stage)).await;
        workloads.push((*row, prepared.map_err(|why| format!("{}: {why}", row.name))?));
    }
    stage.prove_administrator().await?;
    let mut evidence = Evidence {
        nemeses: wish.scenario.nemeses.iter().map(|name| (*name).to_owned()).collect(),
        workloads: workloads.iter().map(|(row, _)| row.name.to_owned()).collect(),
        clocks_moved: wish.scenario.needs(Need::Clock),
        gap_max: wish.scenario.gap.map(super::scenario::Gap::bound),
        patience: wish.patience,
        rate_percent: wish.rate_percent,
        ..Evidence::default()
    };
    say(&format!("breaking things for {} s", wish.length.as_secs()));
    evidence.began_us = stage.recorder.now_us();
    let traffic = Traffic::start(&stage, workloads, wish.rate_percent);
    strike(&wish, &field, &stage, &mut evidence).await?;
    let mended = Instant::now();
    evidence.mended_us = stage.recorder.at(mended);
    say("everything is mended; waiting for the cluster");
    evidence.aftermath.leader_after = aftermath::leader_after(&field, mended, wish.patience).await;
    sleep(AFTER * wish.patience).await;
    // What is under way still counts; nobody arrives any more.
    evidence.ended_us = stage.recorder.now_us();
    traffic.finish().await?;
    evidence.calls = stage.recorder.calls();
    aftermath::settle(&field, wish.patience, &mut evidence.aftermath).await;
    aftermath::ask(&field, &stage, &evidence.calls, &mut evidence.aftermath).await;
    let verdicts = promises::judge(&evidence);
    if let Some(folder) = wish
        .logs
        .as_ref()
        .filter(|_| verdicts.iter().any(|verdict| !verdict.held))
    {
        keep_logs(&field, folder)?;
    }
    Ok(Run {
        wish,
        evidence,
        verdicts,
    })
}

fn keep_logs(field: &Field, folder: &Path) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for name in field.cluster.description().names() {
        let log = field.cluster.layout().log(&name);
        // One that never started has none.
        let _none = std::fs::copy(&log, folder.join(format!("{name}.log")));
    }
    Ok(())
}

/// A cluster whose members reach each other through proxies.
async fn set_up(wish: &Wish) -> Result<Field, String> {
    let network = Network::open(wish.nodes, LBS, wish.seed).await?;
    let options = Options {
        nodes: wish.nodes,
        lbs: LBS,
        bin_dir: Some(wish.programs.clone()),
        surroundings: Surroundings {
            wiring: network.wiring(),
            hashing: Some(HASHING),
            ..Surroundings::default()
        },
    };
    let staged = Staged::new(&options).map_err(text)?;
    network.lead(staged.ports().map_err(text)?);
    let disks = match wish.scenario.needs(Need::Disk) {
        true => mount(wish, &staged, network.nodes())?,
        false => BTreeMap::new(),
    };
    let clocks = match wish.scenario.needs(Need::Clock) {
        true => clocks(&staged, network.nodes())?,
        false => BTreeMap::new(),
    };
    let library = clock::library().unwrap_or_default();
    let equip = |members: &cluster_harness::supervisor::Supervisor| {
        for (name, file) in &clocks {
            members.equip(name, clock::equipment(&library, file));
        }
    };
    let cluster: Cluster = staged.start_with(equip).await.map_err(text)?;
    let mut field = Field::new(cluster, network, wish.seed);
    field.disks = tokio::sync::Mutex::new(disks);
    field.clocks = clocks;
    field.older.clone_from(&wish.older);
    Ok(field)
}

/// A disk of our own where each node keeps its data.
fn mount(wish: &Wish, staged: &Staged, nodes: &[String]) -> Result<BTreeMap<String, FaultDisk>, String> {
    let program = wish.programs.join("tfauth-proofs");
    let mount = |name: &String| Ok((name.clone(), FaultDisk::mount(&program, &staged.layout().data(name))?));
    nodes.iter().map(mount).collect()
}

/// A clock of its own for each node, right at first.
fn clocks(staged: &Staged, nodes: &[String]) -> Result<BTreeMap<String, PathBuf>, String> {
    let file = |name: &String| {
        let file = staged.layout().member(name).join("clock");
        clock::set(&file, clock::RIGHT)?;
        Ok((name.clone(), file))
    };
    nodes.iter().map(file).collect()
}

/// Why this machine cannot run the scenario, if it cannot.
#[must_use]
pub fn missing(scenario: &Scenario, older: Option<&Path>) -> Option<String> {
    if scenario.needs(Need::Disk)
        && let Some(why) = faultfs::missing()
    {
        return Some(why);
    }
    if scenario.needs(Need::Clock) && clock::library().is_none() {
        return Some("Debian's package libfaketime is not installed".to_owned());
    }
    if scenario.needs(Need::Packets) && !packets::may() {
        return Some("packets are dropped by root with nftables only".to_owned());
    }
    if scenario.needs(Need::Older) && older.is_none() {
        return Some("name the programs of an older build with --older".to_owned());
    }
    None
}

/// Accounts, an administrator, and a policy that asks for no codes by chance.
async fn set_the_stage(field: &Field, seed: u64) -> Result<Stage, String> {
    let cluster = &field.cluster;
    let client = cluster.client().map_err(text)?;
    let apis: Vec<Api> = cluster.urls().iter().map(|url| Api::new(client.clone(), url)).collect();
    let admin = cluster.admin().map_err(text)?;
    field.ctl(&["admin", "bootstrap", &admin.username]).await?;
    let person = Person {
        username: admin.username,
        email: admin.email,
        password: admin.password,
    };
    let pool = Pool::enrol(&apis, "user", ACCOUNTS).await?;
    let administrator = Administrator::new(person, admin.totp_secret.unwrap_or_default());
    let stage = Stage::new(apis, pool, Mailbox::new(cluster.mail_dir()), administrator, seed).await?;
    let path = "/v1/admin/policy";
    let now = stage.at(0).send(Method::GET, path, &stage.admin_token(), None).await?;
    let mut policy = now.body.clone();
    let version = policy["version"].as_u64().ok_or("no policy")?;
    if let Some(fields) = policy.as_object_mut() {
        fields.remove("version");
    }
    policy["risk_mode"] = "off".into();
    policy["risk_share_permyriad"] = 0.into();
    let set = stage
        .at(0)
        .replace(path, &stage.admin_token(), version, &policy)
        .await?;
    match set.status {
        200 => Ok(stage),
        other => Err(format!("the policy cannot be set: {other} {}", set.text("code"))),
    }
}

/// Strikes until the time is over, each nemesis at least once; then mends everything.
async fn strike(wish: &Wish, field: &Field, stage: &Stage, evidence: &mut Evidence) -> Result<(), String> {
    let nemeses = wish.scenario.nemeses()?;
    let until = Instant::now() + wish.length;
    sleep(CALM).await;
    let mut number = 0;
    while let Some(nemesis) = nemeses.get(number % nemeses.len().max(1)) {
        if Instant::now() > until && number >= nemeses.len() {
            break;
        }
        let event = once(wish, field, stage, nemesis).await;
        notice_deaths(field, nemesis, evidence).await;
        evidence.events.push(event);
        number += 1;
        // Where the whole service may be gone, clients get some time in between.
        let rest = if wish.scenario.gap.is_some() {
            1_000..=2_500
        } else {
            3_000..=5_000
        };
        sleep(field.millis(rest)).await;
    }
    if nemeses.is_empty() {
        sleep(wish.length).await;
    }
    field.mend().await
}

async fn once(wish: &Wish, field: &Field, stage: &Stage, nemesis: &Nemesis) -> Event {
    let hold = field.millis(1_500..=4_000);
    let began_us = stage.recorder.now_us();
    let struck = (nemesis.act)(field, hold).await;
    let ended_us = stage.recorder.now_us();
    let strike = struck.unwrap_or_else(|why| Strike {
        victims: Vec::new(),
        took_effect: false,
        late: false,
        note: format!("could not strike: {why}"),
    });
    if wish.progress {
        let ms = (ended_us - began_us) / 1000;
        let effect = match (strike.took_effect, strike.late) {
            (true, _) => "",
            (false, true) => " NOT IN TIME",
            (false, false) => " WITHOUT EFFECT",
        };
        eprintln!(
            "[{}] {} on {} for {ms} ms{effect} {}",
            wish.scenario.name,
            nemesis.name,
            strike.victims.join(", "),
            strike.note
        );
    }
    Event {
        nemesis: nemesis.name.to_owned(),
        victims: strike.victims,
        began_us,
        ended_us,
        took_effect: strike.took_effect,
        late: strike.late,
        note: strike.note,
    }
}

/// After a strike everybody runs again; who does not ended by itself. Nodes on a failing disk may: they stop rather than lie.
async fn notice_deaths(field: &Field, nemesis: &Nemesis, evidence: &mut Evidence) {
    let _not_written = field.cluster.members().reap().await;
    for name in field.cluster.description().names() {
        if field.pid(&name).is_none() && nemesis.need != Need::Disk {
            evidence
                .aftermath
                .ended_by_themselves
                .push(format!("{name} (during {})", nemesis.name));
        }
    }
}
