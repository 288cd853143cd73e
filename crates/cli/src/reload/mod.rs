//! Reads configuration and metadata again and puts them into force, without closing connections.
//!
//! Everything is read and checked first. What cannot be used changes nothing.

pub mod files;

use std::{path::PathBuf, sync::Arc, time::Duration};

use artesian_database::BackendError;
use artesian_engine::Engine;
use artesian_gateway::Gateway;
use artesian_server::{Control, Metrics};
use tokio::time::{Instant, sleep_until};

use self::files::{Look, Watcher};
use crate::{
    backends::AnyDatabase,
    connect::{self, Plan},
    error::CliError,
    logging::Logs,
    services,
    settings::{self, DEFAULT_CONFIG, Environment, Flags, Settings, definitions, limits},
    signals::Hangup,
};

/// How long to wait until a database that was away is asked for its schema again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where settings come from besides the file.
#[derive(Clone)]
pub struct Sources {
    /// The command line.
    pub flags: Flags,
    /// The configuration file, if it was named.
    pub config: Option<PathBuf>,
    /// The environment variables.
    pub environment: Environment,
}

impl Sources {
    /// Reads everything.
    pub fn read(&self) -> Result<(Settings, Plan), CliError> {
        let settings =
            Settings::load(self.flags.clone(), self.config.clone(), self.environment.clone())?;
        let plan = Plan::new(&settings, &self.environment)?;
        Ok((settings, plan))
    }
}

/// What settings are put into.
pub struct Parts {
    /// Takes limits and switches.
    pub engine: Arc<Engine>,
    /// Takes services.
    pub gateway: Arc<Gateway>,
    /// Takes metadata.
    pub database: Option<Arc<dyn AnyDatabase>>,
    /// Takes the server's settings.
    pub control: Control,
    /// Takes the level of logs.
    pub logs: Logs,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

/// Reads settings again when it is asked to, or when files have changed.
pub struct Reloader {
    sources: Sources,
    parts: Parts,
    /// What is in force.
    settings: Settings,
    plan: Arc<Plan>,
    watcher: Watcher,
    /// When to try again although nothing happens.
    retry: Option<Instant>,
}

/// Why settings are not taken.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{0}")]
    Unusable(CliError),
    #[error(
        "there is no authentication any more: everybody would be the administrator. Restart if that \
         is meant"
    )]
    Open,
    #[error("{0}")]
    Server(#[from] artesian_server::ConfigError),
    #[error("the schema cannot be read: {0}")]
    Database(#[from] BackendError),
    #[error("{0}")]
    Services(#[from] services::SourceError),
    #[error("{0}")]
    Gateway(#[from] artesian_gateway::GatewayError),
    #[error("reading failed")]
    Task,
}

/// Looks at all files that these settings are read from.
pub async fn look(settings: &Settings) -> Look {
    let source = &settings.source;
    let config = settings.config_file.clone().unwrap_or_else(|| DEFAULT_CONFIG.into());
    let trusted = &settings.documents.trusted;
    let paths: Vec<_> = source.metadata.iter().chain(trusted).cloned().chain([config]).collect();
    tokio::task::spawn_blocking(move || Look::at(&paths)).await.unwrap_or_default()
}

impl Reloader {
    /// Settings that were read and are in force. `known` is what the files looked like when they were
    /// read: what has changed since then, while the database was waited for, is read again.
    pub fn new(
        sources: Sources,
        settings: Settings,
        plan: Arc<Plan>,
        parts: Parts,
        known: Look,
    ) -> Self {
        Self { sources, parts, settings, plan, watcher: Watcher::new(known), retry: None }
    }

    /// Never ends.
    pub async fn run(mut self, mut hangup: Hangup) {
        let when = self.settings.reload;
        let mut ticks = tokio::time::interval(when.interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = hangup.wanted() => {
                    if !when.by_signal {
                        tracing::warn!("SIGHUP: nothing is read again, as `reload: off` says");
                        continue;
                    }
                    tracing::info!("SIGHUP: configuration and metadata are read again");
                    // What changes while it is read is read once more.
                    self.watcher = Watcher::new(look(&self.settings).await);
                    self.reload(true).await;
                }
                _ = ticks.tick(), if when.by_change => {
                    if self.watcher.sees(look(&self.settings).await) {
                        tracing::info!("a file has changed: configuration and metadata are read again");
                        self.reload(false).await;
                    }
                }
                () = sleep_until(self.retry.unwrap_or_else(Instant::now)), if self.retry.is_some() => {
                    self.reload(true).await;
                }
            }
        }
    }

    async fn reload(&mut self, even_if_equal: bool) {
        self.retry = None;
        let result = self.attempt(even_if_equal).await;
        self.parts.metrics.reloaded(result.is_ok());
        if let Err(refused) = result {
            if matches!(refused, Refused::Database(BackendError::Unavailable(_))) {
                self.retry = Some(Instant::now() + PATIENCE);
            }
            let message = self.plan.clean(&refused.to_string());
            tracing::error!(
                "the new settings are refused, and the old ones stay in force: {message}"
            );
        }
    }

    async fn attempt(&mut self, even_if_equal: bool) -> Result<(), Refused> {
        let mut sources = self.sources.clone();
        // A file that was there must not be missing, even if nobody named it.
        sources.config = self.settings.config_file.clone().or(sources.config);
        let (settings, plan) = tokio::task::spawn_blocking(move || sources.read())
            .await
            .map_err(|_| Refused::Task)?
            .map_err(Refused::Unusable)?;
        let old = &self.settings;
        if settings.server.auth.is_open() && !old.server.auth.is_open() {
            return Err(Refused::Open);
        }
        let server = self.parts.control.prepare(limits::filled_in(&settings))?;
        let options = connect::options(&settings);
        let is_same = plan.has_metadata_of(&self.plan) && options == connect::options(old);
        let known = self.warnings();
        if let Some(database) = &self.parts.database
            && (even_if_equal || !is_same)
        {
            database.replace_metadata(plan.metadata().cloned(), options).await?;
        }
        let old_sources = self.parts.gateway.sources();
        let sources = services::sources(&settings.gateway, &old_sources).await?;
        self.parts.gateway.replace(sources)?;
        if even_if_equal {
            // The operator knows of a change that polling would see later.
            let gateway = Arc::clone(&self.parts.gateway);
            tokio::spawn(async move { gateway.refresh(None).await });
        }
        // From here on nothing can fail.
        self.parts.engine.configure(plan.engine().clone());
        server.commit();
        self.parts.logs.set_level(&settings.log);
        self.tell(&settings, &plan, &known);
        self.settings = settings;
        self.plan = Arc::new(plan);
        Ok(())
    }

    /// What is doubtful in the metadata.
    fn warnings(&self) -> Vec<String> {
        self.parts.database.as_ref().map(|d| d.model().warnings.clone()).unwrap_or_default()
    }

    /// Says what has changed, and what has not although it should.
    fn tell(&self, new: &Settings, plan: &Plan, known: &[String]) {
        let mut changed: Vec<&str> = definitions::ALL
            .iter()
            .map(|definition| definition.name)
            .filter(|name| new.values.get(name) != self.settings.values.get(name))
            .collect();
        if plan.url() != self.plan.url() && !changed.contains(&"database-url") {
            changed.push("database-url");
        }
        if new.gateway.database_prefix != self.settings.gateway.database_prefix {
            tracing::warn!("the prefix of the database needs a restart to change");
        }
        let (restart, live): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|name| definitions::NEEDS_RESTART.contains(name));
        if !restart.is_empty() {
            tracing::warn!("these settings need a restart to change: {}", restart.join(", "));
        }
        for warning in new.warnings.iter().filter(|w| !self.settings.warnings.contains(w)) {
            tracing::warn!("{warning}");
        }
        if new.server.auth != self.settings.server.auth {
            tracing::info!("authentication: {}", new.server.auth.summary());
        }
        let doubts = settings::auth::doubts(&self.settings.server);
        for doubt in settings::auth::doubts(&new.server).iter().filter(|d| !doubts.contains(d)) {
            tracing::warn!("{doubt}");
        }
        for warning in self.warnings().iter().filter(|w| !known.contains(w)) {
            tracing::warn!("{warning}");
        }
        let model = self.parts.database.as_ref().map(|database| database.model());
        tracing::info!(
            changed = live.join(", "),
            tables = model.as_ref().map_or(0, |model| model.tables.len()),
            roles = model.as_ref().map_or(0, |model| model.roles.len()) + 1,
            services = self.parts.gateway.members().len(),
            "the new settings are in force"
        );
    }
}
