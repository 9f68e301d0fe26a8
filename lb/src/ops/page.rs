//! The status as a page for people: it refreshes itself without a script and escapes everything that it shows.

use std::fmt::Write as _;

use super::status::{NodeLine, Status};

/// What the page may do: show itself.
pub(super) const CONTENT_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = "body{font:16px/1.4 system-ui,sans-serif;margin:1.5rem;color-scheme:light dark}\
table{border-collapse:collapse}th,td{text-align:left;padding:.3rem .8rem;border-bottom:1px solid #8884}\
td.n{text-align:right;font-variant-numeric:tabular-nums}.ok{color:#17803d}.no{color:#c0262d}.so{color:#a15c00}";

/// The page.
pub(super) fn render(status: &Status) -> String {
    let mut page = String::with_capacity(4_096);
    let title = escape(&status.name);
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"2\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style>\
         <h1>{title}</h1><p>Version {}. Requests {}, waiting {}, connections {}. Leader: {}.</p>",
        escape(status.version),
        status.in_flight,
        status.held,
        status.connections,
        escape(status.leader.as_deref().unwrap_or("none known")),
    );
    if status.draining {
        page.push_str("<p class=\"so\">This load balancer is draining: it is about to stop.</p>");
    }
    if !status.configuration_ok {
        page.push_str("<p class=\"no\">The configuration on disk is wrong; the running one was kept. See the log.</p>");
    }
    for warning in &status.warnings {
        let _ = write!(page, "<p class=\"so\">{}</p>", escape(warning));
    }
    page.push_str(
        "<table><tr><th>Node<th>Address<th>State<th>Role<th>Term<th>Applied<th>Behind<th>Requests<th>Slowness<th>Version</tr>",
    );
    for node in &status.nodes {
        row(&mut page, node);
    }
    page.push_str("</table></html>");
    page
}

fn row(page: &mut String, node: &NodeLine) {
    let (class, state) = state(node);
    let role = format!("{:?}", node.role).to_lowercase();
    let _ = write!(
        page,
        "<tr><td>{}<td>{}<td class=\"{class}\">{state}<td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}\
         <td class=\"n\">{}<td class=\"n\">{:.1}<td>{}</tr>",
        escape(&node.name),
        node.address,
        escape(&role),
        node.term,
        node.applied,
        node.lag,
        node.in_flight,
        node.slowness,
        escape(&node.version),
    );
}

fn state(node: &NodeLine) -> (&'static str, &'static str) {
    if node.drained {
        ("so", "drained by an operator")
    } else if !node.up {
        ("no", "down")
    } else if node.draining {
        ("so", "draining")
    } else if node.suspect {
        ("no", "does not answer probes")
    } else if node.ejected {
        ("no", "set aside: requests to it failed")
    } else if node.ready {
        ("ok", "ready")
    } else {
        ("so", "not ready")
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use auth_api::status::Role;

    use super::*;

    #[test]
    fn nothing_that_is_shown_becomes_markup() {
        let evil = "<script>\"'&";
        let node = NodeLine {
            name: evil.into(),
            address: ([127, 0, 0, 1], 1).into(),
            up: true,
            ready: true,
            suspect: false,
            draining: false,
            drained: false,
            ejected: false,
            role: Role::Leader,
            term: 1,
            applied: 2,
            lag: 0,
            in_flight: 3,
            slowness: 1.0,
            version: evil.into(),
        };
        let status = Status {
            name: evil.into(),
            version: "1",
            draining: true,
            in_flight: 0,
            held: 0,
            connections: 0,
            leader: Some(evil.into()),
            configuration_ok: false,
            warnings: vec![evil.into()],
            nodes: vec![node],
        };
        let page = render(&status);
        assert!(!page.contains("<script") && !page.contains("\"'&"), "{page}");
        assert_eq!(page.matches("&lt;script&gt;&quot;&#39;&amp;").count(), 6, "{page}");
        assert!(page.contains(">ready<") && page.contains(">leader<"), "{page}");
    }
}
