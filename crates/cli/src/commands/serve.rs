//! `artesian serve`.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Instant,
};

use artesian_engine::{
    Allow, Engine, ErrorCode, GraphQLError, Identity, Request, TrustedMode, Wants,
};
use artesian_server::{Control, Metrics, Prepared, Server, Service};
use async_trait::async_trait;
use clap::ArgMatches;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

use crate::{
    administration::Administration,
    args,
    connect::{Opened, Plan},
    error::CliError,
    logging::{self, Logs},
    reload::{self, Parts, Reloader, Sources},
    settings::{self, Environment, Settings, limits},
    signals::{Hangup, Shutdown},
};

/// The version that runs.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Serves until a signal.
pub async fn run(matches: &ArgMatches) -> Result<(), CliError> {
    let started = Instant::now();
    let environment = Environment::of_process();
    let settings = super::settings(matches, &environment)?;
    let logs = logging::start(&settings.log, "info");
    let (flags, config) = (args::flags(matches), args::config(matches));
    let sources = Sources { flags, config, environment };
    let served = serve(settings, sources, logs, started).await;
    // From here on whoever reads the logs must find it there.
    served.map_err(|error| {
        tracing::error!("{error}");
        CliError::Told(error.exit_code())
    })
}

async fn serve(
    settings: Settings,
    sources: Sources,
    logs: Logs,
    started: Instant,
) -> Result<(), CliError> {
    let known = reload::look(&settings).await;
    let plan = Arc::new(Plan::new(&settings, &sources.environment)?);
    tracing::info!(version = VERSION, database = plan.shown(), "starting");
    if let Some(file) = &settings.config_file {
        tracing::info!(file = %file.display(), "settings were read");
    }
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    tracing::info!("authentication: {}", settings.server.auth.summary());
    for doubt in settings::auth::doubts(&settings.server) {
        tracing::warn!("{doubt}");
    }
    if plan.engine().trusted_mode == TrustedMode::Only && settings.server.auth.is_open() {
        tracing::warn!(
            "only trusted documents are to run, but no authentication is set: every client is the \
             administrator unless it names another role, and the administrator may run anything"
        );
    }
    let (shutdown, hangup) = (Shutdown::listen()?, Hangup::listen()?);
    let metrics = Arc::new(Metrics::new(VERSION));
    // The listener is there first: while the database cannot be reached, requests get an error
    // that says so rather than a refused connection.
    let late = Arc::new(LateEngine::default());
    let server = Running::start(&settings, late.clone(), metrics.clone()).await?;
    let address = server.address();
    let control = server.control();
    let serving = server.run(shutdown);
    tokio::pin!(serving);
    let opened = tokio::select! {
        opened = plan.open_patiently(&settings, metrics.live()) => opened?,
        () = &mut serving => return Ok(()),
    };
    opened.watch(&metrics);
    let administration = Arc::new(Administration::new(&opened));
    late.arrive(Late { engine: opened.engine.clone(), administration });
    address.announce(&settings, &opened, started);
    let database = opened.database.as_ref().map(|database| database.source.clone());
    let (engine, gateway) = (opened.engine.clone(), opened.gateway.clone());
    let parts = Parts { engine, gateway, database, control, logs, metrics };
    let reloading = tokio::spawn(Reloader::new(sources, settings, plan, parts, known).run(hangup));
    serving.await;
    reloading.abort();
    // Ends live queries, so that the database is closed before the process ends.
    opened.close();
    Ok(())
}

/// What there is once the database has been reached.
struct Late {
    engine: Arc<Engine>,
    administration: Arc<Administration>,
}

/// The engine, once its database has been reached.
#[derive(Default)]
struct LateEngine(OnceLock<Late>);

impl LateEngine {
    fn arrive(&self, late: Late) {
        // It arrives once.
        let _ = self.0.set(late);
    }

    fn engine(&self) -> Option<&Engine> {
        self.0.get().map(|late| &*late.engine)
    }
}

#[async_trait]
impl Service for LateEngine {
    fn prepare(
        &self,
        request: Request,
        identity: &Identity,
        allow: Allow,
    ) -> Result<Box<dyn Prepared>, Vec<GraphQLError>> {
        match self.engine() {
            Some(engine) => Service::prepare(engine, request, identity, allow),
            None => Err(vec![GraphQLError::new(
                ErrorCode::Unexpected,
                "the database cannot be reached yet",
            )]),
        }
    }

    fn wants(&self) -> Arc<dyn Wants> {
        match self.engine() {
            Some(engine) => engine.wants(),
            None => artesian_engine::wants::nothing(),
        }
    }

    async fn ready(&self) -> Result<(), String> {
        match self.engine() {
            Some(engine) => engine.ready().await,
            None => Err("the database has not been reached yet".to_owned()),
        }
    }

    fn sources(&self) -> Option<Arc<dyn artesian_server::sources::Sources>> {
        self.0.get().map(|late| late.administration.clone() as _)
    }

    fn is_up(&self) -> bool {
        self.0.get().is_some()
    }
}

/// A server with its listener.
pub struct Running {
    server: Server,
    listener: TcpListener,
    address: Address,
}

/// Where a server is.
#[derive(Clone)]
pub struct Address {
    /// Where it can be reached from this machine.
    pub url: String,
    /// Whether others than this machine can reach it.
    is_public: bool,
}

/// Listens at the first address of these that can be had. The usual queue of 128 connections is too
/// short for clients that come back all at once: what finds no place there is tried again by the
/// client's system after a second, then after two more, and so on.
async fn bind(listen: &str, queue: u32) -> io::Result<TcpListener> {
    let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in lookup_host(listen).await? {
        result = bind_one(address, queue);
        if result.is_ok() {
            break;
        }
    }
    result
}

fn bind_one(address: SocketAddr, queue: u32) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As std does: a server that starts again need not wait for the connections of the last one.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(queue)
}

impl Running {
    /// Binds the listener.
    pub async fn start(
        settings: &Settings,
        service: Arc<dyn Service>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, CliError> {
        let server = Server::new(service, limits::filled_in(settings), metrics)
            .map_err(|error| CliError::Usage(error.to_string()))?;
        let listen = &settings.listen;
        let listener = bind(listen, settings.accept_queue).await.map_err(|error| {
            let advice = match error.kind() {
                std::io::ErrorKind::AddrInUse => {
                    ". Another process listens there; stop it, or choose another --listen"
                }
                std::io::ErrorKind::PermissionDenied => {
                    ". Ports below 1024 need a privilege; choose another --listen"
                }
                _ => "",
            };
            CliError::Failed(format!("cannot listen on {listen}: {error}{advice}"))
        })?;
        let address = listener.local_addr()?;
        let host = match address.ip() {
            ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
            std::net::IpAddr::V6(ip) => format!("[{ip}]"),
            ip => ip.to_string(),
        };
        let url = format!("http://{host}:{}", address.port());
        let address = Address { url, is_public: !address.ip().is_loopback() };
        Ok(Self { server, listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> Address {
        self.address.clone()
    }

    /// What changes its settings.
    pub fn control(&self) -> Control {
        self.server.control()
    }

    /// Serves until the signal.
    pub async fn run(self, shutdown: Shutdown) {
        self.server.serve(self.listener, async move { shutdown.wanted().await }).await;
    }
}

impl Address {
    fn announce(&self, settings: &Settings, opened: &Opened, started: Instant) {
        let model = opened.model();
        for warning in &model.warnings {
            tracing::warn!("{warning}");
        }
        tracing::info!(
            tables = model.tables.len(),
            roles = model.roles.len() + 1,
            warnings = model.warnings.len(),
            "schema is ready"
        );
        if model.tables.is_empty() && opened.database.is_some() {
            tracing::warn!(
                "nothing is served: the default schema has no tables, or the metadata tracks none"
            );
        }
        if let Some(database) = &opened.database {
            tracing::info!("changes: {}", database.changes);
        }
        for member in opened.gateway.members() {
            let name = member.service.name();
            match member.service.schema() {
                Some(_) => tracing::info!(service = %name, "the service takes part"),
                None => tracing::warn!(
                    service = %name,
                    "the service has not been reached yet: it takes part as soon as it is there"
                ),
            }
        }
        if settings.server.auth.is_open() && self.is_public {
            tracing::warn!(
                "no authentication is set and {} is not a loopback address: everybody who can reach \
                 it may read everything. Set ARTESIAN_ADMIN_SECRET, or tokens or a webhook",
                settings.listen
            );
        }
        if settings.server.console {
            tracing::info!("console: {}/", self.url);
        }
        let took = started.elapsed();
        tracing::info!(
            startup_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "listening on {}/graphql",
            self.url
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{net::TcpStream, time::Duration};

    use super::*;

    #[tokio::test]
    async fn more_clients_than_usual_may_come_at_once() {
        let listener = bind("127.0.0.1:0", 1000).await.unwrap();
        let address = listener.local_addr().unwrap();
        // Nobody accepts them. Those beyond the queue would get no answer at all.
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_secs(10)).unwrap();
        let clients: Vec<_> = (0..300).map(connect).collect();
        assert_eq!(clients.len(), 300);
        let occupied = bind(&address.to_string(), 1).await;
        assert_eq!(occupied.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
