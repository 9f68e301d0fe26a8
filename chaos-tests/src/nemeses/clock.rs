//! Clocks that jump, drift and stand still, one node at a time: Debian's libfaketime answers a node's questions for the time
//! of day by a file that is changed while the node runs. The clock that counts durations is left alone, as in a machine whose
//! time service goes wrong.

use super::{Need, Nemesis, Strike};
use crate::chaos::field::Field;
use cluster_harness::equipment::Equipment;
use futures_util::FutureExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(super) const ALL: &[Nemesis] = &[
    nemesis(
        "clock-jumps-ahead",
        "the clock of a node jumps ahead by seconds to an hour",
        |field, hold| async move { others(field, hold, &["+7s", "+61s", "+3600s"]).await }.boxed(),
    ),
    nemesis(
        "clock-jumps-back",
        "the clock of a node jumps back by seconds to an hour",
        |field, hold| async move { others(field, hold, &["-7s", "-61s", "-3600s"]).await }.boxed(),
    ),
    nemesis(
        "leader-clock-jumps",
        "the clock of the leader jumps, ahead or back",
        |field, hold| {
            async move {
                let leader = field.leader().await?;
                let spec = field.pick(&["+3600s", "-3600s", "+20s", "-20s"])?;
                move_clock(field, &leader, spec, hold).await
            }
            .boxed()
        },
    ),
    nemesis(
        "clock-drifts",
        "the clock of a node runs a tenth too fast",
        |field, hold| {
            async move {
                let victim = field.pick(field.network.nodes())?;
                // A tenth of a few seconds is within what members tolerate: the drift starts where it is about to be too much.
                move_clock(field, &victim, "+5 x1.1", hold * 2).await
            }
            .boxed()
        },
    ),
    nemesis("clock-freezes", "the clock of a node stands still", |field, hold| {
        async move {
            let victim = field.pick(field.network.nodes())?;
            let moment = crate::clock::unix_seconds().saturating_sub(6);
            move_clock(field, &victim, &date(moment), hold * 2).await
        }
        .boxed()
    }),
];

/// Where Debian puts it.
const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
];
/// A clock that is right, and runs as fast as it should: the pace of before would stay otherwise.
pub const RIGHT: &str = "+0 x1";
/// The file is read again after so many seconds.
const CACHE_SECONDS: &str = "1";

const fn nemesis(name: &'static str, about: &'static str, act: super::Act) -> Nemesis {
    Nemesis {
        name,
        about,
        need: Need::Clock,
        act,
    }
}

/// The library, if this machine has it.
#[must_use]
pub fn library() -> Option<PathBuf> {
    LIBRARIES.iter().map(PathBuf::from).find(|path| path.exists())
}

/// What a node is started with so that its clock goes by `file`.
#[must_use]
pub fn equipment(library: &Path, file: &Path) -> Equipment {
    let set = |name: &str, value: String| (name.to_owned(), value);
    Equipment {
        environment: [
            set("LD_PRELOAD", library.to_string_lossy().into_owned()),
            set("FAKETIME_TIMESTAMP_FILE", file.to_string_lossy().into_owned()),
            set("FAKETIME_CACHE_DURATION", CACHE_SECONDS.to_owned()),
            set("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            set("DONT_FAKE_MONOTONIC", "1".to_owned()),
            set("TZ", "UTC".to_owned()),
        ]
        .into(),
        program: None,
    }
}

/// A moment in words of the library: a clock that stands there. Days are counted as in Howard Hinnant's "chrono-compatible
/// low-level date algorithms".
fn date(unix_seconds: u64) -> String {
    let (days, second) = (unix_seconds / 86_400 + 719_468, unix_seconds % 86_400);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{:02}", second % 60)
}

/// Moves a clock, within a second.
///
/// # Errors
/// The file cannot be written.
pub fn set(file: &Path, spec: &str) -> Result<(), String> {
    let next = file.with_extension("next");
    std::fs::write(&next, format!("{spec}\n"))
        .and_then(|()| std::fs::rename(&next, file))
        .map_err(|e| format!("{}: {e}", file.display()))
}

async fn others(field: &Field, hold: Duration, specs: &[&str]) -> Result<Strike, String> {
    let (_, others) = field.leader_and_others().await?;
    let victim = field.pick(&others)?;
    let spec = field.pick(specs)?;
    move_clock(field, &victim, spec, hold).await
}

async fn move_clock(field: &Field, victim: &str, spec: &str, hold: Duration) -> Result<Strike, String> {
    let file = field
        .clocks
        .get(victim)
        .ok_or("this cluster's clocks cannot be moved")?;
    set(file, spec)?;
    let until = Instant::now() + hold.max(Duration::from_secs(3));
    let mut noticed = String::new();
    while Instant::now() < until {
        if noticed.is_empty() {
            noticed = complaint(field, victim).await;
        }
        sleep(crate::limits::POLL).await;
    }
    set(file, RIGHT)?;
    // Believed again only after it was compared: members do that once a second.
    sleep(Duration::from_secs(3)).await;
    let took_effect = !noticed.is_empty();
    Ok(Strike::on(
        &[victim.to_owned()],
        took_effect,
        format!("{spec}: {noticed}"),
    ))
}

/// What the node says about its clock, or others about it.
async fn complaint(field: &Field, victim: &str) -> String {
    if let (Some(ops), Ok(client)) = (field.ops(victim), cluster_harness::http::ops_client())
        && let Ok(answer) = client.get(format!("{ops}/readyz")).send().await
        && let Ok(text) = answer.text().await
        && text.contains("clock")
    {
        return text;
    }
    let Ok(view) = field.view().await else {
        return String::new();
    };
    let off = view
        .members
        .iter()
        .find(|member| member.clock_ahead_ms.is_some_and(|ahead| ahead.abs() > 1_500));
    off.map_or_else(String::new, |member| {
        format!("{} is {:?} ms ahead", member.name, member.clock_ahead_ms)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_words() {
        assert_eq!(date(0), "1970-01-01 00:00:00");
        assert_eq!(date(951_827_696), "2000-02-29 12:34:56");
        assert_eq!(date(1_795_279_447), "2026-11-21 16:44:07");
    }
}
