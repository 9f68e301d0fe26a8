//! How long one client of three members waits, beside a round trip and a sync of the same moment.

use super::groups::{Clock, Nothing, RawLog, client};
use super::{COMMAND_BYTES, Commit, Plan, folder};
use crate::member::{Site, config};
use raft_store::{Limits, Role, Store};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn measure(plan: &Plan, commit: &mut Commit) -> Result<(), String> {
    commit.round_trip_us.push(round_trip(plan.time)?);
    commit.sync_us.push(sync(plan)?);
    let folder = folder(plan)?;
    let site = Site::new(&plan.program, 3)?;
    let mut stores = Vec::new();
    for id in 1..=3 {
        let data = folder.path().join(format!("member-{id}"));
        let config = config(id, site.addresses(), &site.papers(), &data, Limits::default())?;
        stores.push(
            Store::open(config, Arc::new(Nothing))
                .await
                .map_err(|e| e.to_string())?,
        );
    }
    for store in &stores {
        store
            .read_barrier(Instant::now() + PATIENCE)
            .await
            .map_err(|e| e.to_string())?;
    }
    let leader = stores.iter().find(|store| store.status().role == Role::Leader);
    let leader = leader.ok_or("no member leads")?.clone();
    // As a server would: on a worker of the runtime.
    let latencies = tokio::spawn(client(leader, plan.time))
        .await
        .map_err(|e| e.to_string())??;
    #[expect(clippy::cast_precision_loss, reason = "figures for people, far below 2^52")]
    let at = |quantile| latencies.value_at_quantile(quantile) as f64;
    commit.p50_us.push(at(0.5));
    commit.p99_us.push(at(0.99));
    for store in &stores {
        store.shutdown(Duration::ZERO).await.map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn sync(plan: &Plan) -> Result<f64, String> {
    let folder = folder(plan)?;
    let mut log = RawLog::create(folder.path())?;
    let mut clock = Clock::start()?;
    while clock.runs(plan.time) {
        let begun = Instant::now();
        log.append(&[0x5A; COMMAND_BYTES])?;
        clock.note(begun.elapsed(), 1);
    }
    Ok(clock.figures().1)
}

fn round_trip(time: Duration) -> Result<f64, String> {
    let words = |e: std::io::Error| format!("loopback: {e}");
    let listener = TcpListener::bind("127.0.0.1:0").map_err(words)?;
    let mut near = TcpStream::connect(listener.local_addr().map_err(words)?).map_err(words)?;
    let (mut far, _) = listener.accept().map_err(words)?;
    near.set_nodelay(true)
        .and_then(|()| far.set_nodelay(true))
        .map_err(words)?;
    let echo = std::thread::spawn(move || {
        let mut bytes = [0; COMMAND_BYTES];
        while far.read_exact(&mut bytes).and_then(|()| far.write_all(&bytes)).is_ok() {}
    });
    let mut bytes = [0x5A; COMMAND_BYTES];
    let mut clock = Clock::start()?;
    while clock.runs(time) {
        let begun = Instant::now();
        near.write_all(&bytes)
            .and_then(|()| near.read_exact(&mut bytes))
            .map_err(words)?;
        clock.note(begun.elapsed(), 1);
    }
    drop(near);
    echo.join().map_err(|_| "the echo failed")?;
    Ok(clock.figures().1)
}
