//! A key leaves while the store serves: everything is sealed anew, an interruption is gone on from, nothing gets lost.

use super::*;
use crate::replication::testing::single_node;
use crate::secrets::Purpose;
use auth_core::command::RegisterAccount;
use auth_core::error::TableFault;
use auth_core::ids::AccountId;
use auth_core::tables::{Row, Table};
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

const OLD: (u32, [u8; 32]) = (1, [7; 32]);
const NEW: (u32, [u8; 32]) = (2, [9; 32]);
/// More than two batches.
const ACCOUNTS: u16 = 150;

fn id(number: u16) -> AccountId {
    AccountId(u128::from(number).to_be_bytes())
}

async fn register(replication: &Replication, ring: &KeyRing, number: u16) {
    let account = id(number);
    let name = format!("user{number}");
    let register = RegisterAccount {
        account,
        username: name.clone(),
        username_key: name.clone(),
        email: format!("{name}@example.org"),
        email_key: format!("{name}@example.org"),
        password: ring.seal(Purpose::PasswordHash, &account.0, name.as_bytes()).unwrap(),
        password_alone: false,
        confirmation: None,
    };
    let entry = Entry {
        request_id: RequestId(entropy::bytes()),
        at: clock::now(),
        client: Client::default(),
        command: Command::RegisterAccount(register),
    };
    let deadline = clock::monotonic() + RESEAL_MARK_MAX;
    replication.propose(&entry, deadline).await.unwrap();
}

fn opens(replication: &Replication, ring: &KeyRing, number: u16) -> bool {
    let account = query::account(&replication.view(), id(number)).unwrap().unwrap();
    let opened = ring.open(Purpose::PasswordHash, &account.id.0, &account.password);
    opened.is_ok_and(|plain| plain.as_slice() == account.username.as_bytes())
}

fn resealer(replication: &Replication, ring: &Arc<KeyRing>) -> Resealer {
    Resealer::new(replication.clone(), Arc::clone(ring), Metrics::new().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn cr_1_everything_is_sealed_anew_under_load_and_after_an_interruption() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    let old = KeyRing::of_tests(1, &[OLD]);
    for number in 0..ACCOUNTS {
        register(&replication, &old, number).await;
    }
    let both = Arc::new(KeyRing::of_tests(2, &[OLD, NEW]));
    let only_new = KeyRing::of_tests(2, &[NEW]);
    let lost = orphans(&replication.view(), &only_new).unwrap();
    assert_eq!(
        lost,
        BTreeMap::from([(1, u64::from(ACCOUNTS))]),
        "the old key must not go yet"
    );
    // Interrupted after the first batch; another leader goes on from there.
    let mut first = resealer(&replication, &both);
    assert_eq!(first.step().await.unwrap(), Step::More);
    drop(first);
    let progress = query::reseal_progress(&replication.view()).unwrap().unwrap();
    assert_eq!((progress.key, progress.count), (2, RESEAL_BATCH as u64));
    assert!(progress.cursor.is_some());
    // Meanwhile the cluster serves: one node still seals with the old key.
    register(&replication, &old, ACCOUNTS).await;
    let mut second = resealer(&replication, &both);
    while second.step().await.unwrap() != Step::Finished {}
    for number in 0..=ACCOUNTS {
        assert!(opens(&replication, &both, number), "{number}");
        assert!(opens(&replication, &only_new, number), "{number}");
    }
    assert_eq!(orphans(&replication.view(), &only_new).unwrap(), BTreeMap::new());
    assert_eq!(second.step().await.unwrap(), Step::Idle, "there is no more to do");
    let progress = query::reseal_progress(&replication.view()).unwrap().unwrap();
    assert_eq!((progress.count, progress.cursor), (u64::from(ACCOUNTS) + 1, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_does_not_open_is_told_and_left_and_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    register(&replication, &KeyRing::of_tests(3, &[(3, [1; 32])]), 0).await;
    register(&replication, &KeyRing::of_tests(1, &[OLD]), 1).await;
    let both = Arc::new(KeyRing::of_tests(2, &[OLD, NEW]));
    let mut worker = resealer(&replication, &both);
    assert_eq!(worker.step().await.unwrap(), Step::Finished);
    let unreadable = worker.metrics.resealed.with_label_values(&["unreadable"]).get();
    assert_eq!(unreadable, 1);
    let by_key = sealed_by_key(&replication.view()).unwrap();
    assert_eq!(by_key, BTreeMap::from([(2, 1), (3, 1)]));
}

/// A view that counts how often it is read.
struct Counted<'a, T> {
    under: &'a T,
    reads: AtomicUsize,
}

impl<T: TablesRead> TablesRead for Counted<'_, T> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, TableFault> {
        self.under.get(table, key)
    }

    fn range(&self, table: Table, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<Row>, TableFault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.under.range(table, start, end, limit)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_finds_nothing_to_do_lets_others_go_on_after_each_batch() {
    let dir = tempfile::tempdir().unwrap();
    let replication = single_node(dir.path()).await;
    let ring = Arc::new(KeyRing::of_tests(1, &[OLD]));
    for number in 0..ACCOUNTS {
        register(&replication, &ring, number).await;
    }
    let under = replication.view();
    let view = Counted {
        under: &under,
        reads: AtomicUsize::new(0),
    };
    let mut resealer = resealer(&replication, &ring);
    let mut walk = pin!(resealer.batches(&view, 1, None));
    let (mut before, mut turns) = (0, 0);
    let step = poll_fn(|cx| {
        let polled = walk.as_mut().poll(cx);
        let reads = view.reads.load(Ordering::Relaxed);
        turns += usize::from(reads > before);
        before = reads;
        polled
    })
    .await;
    assert!(matches!(step, Ok(Step::Finished)));
    let batches = usize::from(ACCOUNTS) / RESEAL_BATCH + 1;
    assert!(turns >= batches, "{batches} batches were read in {turns} turns");
}
