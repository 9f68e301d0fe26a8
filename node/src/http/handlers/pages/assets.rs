//! The style sheet and the icon, in the binary. A name holds the hash of its content, so that browsers may keep it for
//! good. Nothing else is ever served from here: there is no folder to walk out of.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::LazyLock;

/// Bytes of the content's hash in a name; 64 bits keep names of different contents apart.
const NAME_HASH_BYTES: usize = 8;
/// One year: the content under a name never changes.
const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// The style sheet of every page.
pub(crate) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "app",
        "css",
        "text/css; charset=utf-8",
        include_str!("../../../../static/app.css"),
    )
});
/// The icon in the browser's tab.
pub(crate) static ICON: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "icon",
        "svg",
        "image/svg+xml",
        include_str!("../../../../static/icon.svg"),
    )
});

/// A file with the name that it is served under.
pub(crate) struct Asset {
    /// Absolute path, with the content's hash.
    pub(crate) path: String,
    content_type: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(stem: &str, extension: &str, content_type: &'static str, content: &'static str) -> Self {
        let digest = Sha256::digest(content.as_bytes());
        let hash = digest
            .iter()
            .take(NAME_HASH_BYTES)
            .fold(String::new(), |mut hash, byte| {
                // Writing to a String cannot fail.
                let _ = write!(hash, "{byte:02x}");
                hash
            });
        Self {
            path: format!("/static/{stem}-{hash}.{extension}"),
            content_type,
            content,
        }
    }
}

/// `GET /static/{name}`
pub(super) async fn serve(name: Result<Path<String>, PathRejection>) -> Response {
    let Ok(Path(name)) = name else {
        return super::status_page(StatusCode::NOT_FOUND, None, None);
    };
    let assets: [&'static Asset; 2] = [&STYLE, &ICON];
    match assets
        .into_iter()
        .find(|asset| asset.path.strip_prefix("/static/") == Some(name.as_str()))
    {
        Some(asset) => {
            let headers = [
                (header::CONTENT_TYPE, asset.content_type),
                (header::CACHE_CONTROL, CACHE_CONTROL),
            ];
            (headers, asset.content).into_response()
        }
        None => super::status_page(StatusCode::NOT_FOUND, None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_asset_is_found_under_its_hash_only() {
        let name = STYLE.path.trim_start_matches("/static/").to_owned();
        let found = serve(Ok(Path(name))).await;
        assert_eq!(found.status(), StatusCode::OK);
        assert_eq!(found.headers()[header::CONTENT_TYPE], "text/css; charset=utf-8");
        assert_eq!(found.headers()[header::CACHE_CONTROL], CACHE_CONTROL);
        for name in ["app.css", "app-0000000000000000.css", "../app.css", ""] {
            assert_eq!(
                serve(Ok(Path(name.to_owned()))).await.status(),
                StatusCode::NOT_FOUND,
                "{name}"
            );
        }
    }

    #[test]
    fn the_style_sheet_loads_nothing() {
        for forbidden in ["url(", "@import", "http:", "https:", "//"] {
            assert!(!STYLE.content.contains(forbidden), "{forbidden} in the style sheet");
        }
    }
}
