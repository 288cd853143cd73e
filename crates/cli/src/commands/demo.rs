//! `artesian demo`.

use std::{path::PathBuf, sync::Arc, time::Duration};

use artesian_database::{Backend, Database, DatabaseConfig};
use artesian_engine::Engine;
use artesian_gateway::{DatabaseMember, Gateway, Sources, config::Prefix};
use artesian_server::Metrics;
use artesian_sqlite::{Sqlite, demo};
use clap::ArgMatches;

use super::serve::{Running, VERSION};
use crate::{
    connect::{OpenDatabase, Opened},
    error::CliError,
    logging, output,
    redact::DatabaseUrl,
    settings::{Environment, Settings, file::File},
    signals::Shutdown,
};

/// The seed of the town: the same people in every demo.
const SEED: u64 = 7;
/// The port that is tried first.
const PORT: u16 = 8080;

/// Serves a town that lives.
pub async fn run(matches: &ArgMatches) -> Result<(), CliError> {
    let mut settings = settings(matches)?;
    logging::start(&settings.log, "warn");
    let speed = matches.get_one::<f64>("speed").copied().unwrap_or(1.0);
    if !speed.is_finite() || speed < 0.0 {
        return Err(CliError::Usage("--speed must be a number, 0 or more".to_owned()));
    }
    let shutdown = Shutdown::listen()?;
    let town = Town::make(matches.get_one::<PathBuf>("path")).await?;
    let backend = Sqlite::open(artesian_sqlite::Settings::new(town.path.clone()))
        .await
        .map_err(CliError::failed)?;
    let writer = backend.writer();
    let metrics = Arc::new(Metrics::new(VERSION));
    let opened = opened(backend, &town, &settings, &metrics).await?;
    opened.watch(&metrics);
    let running = start(matches, &mut settings, &opened, metrics).await?;
    output::line(&welcome(&running.address().url, &town, speed))?;
    let life = async {
        if speed > 0.0 {
            demo::simulate(writer, SEED, speed, shutdown.wanted()).await
        } else {
            shutdown.wanted().await;
            Ok(())
        }
    };
    let (lived, ()) = tokio::join!(life, running.run(shutdown.clone()));
    opened.close();
    drop(town);
    lived.map_err(CliError::failed)
}

/// Only what the demo's own flags say: it needs no configuration, and none disturbs it.
fn settings(matches: &ArgMatches) -> Result<Settings, CliError> {
    let flags = crate::args::flags(matches);
    let log = Environment::of_process();
    let log = ["ARTESIAN_LOG", "ARTESIAN_LOG_LEVEL", "ARTESIAN_LOG_FORMAT"]
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), log.get(name)?.to_owned())))
        .collect::<Environment>();
    let resolver = crate::settings::Resolver::new(flags, log, File::default());
    let mut settings = Settings::resolve(&resolver)?;
    // Nobody waits for the end of a demo.
    settings.server.shutdown_window = std::time::Duration::from_millis(500);
    settings.server.shutdown_grace = std::time::Duration::from_secs(2);
    Ok(settings)
}

/// The database's file.
struct Town {
    path: PathBuf,
    is_kept: bool,
    _temporary: Option<demo::Temporary>,
}

impl Town {
    async fn make(path: Option<&PathBuf>) -> Result<Self, CliError> {
        match path {
            None => {
                let temporary = demo::Temporary::create(SEED).await.map_err(CliError::failed)?;
                let path = temporary.path();
                Ok(Self { path, is_kept: false, _temporary: Some(temporary) })
            }
            Some(path) => {
                if !path.exists() {
                    demo::create(path, SEED).await.map_err(CliError::failed)?;
                }
                Ok(Self { path: path.clone(), is_kept: true, _temporary: None })
            }
        }
    }
}

async fn opened(
    backend: impl Backend,
    town: &Town,
    settings: &Settings,
    metrics: &Metrics,
) -> Result<Opened, CliError> {
    let config = DatabaseConfig { name: "default".to_owned(), ..DatabaseConfig::default() };
    let database = Database::open(Arc::new(backend), config, metrics.live())
        .await
        .map_err(CliError::failed)?;
    let url = DatabaseUrl::parse(&format!("sqlite:{}", town.path.display()));
    let member = DatabaseMember {
        name: "default".into(),
        prefix: Prefix::default(),
        source: database.clone(),
    };
    let gateway = Gateway::start(Some(member), Sources::default(), Duration::ZERO);
    let gateway = gateway.await.map_err(CliError::failed)?;
    Ok(Opened {
        engine: Arc::new(Engine::new(gateway.clone(), settings.engine.clone())),
        gateway,
        database: Some(OpenDatabase {
            source: database,
            url: url.map_err(CliError::Failed)?,
            changes: "pushed",
        }),
    })
}

/// Listens on the port that was asked for; otherwise on the usual one, or any if it is taken.
async fn start(
    matches: &ArgMatches,
    settings: &mut Settings,
    opened: &Opened,
    metrics: Arc<Metrics>,
) -> Result<Running, CliError> {
    if let Some(port) = matches.get_one::<u16>("port") {
        settings.listen = format!("127.0.0.1:{port}");
        return Running::start(settings, opened.engine.clone(), metrics)
            .await
            .map_err(|error| CliError::Failed(error.to_string().replace("--listen", "--port")));
    }
    settings.listen = format!("127.0.0.1:{PORT}");
    match Running::start(settings, opened.engine.clone(), metrics.clone()).await {
        Ok(running) => Ok(running),
        Err(_) => {
            settings.listen = "127.0.0.1:0".to_owned();
            Running::start(settings, opened.engine.clone(), metrics).await
        }
    }
}

fn welcome(url: &str, town: &Town, speed: f64) -> String {
    let kept = if town.is_kept { "" } else { " (temporary; keep one with --path town.db)" };
    let life = if speed > 0.0 { "customers order and couriers ride" } else { "nothing moves" };
    format!(
        "\
A town where people order food: {life}.

  Console    {url}/
  GraphQL    {url}/graphql
  Database   {path}{kept}

Try in the console, or in another terminal:

  artesian subscribe --endpoint {url}/graphql \\
    'subscription {{ orders(order_by: {{id: desc}}, limit: 10) {{ id status courier {{ name }} }} }}'

  artesian query --endpoint {url}/graphql '{{ orders_aggregate {{ aggregate {{ count }} }} }}'

Ctrl-C ends it.",
        path = town.path.display(),
    )
}
