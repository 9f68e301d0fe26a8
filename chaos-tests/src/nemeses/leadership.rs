//! Leadership that is handed on by operators, again and again.

use super::{Need, Nemesis, Strike};
use crate::chaos::field::Field;
use futures_util::FutureExt as _;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(super) const ALL: &[Nemesis] = &[Nemesis {
    name: "transfer-storm",
    about: "leadership is handed from node to node, again and again",
    need: Need::Nothing,
    act: |field, hold| async move { storm(field, hold).await }.boxed(),
}];

async fn storm(field: &Field, hold: Duration) -> Result<Strike, String> {
    let until = Instant::now() + hold;
    let (mut victims, mut handed, mut last) = (Vec::new(), 0, String::new());
    while Instant::now() < until {
        let (_, others) = field.leader_and_others().await?;
        let to = field.pick(&others)?;
        let view = field.view().await?;
        let id = view
            .members
            .iter()
            .find(|member| member.name == to)
            .map(|member| member.id.to_string());
        let id = id.ok_or("a node is no member")?;
        match field
            .ctl(&["cluster", "transfer-leader", "--to", &id, "--wait", "3"])
            .await
        {
            Ok(_) => handed += 1,
            // Another transfer or an election was faster.
            Err(why) => last = why,
        }
        victims.push(to);
        sleep(field.millis(20..=400)).await;
    }
    victims.sort_unstable();
    victims.dedup();
    Ok(Strike::on(
        &victims,
        handed > 0,
        format!("handed on {handed} times {last}"),
    ))
}
