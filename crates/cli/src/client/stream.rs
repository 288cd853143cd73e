//! TCP, with TLS where the URL asks for it.

use std::{sync::Arc, time::Duration};

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{ClientError, Endpoint};

/// How long a connection, and its TLS, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Bytes in both directions.
pub trait Bidirectional: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bidirectional for T {}

/// Connects to a server.
pub async fn connect(endpoint: &Endpoint) -> Result<Box<dyn Bidirectional>, ClientError> {
    let failed = |why: String| ClientError::Unreachable { endpoint: endpoint.http(), why };
    match tokio::time::timeout(CONNECT_TIMEOUT, open(endpoint)).await {
        Ok(result) => result.map_err(failed),
        Err(_) => Err(failed(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()))),
    }
}

async fn open(endpoint: &Endpoint) -> Result<Box<dyn Bidirectional>, String> {
    let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port))
        .await
        .map_err(|error| error.to_string())?;
    // Only latency is at stake.
    let _ = stream.set_nodelay(true);
    if !endpoint.is_secure {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(endpoint.host.clone()).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(tls()?);
    let stream = connector.connect(name, stream).await.map_err(|error| format!("TLS: {error}"))?;
    Ok(Box::new(stream))
}

/// Trusts whom the operating system trusts.
fn tls() -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err("this system has no certificates of authorities to trust (on Debian: the \
                    package ca-certificates)"
            .to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
