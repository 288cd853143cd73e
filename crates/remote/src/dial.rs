//! Connections: TCP and TLS.

use std::{io, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// A connection's two directions.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Single operations: HTTP/2 if TLS negotiates it, else HTTP/1.1.
    Requests,
    /// One WebSocket, event stream or multipart body: HTTP/1.1. Services limit the streams of a
    /// connection with HTTP/2, to 100 often, and those beyond would wait unseen.
    Stream,
}

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// What for.
    pub purpose: Purpose,
}

/// An open connection.
pub struct Wire {
    /// Its two directions.
    pub io: Box<dyn Io>,
    /// Whether TLS has negotiated HTTP/2.
    pub is_http2: bool,
}

/// Opens connections. [`Network`] is the real one.
pub trait Dial: Send + Sync {
    /// Opens a connection. The caller sets a deadline.
    fn dial(&self, target: Target) -> BoxFuture<'static, io::Result<Wire>>;
}

/// Why certificate authorities cannot be trusted. Nothing of the file is quoted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CaError {
    /// There is no certificate in it.
    #[error("the file has no certificate in PEM format (-----BEGIN CERTIFICATE-----)")]
    Empty,
    /// One that cannot be read; the first is number 1.
    #[error("certificate {0} of the file cannot be read")]
    Malformed(usize),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// TCP, and TLS with the certificate authorities that are trusted.
#[derive(Clone)]
pub struct Network {
    requests: TlsConnector,
    streams: TlsConnector,
}

/// After this long without a byte the other machine is asked whether it is still there, so that
/// streams without signs of life of their own do not wait for ever for a machine that is gone.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));

impl Network {
    /// Trusts the machine's certificate authorities.
    ///
    /// # Errors
    /// TLS cannot be set up at all. A machine without authorities is none: connections with TLS
    /// fail then.
    pub fn new() -> Result<Self, rustls::Error> {
        Self::with_roots(of_this_machine())
    }

    /// Trusts the machine's certificate authorities and those of a file, `tls.ca` of a service: the bytes
    /// of one or more certificates as PEM (RFC 7468). What else the file has, such as text or keys, is
    /// passed over.
    ///
    /// # Errors
    /// [`CaError`] if there is no certificate in the file, or one cannot be read, or TLS cannot be set up.
    pub fn with_ca(pem: &[u8]) -> Result<Self, CaError> {
        let mut roots = of_this_machine();
        let mut count = 0_usize;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            count += 1;
            let certificate = certificate.map_err(|_| CaError::Malformed(count))?;
            roots.add(certificate).map_err(|_| CaError::Malformed(count))?;
        }
        if count == 0 {
            return Err(CaError::Empty);
        }
        Ok(Self::with_roots(roots)?)
    }

    /// Trusts these certificate authorities.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn with_roots(roots: RootCertStore) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            TlsConnector::from(Arc::new(config))
        };
        Ok(Self { requests: connector(&[b"h2", b"http/1.1"]), streams: connector(&[b"http/1.1"]) })
    }
}

fn of_this_machine() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a certificate authority of this machine cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}

impl Dial for Network {
    fn dial(&self, target: Target) -> BoxFuture<'static, io::Result<Wire>> {
        let tls = match target.purpose {
            Purpose::Requests => self.requests.clone(),
            Purpose::Stream => self.streams.clone(),
        };
        async move {
            let tcp = TcpStream::connect((target.host.as_str(), target.port)).await?;
            tcp.set_nodelay(true)?;
            SockRef::from(&tcp).set_tcp_keepalive(&KEEPALIVE)?;
            if !target.tls {
                return Ok(Wire { io: Box::new(tcp), is_http2: false });
            }
            let name = ServerName::try_from(target.host)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
            let stream = tls.connect(name, tcp).await?;
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            Ok(Wire { io: Box::new(stream), is_http2 })
        }
        .boxed()
    }
}
