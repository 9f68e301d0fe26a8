//! How messages leave: mail servers, a folder, the gateway.

use super::error::ConfigError;
use super::{GatewayConfig, Login, Mail, MailTransport, SmtpServer, SmtpTls, files, raw};
use crate::email::Sender;
use secrecy::ExposeSecret as _;
use std::net::IpAddr;
use std::path::Path;

/// Mail servers in order of preference.
const MAIL_SERVERS_MAX: usize = 8;
/// Characters of the secret that a gateway checks signatures with.
const GATEWAY_SECRET_CHARS_MIN: usize = 32;

pub(super) fn check_mail(raw: raw::Mail) -> Result<Mail, ConfigError> {
    let Some(from) = Sender::parse(&raw.from) else {
        return Err(ConfigError::value(
            "mail.from",
            raw.from,
            "an address such as tfauth <no-reply@auth.example>",
        ));
    };
    if raw.smtp_tls.is_some() && raw.smtp.is_none() {
        return Err(ConfigError::value("mail.smtp_tls", "set", "only beside mail.smtp"));
    }
    let transport = match (raw.folder, raw.smtp, raw.servers) {
        (Some(folder), None, servers) if servers.is_empty() => {
            files::check_folder("mail.folder", &folder)?;
            MailTransport::Folder(folder)
        }
        (None, Some(address), servers) if servers.is_empty() => {
            let only = raw::MailServer {
                address,
                tls: raw.smtp_tls,
                ca: None,
                username: None,
                password_file: None,
            };
            MailTransport::Smtp(vec![check_server("mail.smtp", "mail.smtp_tls", only)?])
        }
        (None, None, servers) if (1..=MAIL_SERVERS_MAX).contains(&servers.len()) => {
            let check = |server| check_server("mail.servers.address", "mail.servers.tls", server);
            MailTransport::Smtp(servers.into_iter().map(check).collect::<Result<_, _>>()?)
        }
        (folder, smtp, servers) => {
            let given = format!(
                "{} folder, {} smtp, {} servers",
                usize::from(folder.is_some()),
                usize::from(smtp.is_some()),
                servers.len()
            );
            let allowed =
                format!("exactly one of mail.folder, mail.smtp and up to {MAIL_SERVERS_MAX} [[mail.servers]]");
            return Err(ConfigError::value("mail", given, allowed));
        }
    };
    Ok(Mail { from, transport })
}

fn check_server(
    setting: &'static str,
    tls_setting: &'static str,
    raw: raw::MailServer,
) -> Result<SmtpServer, ConfigError> {
    let parsed = raw
        .address
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host.trim_matches(['[', ']']), port.parse::<u16>().ok()?)));
    let Some((host, port)) = parsed.filter(|(host, port)| !host.is_empty() && *port > 0) else {
        return Err(ConfigError::value(setting, raw.address, "host:port"));
    };
    let local = is_this_machine(host);
    let tls = raw.tls.unwrap_or(if local { SmtpTls::None } else { SmtpTls::Starttls });
    if tls == SmtpTls::None && !local {
        let rule = "mail leaves this machine encrypted only: use \"starttls\" or \"tls\"";
        return Err(ConfigError::clash(
            (tls_setting, &"none"),
            (setting, &raw.address),
            rule,
        ));
    }
    let login = match (raw.username, raw.password_file) {
        (None, None) => None,
        (Some(username), Some(path)) => Some(Login {
            username,
            password: files::read_secret("mail.servers.password_file", &path)?,
        }),
        (Some(_), None) | (None, Some(_)) => {
            let allowed = "both username and password_file, or neither";
            return Err(ConfigError::value("mail.servers", "one of the two", allowed));
        }
    };
    Ok(SmtpServer {
        host: host.to_owned(),
        port,
        tls,
        authority: read_authority("mail.servers.ca", raw.ca.as_deref())?,
        login,
    })
}

pub(super) fn check_gateway(raw: raw::Gateway) -> Result<GatewayConfig, ConfigError> {
    let setting = "gateway.url";
    let allowed = "https://host/path, or http:// for this machine";
    let uri: http::Uri = raw
        .url
        .parse()
        .map_err(|_| ConfigError::value(setting, &raw.url, allowed))?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let good = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => is_this_machine(host),
        Some(_) | None => false,
    };
    let has_user = uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'));
    if !good || host.is_empty() || has_user {
        return Err(ConfigError::value(setting, &raw.url, allowed));
    }
    if is_this_machine(host) && !raw.private_addresses {
        let rule = "a gateway on this machine has a private address, which must be allowed";
        return Err(ConfigError::clash(
            (setting, &raw.url),
            ("gateway.private_addresses", &false),
            rule,
        ));
    }
    let secret = files::read_secret("gateway.secret_file", &raw.secret_file)?;
    if secret.expose_secret().chars().count() < GATEWAY_SECRET_CHARS_MIN {
        let problem = format!("its secret is too short; at least {GATEWAY_SECRET_CHARS_MIN} characters");
        return Err(files::contents("gateway.secret_file", &raw.secret_file, &problem));
    }
    Ok(GatewayConfig {
        authority: read_authority("gateway.ca", raw.ca.as_deref())?,
        uri,
        secret,
        private_addresses: raw.private_addresses,
        login_codes: raw.login_codes,
    })
}

fn read_authority(setting: &'static str, path: Option<&Path>) -> Result<Option<String>, ConfigError> {
    path.map(|path| files::read_text(setting, path)).transpose()
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{GOOD, Site, assert_says};
    use super::*;

    fn mail(text: &str) -> String {
        format!("{GOOD}[mail]\nfrom = \"no-reply@auth.example\"\n{text}\n")
    }

    fn servers(site: &Site, text: &str) -> Vec<SmtpServer> {
        let config = site.load(&mail(text)).map_err(|error| error.to_string()).unwrap();
        match config.mail.unwrap().transport {
            MailTransport::Smtp(servers) => servers,
            MailTransport::Folder(path) => panic!("{}", path.display()),
        }
    }

    #[test]
    fn mail_goes_one_way_or_not_at_all() {
        let site = Site::new();
        let refusal = |text: &str| site.refusal_of(&mail(text));
        assert_says(
            &refusal("folder = \"DIR/mail\"\nsmtp = \"a:25\""),
            &["mail = 1 folder, 1 smtp", "exactly one"],
        );
        assert_says(&refusal(""), &["mail.folder", "mail.smtp"]);
        assert_says(
            &refusal("smtp = \"relay.example\""),
            &["mail.smtp = relay.example", "host:port"],
        );
        assert_says(&refusal("folder = \"DIR/ca.pem\""), &["mail.folder", "a folder"]);
        let nobody = mail("smtp = \"a:25\"").replace("no-reply@auth.example", "nobody");
        assert_says(&site.refusal_of(&nobody), &["mail.from = nobody"]);
    }

    #[test]
    fn mail_servers_are_encrypted_unless_they_are_on_this_machine() {
        let site = Site::new();
        site.write("password", "hunter2 hunter2\n");
        let text = "[[mail.servers]]\naddress = \"mx1.example:587\"\nusername = \"tfauth\"\npassword_file = \"DIR/password\"\n\
                    [[mail.servers]]\naddress = \"[::1]:2525\"\n";
        let servers = servers(&site, text);
        let seen: Vec<_> = servers.iter().map(|s| (s.host.as_str(), s.port, s.tls)).collect();
        assert_eq!(
            seen,
            [("mx1.example", 587, SmtpTls::Starttls), ("::1", 2525, SmtpTls::None)]
        );
        let login = servers[0].login.as_ref().unwrap();
        assert_eq!(
            (login.username.as_str(), login.password.expose_secret()),
            ("tfauth", "hunter2 hunter2")
        );
        let plain = site.refusal_of(&mail("[[mail.servers]]\naddress = \"mx1.example:25\"\ntls = \"none\""));
        assert_says(&plain, &["mail.servers.tls = none", "encrypted only"]);
        site.set_mode("password", 0o604);
        let exposed = site.refusal_of(&mail(text));
        assert_says(&exposed, &["mail.servers.password_file", "chmod 600"]);
        let half = site.refusal_of(&mail("[[mail.servers]]\naddress = \"a:25\"\nusername = \"x\""));
        assert_says(&half, &["both username and password_file"]);
    }

    #[test]
    fn a_gateway_is_encrypted_public_and_has_a_long_secret_unless_allowed_otherwise() {
        let site = Site::new();
        site.write("secret", "0123456789abcdef0123456789abcdef\n");
        let gateway = |text: &str| format!("{GOOD}[gateway]\nsecret_file = \"DIR/secret\"\n{text}\n");
        let refusal = |text: &str| site.refusal_of(&gateway(text));
        assert!(site.load(&gateway("url = \"https://sms.example/send\"")).is_ok());
        let local = "url = \"http://127.0.0.1:8080/send\"";
        assert!(
            site.load(&gateway(&format!("{local}\nprivate_addresses = true")))
                .is_ok()
        );
        assert_says(&refusal(local), &["gateway.private_addresses = false"]);
        for wrong in [
            "http://sms.example/send",
            "sms.example",
            "https://user@sms.example/",
            "ftp://sms.example/",
        ] {
            assert_says(
                &refusal(&format!("url = \"{wrong}\"")),
                &["gateway.url", "https://host/path"],
            );
        }
        site.write("secret", "short");
        assert_says(
            &refusal("url = \"https://sms.example/\""),
            &["gateway.secret_file", "too short"],
        );
    }
}
