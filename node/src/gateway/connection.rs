//! One HTTP/1.1 request over a connection of its own, to an address that was looked at before it is connected to: what a
//! name resolves to is checked and used at once, so that it cannot change in between.

use super::address::is_private;
use crate::config::GatewayConfig;
use crate::tls;
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where the gateway is.
pub(super) struct Peer {
    uri: Uri,
    host: String,
    port: u16,
    private_addresses: bool,
    /// None for plain HTTP, which the configuration allows on this machine only.
    tls: Option<Arc<ClientConfig>>,
}

impl Peer {
    pub(super) fn new(configured: &GatewayConfig) -> Result<Self, String> {
        let encrypts = configured.uri.scheme_str() == Some("https");
        let tls = encrypts
            .then(|| tls::public_client(configured.authority.as_deref()))
            .transpose()?;
        let host = configured.uri.host().unwrap_or_default();
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: configured.uri.port_u16().unwrap_or(if encrypts { 443 } else { 80 }),
            uri: configured.uri.clone(),
            private_addresses: configured.private_addresses,
            tls,
        })
    }

    /// Posts JSON and tells the status of the answer. Reasons hold nothing of the body.
    pub(super) async fn post(&self, headers: &[(&'static str, String)], body: Vec<u8>) -> Result<StatusCode, String> {
        let tcp = self.connect().await?;
        match &self.tls {
            None => self.exchange(tcp, headers, body).await,
            Some(config) => {
                let name = ServerName::try_from(self.host.clone()).map_err(|error| error.to_string())?;
                let connector = TlsConnector::from(Arc::clone(config));
                let stream = connector.connect(name, tcp).await.map_err(|error| error.to_string())?;
                self.exchange(stream, headers, body).await
            }
        }
    }

    async fn connect(&self) -> Result<TcpStream, String> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let mut said = "its name has no address".to_owned();
        for address in found.map_err(|error| error.to_string())? {
            if !self.private_addresses && is_private(address.ip()) {
                said = "its address is in a private network: set gateway.private_addresses to allow that".to_owned();
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => said = error.to_string(),
            }
        }
        Err(said)
    }

    async fn exchange<S>(
        &self,
        stream: S,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<StatusCode, String>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        // Ends with the sender; what goes wrong is told by the request.
        let driver = tokio::spawn(connection);
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        let mut request = Request::post(path)
            .header(header::HOST, authority)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| error.to_string())?;
        let answer: Result<http::Response<Incoming>, _> = sender.send_request(request).await;
        driver.abort();
        answer.map(|answer| answer.status()).map_err(|error| error.to_string())
    }
}
