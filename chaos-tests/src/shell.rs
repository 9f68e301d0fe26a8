//! Programs that this project did not write, as independent judges: curl, oathtool, zbarimg.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

/// Runs a program to its end; its standard output as text.
///
/// # Errors
/// The program is missing or fails; with what it said.
pub fn run<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Result<String, String> {
    let output = output(program, arguments)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{program} ended with {}: {said}", output.status))
}

/// Runs a program to its end, whatever the end.
///
/// # Errors
/// The program is missing.
pub fn output<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Result<Output, String> {
    Command::new(program)
        .args(arguments)
        .output()
        .map_err(|e| format!("cannot run {program}: {e}; `infra/dev test` installs what the tests need"))
}

/// The code of a base32 seed, as oathtool computes it for a time.
///
/// # Errors
/// oathtool is missing or refuses the seed.
pub fn oathtool(secret: &str, unix_seconds: u64) -> Result<String, String> {
    run("oathtool", &["--totp", "-b", "-N", &format!("@{unix_seconds}"), secret])
}

/// What a QR code says.
///
/// # Errors
/// zbarimg is missing or sees no code.
pub fn zbarimg(image: &Path) -> Result<String, String> {
    run(
        "zbarimg",
        &[OsStr::new("--quiet"), OsStr::new("--raw"), image.as_os_str()],
    )
}

/// The base32 seed in an `otpauth://` address.
///
/// # Errors
/// There is none.
pub fn secret_of(otpauth: &str) -> Result<String, String> {
    let query = otpauth.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let secret = query.split('&').find_map(|pair| pair.strip_prefix("secret="));
    secret.map(str::to_owned).ok_or_else(|| format!("no seed in {otpauth}"))
}

/// What curl got.
#[derive(Debug)]
pub struct Got {
    /// HTTP status.
    pub status: u16,
    /// Header lines as they came.
    pub headers: String,
    /// Body.
    pub body: Vec<u8>,
}

impl Got {
    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// All values of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.lines().filter_map(|line| line.split_once(':'));
        lines
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }

    /// The value that a cookie is set to.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self
            .header("set-cookie")
            .into_iter()
            .filter_map(|c| c.split(';').next()?.split_once('='));
        pairs.filter(|(n, _)| *n == name).map(|(_, value)| value).next_back()
    }
}

/// One request by curl, with the authority to trust and further arguments.
///
/// # Errors
/// curl is missing or got no answer.
pub fn curl(ca: &Path, arguments: &[&str]) -> Result<Got, String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let (headers, body) = (folder.path().join("headers"), folder.path().join("body"));
    let mut all: Vec<&OsStr> = [
        "--silent",
        "--show-error",
        "--max-time",
        "12",
        "--write-out",
        "%{http_code}",
    ]
    .iter()
    .map(OsStr::new)
    .collect();
    all.extend([
        OsStr::new("--cacert"),
        ca.as_os_str(),
        OsStr::new("--dump-header"),
        headers.as_os_str(),
        OsStr::new("--output"),
        body.as_os_str(),
    ]);
    all.extend(arguments.iter().map(OsStr::new));
    let status = run("curl", &all)?
        .parse()
        .map_err(|e| format!("curl gave no status: {e}"))?;
    Ok(Got {
        status,
        headers: std::fs::read_to_string(headers).unwrap_or_default(),
        body: std::fs::read(body).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_read_from_the_address() {
        let address = "otpauth://totp/tfauth:ana?secret=GEZDGNBV&issuer=tfauth&digits=6";
        assert_eq!(secret_of(address).unwrap(), "GEZDGNBV");
        assert!(secret_of("otpauth://totp/x?issuer=y").is_err());
    }

    #[test]
    fn the_last_value_of_a_cookie_counts() {
        let headers =
            "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: b=2\r\nset-cookie: a=3; Secure\r\n".to_owned();
        let got = Got {
            status: 200,
            headers,
            body: Vec::new(),
        };
        assert_eq!(
            (got.cookie("a"), got.cookie("b"), got.cookie("c")),
            (Some("3"), Some("2"), None)
        );
    }
}
