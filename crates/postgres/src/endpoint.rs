//! Where servers are, and how one statement of theirs is cancelled.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream, lookup_host},
};
use tokio_postgres::{CancelToken, Config, Error, config::Host, tls::MakeTlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A place to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// A host, its address if that need not be looked up, a port.
    Tcp(String, Option<IpAddr>, u16),
    /// A directory with a socket, named after the port.
    Unix(PathBuf, u16),
}

impl Endpoint {
    /// The endpoints that the configuration names, in its order.
    pub(crate) fn all(config: &Config) -> Vec<Self> {
        let addresses = config.get_hostaddrs();
        let ports = config.get_ports();
        let hosts = config.get_hosts().iter().enumerate();
        hosts
            .map(|(index, host)| {
                let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
                match host {
                    Host::Tcp(name) => Self::Tcp(name.clone(), addresses.get(index).copied(), port),
                    Host::Unix(directory) => Self::Unix(directory.clone(), port),
                }
            })
            .collect()
    }

    /// The endpoints of single addresses that this one stands for.
    pub(crate) async fn resolve(&self) -> io::Result<Vec<Self>> {
        match self {
            Self::Tcp(name, None, port) => {
                let addresses = lookup_host((name.as_str(), *port)).await?;
                let of = |at: SocketAddr| Self::Tcp(name.clone(), Some(at.ip()), at.port());
                Ok(addresses.map(of).collect())
            }
            _ => Ok(vec![self.clone()]),
        }
    }

    /// Adds it to a configuration that names no host yet.
    pub(crate) fn add_to(&self, config: &mut Config) {
        match self {
            Self::Tcp(name, address, port) => {
                config.host(name).port(*port);
                if let Some(address) = address {
                    config.hostaddr(*address);
                }
            }
            Self::Unix(directory, port) => {
                config.host_path(directory).port(*port);
            }
        }
    }

    /// Asks the server to cancel what runs on a connection to this endpoint. Returns when the
    /// server has done so: after that, the request can hit nothing else.
    pub(crate) async fn cancel(
        &self,
        token: &CancelToken,
        tls: &MakeRustlsConnect,
    ) -> Result<(), CancelError> {
        match self {
            Self::Tcp(name, Some(address), port) => {
                let stream = TcpStream::connect((*address, *port)).await?;
                stream.set_nodelay(true)?;
                request(token, tls, name, stream).await
            }
            Self::Tcp(name, None, port) => {
                request(token, tls, name, TcpStream::connect((name.as_str(), *port)).await?).await
            }
            Self::Unix(directory, port) => {
                let path = directory.join(format!(".s.PGSQL.{port}"));
                request(token, tls, "", UnixStream::connect(path).await?).await
            }
        }
    }
}

async fn request<S>(
    token: &CancelToken,
    tls: &MakeRustlsConnect,
    host: &str,
    stream: S,
) -> Result<(), CancelError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = UntilClosed { stream, shut: false };
    let Ok(tls) = MakeTlsConnect::<UntilClosed<S>>::make_tls_connect(&mut tls.clone(), host);
    Ok(token.cancel_query_raw(stream, tls).await?)
}

/// Why a statement could not be cancelled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CancelError {
    #[error("{0}")]
    Socket(#[from] io::Error),
    #[error("{0}")]
    Driver(#[from] Error),
}

/// A stream whose shutting down ends only when the other side has closed it too.
///
/// The server closes the connection of a cancel request after it has sent the signals. It may send
/// two of them, so that even a statement that has ended as cancelled is no proof that all is over.
/// The driver does not wait for that by itself.
struct UntilClosed<S> {
    stream: S,
    shut: bool,
}

impl<S: AsyncRead + Unpin> AsyncRead for UntilClosed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for UntilClosed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.shut = true;
        }
        let mut scratch = [0; 64];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            // A reset is an end as well.
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
