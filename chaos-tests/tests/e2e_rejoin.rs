//! A node whose data folder must not be used any more: its log is damaged, or the whole folder came from an old image. It
//! stops and says why, or comes back by itself as a new node, as its configuration says; users notice nothing.
#![cfg(test)]

use chaos_tests::api::Api;
use chaos_tests::folders::{copy, damage_log, exchange, id_of, members};
use chaos_tests::limits::{GAP_MAX, POLL};
use chaos_tests::load::{Report, Traffic};
use chaos_tests::pool::Pool;
use cluster_harness::cluster::{Cluster, Options};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const LOGINS_PER_SECOND: u32 = 5;
const ACCOUNTS: usize = 60;
const BETWEEN: Duration = Duration::from_secs(1);
/// How long a node may take to find out, to join anew, or to be told.
const PATIENCE: Duration = Duration::from_secs(60);

/// Three nodes under load, one of which is to be hurt.
struct Ward {
    cluster: Cluster,
    traffic: Traffic,
    patient: String,
    other: String,
    old: u64,
}

impl Ward {
    async fn open() -> Self {
        let cluster = Cluster::start(Options::default()).await.unwrap();
        let client = cluster.client().unwrap();
        let apis: Vec<Api> = cluster.urls().iter().map(|url| Api::new(client.clone(), url)).collect();
        let pool = Arc::new(Pool::enrol(&apis, "user", ACCOUNTS).await.unwrap());
        let leader = cluster.find_leader().await.unwrap();
        let mut names = cluster.description().nodes.into_iter().map(|node| node.name);
        let patient = names.rfind(|name| *name != leader).unwrap();
        let old = id_of(&members(&cluster, &leader).unwrap(), &patient).unwrap().id;
        let traffic = Traffic::start(apis[0].clone(), pool, LOGINS_PER_SECOND);
        tokio::time::sleep(BETWEEN).await;
        Self {
            cluster,
            traffic,
            patient,
            other: leader,
            old,
        }
    }

    fn rejoin_on_damage(&self) {
        let path = self.cluster.layout().config(&self.patient);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}\n[storage]\non_damage = \"rejoin\"\n")).unwrap();
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.cluster.layout().log(&self.patient)).unwrap_or_default()
    }

    /// Waits until the patient has ended by itself.
    async fn ended(&self) {
        let until = Instant::now() + PATIENCE;
        while self.cluster.description().pid(&self.patient).is_some() {
            assert!(Instant::now() < until, "it runs on:\n{}", self.log());
            tokio::time::sleep(POLL).await;
            self.cluster.members().reap().await.unwrap();
        }
    }

    /// Waits until the patient votes under a new id, and the old one is gone.
    async fn rejoined(&self) -> u64 {
        let until = Instant::now() + PATIENCE;
        loop {
            let view = members(&self.cluster, &self.other);
            if let Ok(view) = &view {
                let gone = view.members.iter().all(|member| member.id != self.old);
                let now = id_of(view, &self.patient).filter(|member| member.part == "voter");
                if let (true, false, Some(now)) = (gone, view.changing, now) {
                    return now.id;
                }
            }
            assert!(Instant::now() < until, "it has not joined: {view:?}\n{}", self.log());
            tokio::time::sleep(POLL).await;
        }
    }

    async fn launch(&self) {
        self.cluster.members().launch(&self.patient).await.unwrap();
    }

    /// Nobody noticed anything.
    async fn close(self) -> Cluster {
        tokio::time::sleep(BETWEEN).await;
        let report = Report::of(&self.traffic.finish().await.unwrap());
        println!("meanwhile: {report}");
        assert_eq!(report.failures, Vec::<String>::new());
        assert!(report.longest_gap <= GAP_MAX && report.logins > 10, "{report}");
        self.cluster
    }
}

#[tokio::test]
async fn a_node_whose_log_is_damaged_comes_back_by_itself_under_a_new_id() {
    let ward = Ward::open().await;
    ward.rejoin_on_damage();
    let data = ward.cluster.layout().data(&ward.patient);
    let kept = ward.cluster.layout().root().join("kept");
    ward.cluster.members().stop(&ward.patient).await.unwrap();
    copy(&data, &kept).unwrap();
    damage_log(&data).unwrap();
    let began = Instant::now();
    ward.launch().await;
    let new = ward.rejoined().await;
    assert!(new > 999, "an id that the cluster gave: {new}");
    println!(
        "node {} came back as node {new} in {} ms",
        ward.old,
        began.elapsed().as_millis()
    );
    ward.cluster.wait_healthy().await.unwrap();
    let burned = std::fs::read_to_string(data.join("burned")).unwrap();
    assert!(burned.contains(&format!(" {} ", ward.old)), "{burned}");
    let (patient, old) = (ward.patient.clone(), ward.old);
    let cluster = ward.close().await;
    stays_out(&cluster, &patient, old, &kept).await;
}

/// The machine is started on the sound folder that it had before: its id is refused for ever.
async fn stays_out(cluster: &Cluster, name: &str, old: u64, kept: &Path) {
    cluster.members().kill(name).await.unwrap();
    exchange(&cluster.layout().data(name), kept).unwrap();
    cluster.members().start(name).await.unwrap();
    let nodes = cluster.description().nodes;
    let ops = &nodes.iter().find(|node| node.name == name).unwrap().ops;
    let client = reqwest::Client::new();
    let until = Instant::now() + PATIENCE;
    loop {
        let text = client
            .get(format!("{ops}/readyz"))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        if text.contains(&format!("node id {old} was removed")) {
            return;
        }
        assert!(Instant::now() < until, "it was not told: {text}");
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test]
async fn a_node_restored_from_an_old_image_stops_and_joins_anew_when_it_may() {
    let ward = Ward::open().await;
    let data = ward.cluster.layout().data(&ward.patient);
    let image = ward.cluster.layout().root().join("image");
    // As a hypervisor takes it: the machine stands still for a moment, and goes on.
    ward.cluster.members().pause(&ward.patient).await.unwrap();
    copy(&data, &image).unwrap();
    ward.cluster.members().resume(&ward.patient).await.unwrap();
    tokio::time::sleep(BETWEEN * 2).await;
    ward.cluster.members().kill(&ward.patient).await.unwrap();
    exchange(&data, &image).unwrap();
    ward.launch().await;
    ward.ended().await;
    let said = ward.log();
    for words in ["restored from an older image", "must not be used", "damaged-disk.md"] {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }
    // It does not try again by itself, and asks nobody.
    ward.launch().await;
    ward.ended().await;
    assert!(ward.log().matches("must not be used").count() > said.matches("must not be used").count());
    ward.rejoin_on_damage();
    ward.launch().await;
    let new = ward.rejoined().await;
    ward.cluster.wait_healthy().await.unwrap();
    println!("node {} of an old image is node {new} now", ward.old);
    ward.close().await;
}
