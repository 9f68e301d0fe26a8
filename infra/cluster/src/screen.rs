//! What a person sees: how to use the cluster, and a table that is drawn again each second on a terminal.

use crate::description::Description;
use crate::limits::TABLE_MILLIS;
use crate::supervisor::Supervisor;
use auth_api::dialect_003::LOGIN;
use std::io::{IsTerminal as _, Write as _, stdout};
use std::sync::Arc;
use std::time::Duration;

/// How to use a cluster that is up. Contains the credentials of its throw-away account: for a person's eyes, not for logs.
#[must_use]
pub fn banner(description: &Description) -> String {
    let mut text = format!("\ntfauth is up: {}\n", description.urls.join("  "));
    text.push_str(&format!("authority to trust: {}\n", description.ca.display()));
    let Some(admin) = &description.admin else { return text };
    let (Some(secret), Some(url)) = (&admin.totp_secret, description.urls.first()) else {
        return text;
    };
    text.push_str(&format!(
        "account: {}   password: {}   seed of the codes: {secret}\n",
        admin.username, admin.password
    ));
    text.push_str(&format!(
        "log in (a code works once, there is a new one every 30 s):\n  curl --cacert '{}' -H 'content-type: application/json' \\\n    -d '{{\"username\":\"{}\",\"password\":\"{}\",\"security_code\":\"'\"$(oathtool --totp -b {secret})\"'\"}}' \\\n    {url}{LOGIN}\n",
        description.ca.display(),
        admin.username,
        admin.password,
    ));
    text
}

/// Shows the members' state until the caller stops listening: redrawn on a terminal, told on changes elsewhere.
pub async fn live_table(supervisor: Arc<Supervisor>) {
    let terminal = stdout().is_terminal();
    let mut last = String::new();
    let mut shape = Vec::new();
    loop {
        let status = supervisor.prober().cluster(&supervisor.description()).await;
        let table = format!("{}Ctrl-C stops everything\n", status.table());
        let new_shape: Vec<String> = status
            .nodes
            .iter()
            .map(|n| format!("{}{:?}{}", n.name, n.role, n.health))
            .chain(status.lbs.iter().map(|l| format!("{}{}", l.name, l.health)))
            .collect();
        if terminal {
            print!("{}{table}", rewind(&last));
        } else if new_shape != shape {
            println!("{}", status.table());
        }
        let _ = stdout().flush();
        (last, shape) = (table, new_shape);
        tokio::time::sleep(Duration::from_millis(TABLE_MILLIS)).await;
    }
}

/// Moves the cursor to where the last table began, and clears from there.
fn rewind(last: &str) -> String {
    match last.lines().count() {
        0 => String::new(),
        lines => format!("\x1b[{lines}A\x1b[J"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::Admin;
    use crate::layout::Layout;
    use crate::settings::{Settings, Wish};

    #[test]
    fn the_banner_has_a_line_to_paste() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path()).unwrap();
        let mut description = Description::new(&layout, &Settings::fresh(Wish::default()).unwrap()).unwrap();
        description.admin = Some(Admin {
            username: "admin".into(),
            email: "a@b".into(),
            password: "pw".into(),
            totp_secret: Some("SEED".into()),
        });
        let text = banner(&description);
        assert!(text.contains("https://localhost:8443/api/v1/auth-jwt/login"), "{text}");
        assert!(
            text.contains("oathtool --totp -b SEED") && text.contains("ca.pem"),
            "{text}"
        );
    }

    #[test]
    fn a_table_is_drawn_over_the_last_one() {
        assert_eq!(rewind(""), "");
        assert_eq!(rewind("a\nb\n"), "\x1b[2A\x1b[J");
    }
}
