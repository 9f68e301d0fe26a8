//! One conversation with one mail server. What failed decides who is at fault: the server, this mail, or nobody knows.

use super::transport::SendError;
use crate::config::{SmtpServer, SmtpTls};
use crate::limits::MAIL_STEP_MAX;
use lettre::Message;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use secrecy::ExposeSecret as _;

/// A mail server, ready to be talked to.
pub(super) struct Server {
    name: String,
    host: String,
    port: u16,
    tls: SmtpTls,
    parameters: Option<TlsParameters>,
    credentials: Option<Credentials>,
    hello: ClientId,
}

impl Server {
    /// Prepares one; it is not contacted yet.
    pub(super) fn new(configured: &SmtpServer) -> Result<Self, String> {
        let parameters = match configured.tls {
            SmtpTls::None => None,
            SmtpTls::Starttls | SmtpTls::Tls => {
                let mut builder = TlsParameters::builder(configured.host.clone());
                if let Some(pem) = &configured.authority {
                    let authority = Certificate::from_pem(pem.as_bytes()).map_err(|error| error.to_string())?;
                    builder = builder.add_root_certificate(authority);
                }
                Some(builder.build().map_err(|error| error.to_string())?)
            }
        };
        let credentials = configured
            .login
            .as_ref()
            .map(|login| Credentials::new(login.username.clone(), login.password.expose_secret().to_owned()));
        Ok(Self {
            name: format!("{}:{}", configured.host, configured.port),
            host: configured.host.clone(),
            port: configured.port,
            tls: configured.tls,
            parameters,
            credentials,
            hello: ClientId::default(),
        })
    }

    /// Host and port, for logs and metrics.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Hands one mail over.
    pub(super) async fn send(&self, message: &Message) -> Result<(), SendError> {
        let mut connection = step(self.connect()).await?.map_err(|error| self.at_fault(&error))?;
        let sent = self.hand_over(&mut connection, message).await;
        match &sent {
            // Nobody listens there any more.
            Err(SendError::Server(_) | SendError::BrokeOff(_)) => {}
            // The mail is with the server or is not; how the goodbye goes changes nothing.
            Ok(()) | Err(SendError::Later(_) | SendError::Never(_)) => {
                let _ = step(connection.quit()).await;
            }
        }
        sent
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let implicit = self.parameters.clone().filter(|_| self.tls == SmtpTls::Tls);
        let address = (self.host.as_str(), self.port);
        let timeout = Some(MAIL_STEP_MAX);
        let mut connection = AsyncSmtpConnection::connect_tokio1(address, timeout, &self.hello, implicit, None).await?;
        if self.tls == SmtpTls::Starttls
            && let Some(parameters) = &self.parameters
        {
            // Refuses to go on when the server does not offer it.
            connection.starttls(parameters.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection
                .auth(&[Mechanism::Plain, Mechanism::Login], credentials)
                .await?;
        }
        Ok(connection)
    }

    async fn hand_over(&self, connection: &mut AsyncSmtpConnection, message: &Message) -> Result<(), SendError> {
        let envelope = message.envelope();
        let mut parameters = Vec::new();
        let mut everybody = envelope.to().iter().chain(envelope.from());
        if everybody.any(|address| !address.to_string().is_ascii()) {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                let reason = format!("{} takes no addresses beyond ASCII", self.name);
                return Err(SendError::Never(reason));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        // A sender that is refused is a mistake of the configuration, not of this mail.
        step(connection.command(Mail::new(envelope.from().cloned(), parameters)))
            .await?
            .map_err(|error| self.at_fault(&error))?;
        for to in envelope.to() {
            self.about_mail(connection.command(Rcpt::new(to.clone(), Vec::new())))
                .await?;
        }
        self.about_mail(connection.command(Data)).await?;
        match step(connection.message(&message.formatted())).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.status().is_some() => Err(self.refused(&error)),
            // The server may have taken it: no other server is asked, and the repeat has the same Message-ID.
            Ok(Err(_)) | Err(_) => Err(SendError::Later(format!(
                "{} did not say whether it took the mail",
                self.name
            ))),
        }
    }

    /// The server cannot take any mail now.
    fn at_fault(&self, error: &Error) -> SendError {
        SendError::Server(format!("{}: {}", self.name, told(error)))
    }

    /// A step that this mail alone may make fail.
    async fn about_mail<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, SendError> {
        match tokio::time::timeout(MAIL_STEP_MAX, work).await {
            Ok(done) => done.map_err(|error| self.refused(&error)),
            Err(_) => Err(SendError::BrokeOff(format!("{}: {}", self.name, silent()))),
        }
    }

    /// The server answered about this mail, or left at it.
    fn refused(&self, error: &Error) -> SendError {
        let reason = format!("{}: {}", self.name, told(error));
        match error.status().map(u16::from) {
            Some(421) | None => SendError::BrokeOff(reason),
            Some(_) if error.is_permanent() => SendError::Never(reason),
            Some(_) => SendError::Later(reason),
        }
    }
}

/// Mail servers like to repeat addresses in what they say: of an answer only its code is kept.
fn told(error: &Error) -> String {
    error
        .status()
        .map_or_else(|| error.to_string(), |code| format!("the mail server answered {code}"))
}

async fn step<T>(work: impl Future<Output = T>) -> Result<T, SendError> {
    tokio::time::timeout(MAIL_STEP_MAX, work)
        .await
        .map_err(|_| SendError::Server(silent()))
}

fn silent() -> String {
    format!("no answer within {MAIL_STEP_MAX:?}")
}
