//! Mixed requests at a fixed rate, whatever the answers: arrivals do not wait, and latency counts from when a request should have left.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::codes::{Codes, Told};
use crate::api::{Answer, Api};
use crate::pool::Pool;

/// Arrivals in each second.
pub(super) const PER_SECOND: u32 = 200;
/// One of so many is a login, and one presents a code that was used already: each costs a password hash, and four in a second
/// are what two shared cores carry beside the rest.
const LOGIN_EVERY: u64 = 100;
/// One of so many is a refresh, which rotates a session; all others ask who the bearer is.
const REFRESH_EVERY: u64 = 4;

/// A session that is refreshed again and again.
#[derive(Clone)]
struct Session {
    /// Its place among the access tokens.
    place: usize,
    refresh: String,
    /// Generation of the first token.
    first: u64,
    /// Refreshes that were answered 200.
    refreshed: u64,
    /// A refresh had no answer, so its effect is not known.
    is_unknown: bool,
}

/// Sessions and unused codes, shared by all requests.
pub(super) struct Supply {
    sessions: Mutex<VecDeque<Session>>,
    access: Vec<String>,
    /// Places of sessions that are asked for nothing more: a refresh of theirs had no answer, and to repeat the token later
    /// than the grace allows ends the session, which is no failure of a later run.
    given_up: Mutex<HashSet<usize>>,
    pool: Pool,
    codes: Codes,
}

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) due: Instant,
    pub(super) done: Instant,
    pub(super) failure: Option<String>,
}

impl Supply {
    /// Enrols accounts and logs each in once.
    ///
    /// # Errors
    /// A step was answered otherwise than it should.
    pub(super) async fn prepare(api: &Api, accounts: usize, sessions: usize) -> Result<Self, String> {
        let pool = Pool::enrol(std::slice::from_ref(api), "bench", accounts).await?;
        let mut supply = Self {
            sessions: Mutex::default(),
            access: Vec::new(),
            given_up: Mutex::default(),
            pool,
            codes: Codes::default(),
        };
        while supply.access.len() < sessions {
            let Some(attempt) = supply.pool.take() else {
                tokio::time::sleep(crate::limits::POLL).await;
                continue;
            };
            let answer = api.log_in(&attempt.person, &attempt.code).await?;
            if answer.status != 200 {
                return Err(format!("a login was answered with {}: {}", answer.status, answer.body));
            }
            let refresh = answer.text("refresh_token");
            let first = generation(&refresh).ok_or("a refresh token without a generation")?;
            supply.access.push(answer.text("access_token"));
            supply.put(Session {
                place: supply.access.len() - 1,
                refresh,
                first,
                refreshed: 0,
                is_unknown: false,
            });
        }
        Ok(supply)
    }

    /// Waits until there are codes for every login of a run.
    pub(super) async fn restock(&self, logins: usize) {
        while self.pool.ready() < logins {
            tokio::time::sleep(crate::limits::POLL).await;
        }
    }

    /// Refreshes that took effect more often than they were answered, over all sessions whose every refresh was answered.
    pub(super) fn doubled(&self) -> u64 {
        let sessions = lock(&self.sessions);
        let known = sessions.iter().filter(|session| !session.is_unknown);
        known
            .filter_map(|session| Some(generation(&session.refresh)?.saturating_sub(session.first + session.refreshed)))
            .sum()
    }

    /// What is known of every code.
    pub(super) fn codes(&self) -> &Codes {
        &self.codes
    }

    fn take(&self) -> Option<Session> {
        lock(&self.sessions).pop_front()
    }

    fn put(&self, session: Session) {
        if session.is_unknown {
            lock(&self.given_up).insert(session.place);
        } else {
            lock(&self.sessions).push_back(session);
        }
    }

    /// An access token of a session that lives, in turn.
    fn access(&self, count: u64) -> Option<&String> {
        let first = usize::try_from(count).unwrap_or(0) % self.access.len().max(1);
        let given_up = lock(&self.given_up);
        let places = (first..self.access.len()).chain(0..first);
        let place = places.into_iter().find(|place| !given_up.contains(place))?;
        self.access.get(place)
    }
}

/// Requests under way.
pub(super) struct Traffic {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Vec<Sample>>,
}

impl Traffic {
    /// Begins to ask `api`.
    pub(super) fn start(api: Api, supply: Arc<Supply>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(arrivals(api, supply, Arc::clone(&stop)));
        Self { stop, task }
    }

    /// Sends no more and waits for what is under way.
    ///
    /// # Errors
    /// The task failed.
    pub(super) async fn finish(self) -> Result<Vec<Sample>, String> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.map_err(|error| format!("the traffic failed: {error}"))
    }
}

async fn arrivals(api: Api, supply: Arc<Supply>, stop: Arc<AtomicBool>) -> Vec<Sample> {
    let mut ticks = interval(Duration::from_secs(1) / PER_SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut under_way = JoinSet::new();
    let mut samples = Vec::new();
    for count in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let due = ticks.tick().await;
        let (api, supply) = (api.clone(), Arc::clone(&supply));
        under_way.spawn(async move {
            let failure = ask(&api, &supply, count).await.err();
            Sample {
                due,
                done: Instant::now(),
                failure,
            }
        });
        while let Some(Ok(sample)) = under_way.try_join_next() {
            samples.push(sample);
        }
    }
    while let Some(joined) = under_way.join_next().await {
        samples.extend(joined.ok());
    }
    samples
}

async fn ask(api: &Api, supply: &Supply, count: u64) -> Result<(), String> {
    if count.is_multiple_of(LOGIN_EVERY) {
        let attempt = supply.pool.take().ok_or("the bench has no unused code left")?;
        let answer = api.log_in(&attempt.person, &attempt.code).await;
        supply.codes.used(attempt, told(&answer));
        return ok("login", answer).map(drop);
    }
    if count % LOGIN_EVERY == LOGIN_EVERY / 2
        && let Some(attempt) = supply.codes.again()
    {
        let answer = api.log_in(&attempt.person, &attempt.code).await;
        let told = told(&answer);
        supply.codes.told(&attempt, told);
        // Refused is right; an acceptance is counted where codes are.
        return match (told, answer) {
            (Told::Accepted | Told::Refused, _) => Ok(()),
            (Told::Unknown, answer) => ok("a used code", answer).map(drop),
        };
    }
    if count % REFRESH_EVERY == 1 {
        let mut session = supply.take().ok_or("the bench has no free session left")?;
        let answer = api.refresh(&session.refresh).await;
        let is_unknown = answer.as_ref().map_or(true, |answer| answer.status >= 500);
        let answer = ok("refresh", answer);
        if let Ok(answer) = &answer {
            session.refresh = answer.text("refresh_token");
            session.refreshed += 1;
        } else {
            session.is_unknown |= is_unknown;
        }
        supply.put(session);
        return answer.map(drop);
    }
    let access = supply.access(count).ok_or("the bench has no session")?;
    ok("user-info", api.user_info(access).await).map(drop)
}

/// What the answer to a login says.
fn told(answer: &Result<Answer, String>) -> Told {
    match answer.as_ref().map(|answer| answer.status) {
        Ok(200) => Told::Accepted,
        Ok(401) => Told::Refused,
        Ok(_) | Err(_) => Told::Unknown,
    }
}

fn ok(what: &str, answer: Result<Answer, String>) -> Result<Answer, String> {
    match answer {
        Ok(answer) if answer.status == 200 => Ok(answer),
        Ok(answer) => Err(format!("{what}: {}", answer.status)),
        Err(error) => Err(format!("{what}: no answer: {error}")),
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a refresh token says about how often it was rotated.
fn generation(token: &str) -> Option<u64> {
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<serde_json::Value>(&payload).ok()?["gen"].as_u64()
}
