//! An operator's gateway of its own: a real HTTPS server. For tests only.

use super::{Gateway, ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use crate::config::GatewayConfig;
use http_body_util::{BodyExt as _, Empty};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use secrecy::SecretString;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// What messages are signed with.
pub(crate) const SECRET: &str = "a shared secret of forty characters long";

/// What arrived.
pub(crate) struct Arrived {
    pub(crate) id: String,
    pub(crate) timestamp: u64,
    pub(crate) signature: String,
    pub(crate) body: bytes::Bytes,
}

/// An HTTPS server for `localhost` that answers `status`, and the PEM of its authority.
pub(crate) async fn receiver(status: u16) -> (u16, String, mpsc::UnboundedReceiver<Arrived>) {
    crate::tls::install_provider();
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, arrived) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(tcp).await else {
                continue;
            };
            let told = told.clone();
            let answer = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let told = told.clone();
                async move {
                    let header = |name| request.headers()[name].to_str().unwrap().to_owned();
                    let (id, signature) = (header(ID_HEADER), header(SIGNATURE_HEADER));
                    let timestamp = header(TIMESTAMP_HEADER).parse().unwrap();
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    told.send(Arrived {
                        id,
                        timestamp,
                        signature,
                        body,
                    })
                    .unwrap();
                    let answer = http::Response::builder()
                        .status(status)
                        .body(Empty::<bytes::Bytes>::new());
                    Ok::<_, Infallible>(answer.unwrap())
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    (port, cert.pem(), arrived)
}

/// A gateway that posts to `localhost`.
pub(crate) fn gateway(port: u16, authority: Option<String>, private_addresses: bool) -> Gateway {
    let configured = GatewayConfig {
        uri: format!("https://localhost:{port}/messages").parse().unwrap(),
        secret: SecretString::from(SECRET),
        authority,
        private_addresses,
        login_codes: false,
    };
    Gateway::new(&configured).unwrap()
}
