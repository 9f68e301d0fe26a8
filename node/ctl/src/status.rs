//! `tfauth status`: asks every node at the same time and prints a table, or JSON.

use crate::cli::{EXIT_FAULT, StatusOptions};
use crate::fetch;
use auth_api::status::{NodeStatus, Role};
use hyper::Uri;
use serde::Serialize;
use std::process::ExitCode;

/// What one listener said.
#[derive(Serialize)]
struct Answer {
    ops: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<NodeStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Report<'a> {
    nodes: &'a [Answer],
}

/// Asks, prints, and says by the exit code whether every node is ready.
pub(crate) async fn run(options: &StatusOptions) -> ExitCode {
    let questions: Vec<_> = options.ops.iter().cloned().map(|ops| tokio::spawn(ask(ops))).collect();
    let mut answers = Vec::with_capacity(questions.len());
    for question in questions {
        match question.await {
            Ok(answer) => answers.push(answer),
            Err(error) => {
                eprintln!("tfauth: asking a node failed: {error}");
                return ExitCode::from(EXIT_FAULT);
            }
        }
    }
    if options.json {
        match serde_json::to_string(&Report { nodes: &answers }) {
            Ok(text) => println!("{text}"),
            Err(error) => eprintln!("tfauth: the report could not be written as JSON: {error}"),
        }
    } else {
        print!("{}", table(&answers));
    }
    let all_ready = answers
        .iter()
        .all(|answer| answer.status.as_ref().is_some_and(|status| status.ready));
    if all_ready {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FAULT)
    }
}

async fn ask(ops: Uri) -> Answer {
    let name = ops.authority().map(ToString::to_string).unwrap_or_default();
    match fetch::json::<NodeStatus>(&ops, "/status").await {
        Ok(status) => Answer {
            ops: name,
            status: Some(status),
            error: None,
        },
        Err(error) => Answer {
            ops: name,
            status: None,
            error: Some(error.to_string()),
        },
    }
}

fn table(answers: &[Answer]) -> String {
    let mut text = format!(
        "{:<12} {:<10} {:>6} {:>10} {:>10} {:>9}  {}\n",
        "NODE", "ROLE", "TERM", "COMMITTED", "APPLIED", "IN FLIGHT", "STATE"
    );
    for answer in answers {
        text.push_str(&match (&answer.status, &answer.error) {
            (Some(status), _) => line(status),
            (None, error) => format!("{:<12} down: {}\n", answer.ops, error.as_deref().unwrap_or("no answer")),
        });
    }
    text
}

fn line(status: &NodeStatus) -> String {
    let state = match (status.draining, status.ready) {
        (true, _) => "draining",
        (false, true) => "ready",
        (false, false) => "not ready",
    };
    format!(
        "{:<12} {:<10} {:>6} {:>10} {:>10} {:>9}  {state}\n",
        status.name,
        role(status.role),
        status.term,
        status.committed,
        status.applied,
        status.in_flight
    )
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Leader => "leader",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Learner => "learner",
        Role::Down => "down",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> NodeStatus {
        NodeStatus {
            node_id: 1,
            name: "node-1".into(),
            incarnation: "00".into(),
            cluster_id: "00".into(),
            term: 3,
            role: Role::Leader,
            leader_id: Some(1),
            committed: 10,
            applied: 9,
            last_quorum_ms: Some(1),
            ready: true,
            draining: false,
            in_flight: 2,
            version: "0.1.0".into(),
        }
    }

    #[test]
    fn the_table_shows_nodes_that_answer_and_those_that_do_not() {
        let answers = [
            Answer {
                ops: "127.0.0.1:1".into(),
                status: Some(status()),
                error: None,
            },
            Answer {
                ops: "127.0.0.1:2".into(),
                status: None,
                error: Some("refused".into()),
            },
        ];
        let text = table(&answers);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(
            lines[1].starts_with("node-1") && lines[1].contains("leader") && lines[1].ends_with("ready"),
            "{text}"
        );
        assert!(lines[2].contains("down: refused"), "{text}");
    }

    #[test]
    fn a_draining_node_is_told_apart() {
        let draining = NodeStatus {
            draining: true,
            ..status()
        };
        assert!(line(&draining).trim_end().ends_with("draining"));
    }
}
