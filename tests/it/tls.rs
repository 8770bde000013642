//! TLS in front of an upstream that speaks plain HTTP: the daemon's own TLS library is part of what is looked at.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What signed the certificate: the daemon's `AWS_CA_BUNDLE`.
pub const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/tls/ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("../keys/tls/localhost.pem");
const KEY: &[u8] = include_bytes!("../keys/tls/localhost.key");

/// Takes TLS connections and passes on what is said in them. Ends them all when it is dropped.
pub struct Front {
    pub url: String,
    accepting: JoinHandle<()>,
}

impl Front {
    /// In front of `address`.
    pub async fn of(address: String) -> Self {
        Self::showing(CERTIFICATE, KEY, address).await
    }

    /// The same with this certificate and its key, whatever they are worth.
    #[expect(clippy::disallowed_methods, reason = "nobody but one daemon connects, so the backlog is of no matter")]
    pub async fn showing(certificate: &[u8], key: &[u8], address: String) -> Self {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>().unwrap(),
                PrivateKeyDer::from_pem_slice(key).unwrap(),
            );
        let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(pass_on(acceptor.clone(), stream, address.clone()));
            }
        });
        Self { url, accepting }
    }
}

async fn pass_on(acceptor: TlsAcceptor, stream: TcpStream, address: String) {
    let (Ok(mut inside), Ok(mut behind)) = (acceptor.accept(stream).await, TcpStream::connect(address).await) else {
        return;
    };
    let _ = copy_bidirectional(&mut inside, &mut behind).await;
}

impl Drop for Front {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
