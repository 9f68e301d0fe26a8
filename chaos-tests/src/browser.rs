//! The pages as a person without scripts uses them: curl with a cookie jar, forms as they stand in the page.

use crate::shell::{Got, curl};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// One browser: its cookies live as long as it does.
pub struct Browser {
    ca: PathBuf,
    jar: PathBuf,
    _folder: TempDir,
}

/// A form of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Where it is sent.
    pub action: String,
    /// Names and values as they stand.
    pub fields: Vec<(String, String)>,
}

impl Browser {
    /// A browser that trusts the authority.
    ///
    /// # Errors
    /// No temporary folder.
    pub fn new(ca: &Path) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        Ok(Self {
            ca: ca.to_owned(),
            jar: folder.path().join("cookies"),
            _folder: folder,
        })
    }

    /// Opens an address, following redirects.
    ///
    /// # Errors
    /// No answer.
    pub fn open(&self, url: &str) -> Result<Got, String> {
        self.request(&["--location", url])
    }

    /// Sends a form with the given fields filled in, to `origin`; does not follow the redirect.
    ///
    /// # Errors
    /// No answer.
    pub fn submit(&self, origin: &str, form: &Form, filled: &[(&str, &str)]) -> Result<Got, String> {
        let value = |(name, old): &(String, String)| {
            let new = filled.iter().find(|(n, _)| n == name).map_or(old.as_str(), |(_, v)| v);
            format!("{name}={new}")
        };
        let pairs: Vec<String> = form.fields.iter().map(value).collect();
        let mut arguments = Vec::new();
        for pair in &pairs {
            arguments.extend(["--data-urlencode", pair.as_str()]);
        }
        let (url, origin_header) = (format!("{origin}{}", form.action), format!("origin: {origin}"));
        arguments.extend([
            "--header",
            &origin_header,
            "--header",
            "sec-fetch-site: same-origin",
            &url,
        ]);
        self.request(&arguments)
    }

    fn request(&self, arguments: &[&str]) -> Result<Got, String> {
        let jar = self.jar.to_string_lossy().into_owned();
        let mut all = vec![
            "--cookie",
            jar.as_str(),
            "--cookie-jar",
            jar.as_str(),
            "--header",
            "accept: text/html",
        ];
        all.extend(arguments);
        curl(&self.ca, &all)
    }
}

/// The first form of a page that posts to `action`.
///
/// # Errors
/// There is none; with the beginning of the page.
pub fn form(html: &str, action: &str) -> Result<Form, String> {
    let opening = html.match_indices("<form").map(|(at, _)| &html[at..]);
    for rest in opening {
        let whole = rest.split_once("</form>").map_or(rest, |(form, _)| form);
        let tag = whole.split_once('>').map_or(whole, |(tag, _)| tag);
        if attribute(tag, "action").as_deref() == Some(action) {
            return Ok(Form {
                action: action.to_owned(),
                fields: inputs(whole),
            });
        }
    }
    let start: String = html.chars().take(300).collect();
    Err(format!("the page has no form for {action}: {start}"))
}

fn inputs(form: &str) -> Vec<(String, String)> {
    let tags = form
        .match_indices("<input")
        .map(|(at, _)| form[at..].split_once('>').map_or("", |(tag, _)| tag));
    tags.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default())))
        .collect()
}

/// The value of an attribute of a tag.
#[must_use]
pub fn attribute(tag: &str, name: &str) -> Option<String> {
    let after = tag.split_once(&format!(" {name}=\""))?.1;
    let value = after.split_once('"')?.0;
    Some(
        value
            .replace("&amp;", "&")
            .replace("&#38;", "&")
            .replace("&quot;", "\"")
            .replace("&#34;", "\""),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_they_stand() {
        let page = r#"<form method="post" action="/logout"><input type="hidden" name="t" value="1"></form>
            <form method="post" action="/login"><input type="hidden" name="form_token" value="a&amp;b">
            <input id="username" name="username" type="text" value="" required></form>"#;
        let form = form(page, "/login").unwrap();
        let expected = [("form_token", "a&b"), ("username", "")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(form.fields, expected);
        assert!(super::form(page, "/signup").unwrap_err().contains("/signup"));
    }
}
