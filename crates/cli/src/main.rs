//! The `artesian` binary.
//!
//! First milestone: `artesian serve`. The settings module replaces this loader.

mod metadata;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use artesian_database::{Database, DatabaseConfig};
use artesian_engine::{Engine, EngineConfig, Source};
use artesian_server::{LiveStats, Metrics, Server, ServerConfig};
use clap::Parser;

#[derive(Parser)]
#[command(name = "artesian", version)]
enum Cli {
    /// Serves a database.
    Serve(Serve),
}

#[derive(clap::Args)]
struct Serve {
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    #[arg(long, env = "ARTESIAN_DATABASE_URL", hide_env_values = true)]
    database_url: String,
    #[arg(long, env = "ARTESIAN_METADATA")]
    metadata: Option<PathBuf>,
    #[arg(long, env = "ARTESIAN_STRINGIFY_NUMERIC_TYPES", num_args = 0..=1, default_missing_value = "true", default_value = "false", action = clap::ArgAction::Set)]
    stringify_numeric_types: bool,
    #[arg(long, env = "ARTESIAN_INFER_FUNCTION_PERMISSIONS", num_args = 0..=1, default_missing_value = "true", default_value = "true", action = clap::ArgAction::Set)]
    infer_function_permissions: bool,
    #[arg(long, env = "ARTESIAN_ADMIN_SECRET", hide_env_values = true)]
    admin_secret: Option<String>,
    #[arg(long, default_value = "1000")]
    live_queries_multiplexed_refetch_interval: u64,
    #[arg(long, default_value = "100")]
    live_queries_multiplexed_batch_size: usize,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let Cli::Serve(serve) = Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("ARTESIAN_LOG")
                .unwrap_or_else(|_| "info".into()),
        )
        .init();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "no runtime");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(serve: Serve) -> Result<(), Failure> {
    let _ = serve.infer_function_permissions;
    let interval = Duration::from_millis(serve.live_queries_multiplexed_refetch_interval);
    let metadata = match &serve.metadata {
        Some(path) => {
            Some(artesian_sql::metadata::Metadata::parse(metadata::read(path)?)?)
        }
        None => None,
    };
    let config = DatabaseConfig {
        name: "default".into(),
        metadata,
        options: artesian_sql::model::Options {
            stringify_numeric_types: serve.stringify_numeric_types,
        },
        live: artesian_live::Config {
            batch_size: serve.live_queries_multiplexed_batch_size,
            refetch_interval: interval,
            ..Default::default()
        },
    };
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    let source: Arc<dyn Source> = if serve.database_url.starts_with("sqlite:") {
        let settings = artesian_sqlite::Settings::from_url(&serve.database_url)?;
        let backend = Arc::new(artesian_sqlite::Sqlite::open(settings).await?);
        open(backend, config, &metrics).await?
    } else {
        let mut settings = artesian_postgres::Settings::new(&*serve.database_url);
        settings.refetch_interval = interval;
        let backend = Arc::new(artesian_postgres::Postgres::new(settings)?);
        open(backend, config, &metrics).await?
    };
    let engine = Arc::new(Engine::new(source, EngineConfig::default()));
    let server_config = ServerConfig {
        admin_secrets: serve.admin_secret.into_iter().collect(),
        ..Default::default()
    };
    let server = Server::new(engine, server_config, metrics)?;
    let listener = tokio::net::TcpListener::bind(serve.listen).await?;
    tracing::info!("serving http://{}/", listener.local_addr()?);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    server
        .serve(listener, async move {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        })
        .await;
    Ok(())
}

async fn open<B: artesian_database::Backend>(
    backend: Arc<B>,
    config: DatabaseConfig,
    metrics: &Metrics,
) -> Result<Arc<dyn Source>, Failure> {
    let live = metrics.live();
    let database = Database::open(backend, config, live.clone()).await?;
    for warning in &database.model().warnings {
        tracing::warn!("{warning}");
    }
    let watched = Arc::downgrade(&database);
    live.watch(move || match watched.upgrade() {
        Some(database) => {
            let stats = database.live().stats();
            LiveStats {
                plans: stats.plans as u64,
                cohorts: stats.cohorts as u64,
                subscribers: stats.subscribers as u64,
            }
        }
        None => LiveStats::default(),
    });
    Ok(database)
}
