//! `artesian serve`.

use std::{sync::Arc, time::Instant};

use artesian_server::{Metrics, Server};
use clap::ArgMatches;
use tokio::net::TcpListener;

use crate::{
    connect::{Opened, Plan},
    error::CliError,
    logging,
    settings::{Environment, Settings},
    signals::Shutdown,
};

/// The version that runs.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Serves until a signal.
pub async fn run(matches: &ArgMatches) -> Result<(), CliError> {
    let started = Instant::now();
    let environment = Environment::of_process();
    let settings = super::settings(matches, &environment)?;
    logging::start(&settings.log, "info");
    let served = serve(&settings, &environment, started).await;
    // From here on whoever reads the logs must find it there.
    served.map_err(|error| {
        tracing::error!("{error}");
        CliError::Told(error.exit_code())
    })
}

async fn serve(
    settings: &Settings,
    environment: &Environment,
    started: Instant,
) -> Result<(), CliError> {
    let plan = Plan::new(settings, environment)?;
    tracing::info!(version = VERSION, database = %plan.url(), "starting");
    if let Some(file) = &settings.config_file {
        tracing::info!(file = %file.display(), "settings were read");
    }
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let shutdown = Shutdown::listen()?;
    let metrics = Arc::new(Metrics::new(VERSION));
    let opened = tokio::select! {
        opened = plan.open_patiently(settings, metrics.live()) => opened?,
        () = shutdown.wanted() => return Ok(()),
    };
    let server = Running::start(settings, &opened, metrics).await?;
    server.announce(settings, &opened, started);
    server.run(shutdown).await;
    // Ends live queries, so that the database is closed before the process ends.
    opened.database.close();
    Ok(())
}

/// A server with its listener.
pub struct Running {
    server: Server,
    listener: TcpListener,
    /// Where it can be reached from this machine.
    pub url: String,
    /// Whether others than this machine can reach it.
    is_public: bool,
}

impl Running {
    /// Binds the listener.
    pub async fn start(
        settings: &Settings,
        opened: &Opened,
        metrics: Arc<Metrics>,
    ) -> Result<Self, CliError> {
        let watched = Arc::downgrade(&opened.database);
        metrics.live().watch(move || watched.upgrade().map(|d| d.live_stats()).unwrap_or_default());
        let server = Server::new(opened.engine.clone(), settings.server.clone(), metrics)
            .map_err(|error| CliError::Usage(error.to_string()))?;
        let listen = &settings.listen;
        let listener = TcpListener::bind(listen).await.map_err(|error| {
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
        Ok(Self { server, listener, url, is_public: !address.ip().is_loopback() })
    }

    fn announce(&self, settings: &Settings, opened: &Opened, started: Instant) {
        let model = opened.database.model();
        for warning in &model.warnings {
            tracing::warn!("{warning}");
        }
        tracing::info!(
            tables = model.tables.len(),
            roles = model.roles.len() + 1,
            warnings = model.warnings.len(),
            "schema is ready"
        );
        if model.tables.is_empty() {
            tracing::warn!(
                "nothing is served: the default schema has no tables, or the metadata tracks none"
            );
        }
        tracing::info!("changes: {}", opened.changes);
        if settings.server.admin_secrets.is_empty() && self.is_public {
            tracing::warn!(
                "no admin secret is set and {} is not a loopback address: everybody who can reach \
                 it may read everything. Set ARTESIAN_ADMIN_SECRET",
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

    /// Serves until the signal.
    pub async fn run(self, shutdown: Shutdown) {
        self.server.serve(self.listener, async move { shutdown.wanted().await }).await;
    }
}
