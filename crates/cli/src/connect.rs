//! From settings to an open database with an engine over it.

use std::{sync::Arc, time::Duration};

use artesian_database::{Backend, BackendError, Database, DatabaseConfig};
use artesian_engine::{Engine, EngineConfig};
use artesian_gateway::{DatabaseMember, Gateway, Sources};
use artesian_live::Observer;
use artesian_postgres::Postgres;
use artesian_server::Metrics;
use artesian_sql::{
    Catalog, Dialect,
    metadata::Metadata,
    model::{Model, Options},
};
use artesian_sqlite::Sqlite;
use serde_json::Value as Json;
use tokio::time::Instant;

use crate::{
    backends::{AnyDatabase, Polled},
    documents,
    error::CliError,
    metadata::{self, MetadataError},
    redact::{DatabaseKind, DatabaseUrl, Redactor},
    services,
    settings::{Changes, Environment, Settings, SettingsError},
};

/// How long services are waited for at the start; those that take longer join later.
const SERVICES_PATIENCE: Duration = Duration::from_secs(5);

/// The first pause between two attempts to reach the database, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// What is served.
pub struct Opened {
    /// The engine over it.
    pub engine: Arc<Engine>,
    /// All sources as one.
    pub gateway: Arc<Gateway>,
    /// The database among them.
    pub database: Option<OpenDatabase>,
}

/// An open database.
pub struct OpenDatabase {
    /// The database itself.
    pub source: Arc<dyn AnyDatabase>,
    /// Where it is, without its password.
    pub url: DatabaseUrl,
    /// How changes are noticed, and why so.
    pub changes: &'static str,
}

impl Opened {
    /// Shows the figures of its live queries among the metrics.
    pub fn watch(&self, metrics: &Metrics) {
        if let Some(database) = &self.database {
            let database = Arc::downgrade(&database.source);
            metrics
                .live()
                .watch(move || database.upgrade().map(|d| d.live_stats()).unwrap_or_default());
        }
        let gateway = Arc::downgrade(&self.gateway);
        metrics.watch_upstreams(move || {
            let members = gateway.upgrade().map(|gateway| gateway.members()).unwrap_or_default();
            members.iter().map(|member| services::upstream_stats(member)).collect()
        });
        let gateway = Arc::downgrade(&self.gateway);
        metrics.watch_brokers(move || {
            let sources = gateway.upgrade().map(|gateway| gateway.sources()).unwrap_or_default();
            sources.events.iter().map(|member| services::broker_stats(member)).collect()
        });
        let engine = Arc::downgrade(&self.engine);
        let stats = move || engine.upgrade().map(|e| e.persisted_queries()).unwrap_or_default();
        metrics.watch_documents(stats);
    }

    /// What is served of the database; empty without one.
    pub fn model(&self) -> Arc<Model> {
        match &self.database {
            Some(database) => database.source.model(),
            None => Arc::new(Model::build(
                Dialect::Sqlite,
                Catalog::default(),
                None,
                Options::default(),
            )),
        }
    }

    /// Ends every live query.
    pub fn close(&self) {
        if let Some(database) = &self.database {
            database.source.close();
        }
    }
}

/// What is needed to open a database.
pub struct Plan {
    /// None if only services are served.
    url: Option<DatabaseUrl>,
    metadata: Option<Metadata>,
    /// The metadata as it was read.
    document: Option<Json>,
    /// Limits and switches of the engine.
    engine: EngineConfig,
    redactor: Redactor,
}

impl Plan {
    /// Reads the metadata and finds out where the database is.
    pub fn new(settings: &Settings, environment: &Environment) -> Result<Self, CliError> {
        let source = &settings.source;
        let metadata = source.metadata.as_deref().map(metadata::read).transpose()?;
        let url = match (&source.database_url, &metadata) {
            (Some(url), _) => Some(url.clone()),
            (None, Some(metadata)) => url_of_metadata(metadata, &source.name, environment)?,
            (None, None) => None,
        };
        if url.is_none() && settings.gateway.sources.is_empty() {
            return Err(SettingsError::Whole(
                "no database is given: use --database-url postgres://user@host/name or \
                 --database-url sqlite:app.db, set ARTESIAN_DATABASE_URL, or write `sources:` in \
                 artesian.yaml. (`artesian demo` needs none.)"
                    .to_owned(),
            )
            .into());
        }
        let mut redactor = settings.redactor();
        if let Some(url) = &url {
            redactor.add_url(url);
        }
        let document = metadata.clone();
        let metadata = metadata.zip(source.metadata.as_ref()).map(|(json, path)| {
            Metadata::parse(json)
                .map_err(|message| MetadataError::Form { path: path.clone(), message })
        });
        let metadata = metadata.transpose()?;
        let engine = documents::engine(settings, metadata.as_ref())?;
        Ok(Self { url, metadata, document, engine, redactor })
    }

    /// Where the database is.
    pub fn url(&self) -> Option<&DatabaseUrl> {
        self.url.as_ref()
    }

    /// What the schema is made of.
    pub fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    /// Limits and switches of the engine.
    pub fn engine(&self) -> &EngineConfig {
        &self.engine
    }

    /// Whether another plan has the same metadata.
    pub fn has_metadata_of(&self, other: &Self) -> bool {
        self.document == other.document
    }

    /// Takes out of a message what must not be seen.
    pub fn clean(&self, message: &str) -> String {
        self.redactor.clean(message)
    }

    /// Opens the database, once.
    pub async fn open(
        &self,
        settings: &Settings,
        observer: Arc<dyn Observer>,
    ) -> Result<Opened, CliError> {
        self.attempt(settings, &observer).await.map_err(|error| self.tell(error))
    }

    /// Opens the database; tries again while it cannot be reached, for as long as the settings say.
    pub async fn open_patiently(
        &self,
        settings: &Settings,
        observer: Arc<dyn Observer>,
    ) -> Result<Opened, CliError> {
        let patience = settings.source.connect_timeout;
        let end = Instant::now() + patience;
        let mut pause = PAUSES.0;
        for attempt in 1_u32.. {
            let error = match self.attempt(settings, &observer).await {
                Ok(opened) => return Ok(opened),
                Err(error @ OpenError::Away(_)) if Instant::now() + pause < end => error,
                Err(OpenError::Away(_)) if !patience.is_zero() => {
                    let url = self.shown();
                    return Err(CliError::Failed(format!(
                        "the database {url} could not be reached within {} s \
                         (--database-connect-timeout). {}",
                        patience.as_secs(),
                        self.advice()
                    )));
                }
                Err(error) => return Err(self.tell(error)),
            };
            let message = self.redactor.clean(&error.to_string());
            tracing::error!(
                attempt,
                database = self.shown(),
                "the database cannot be reached: {message}; trying again in {} ms",
                pause.as_millis()
            );
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
        Err(self.tell(OpenError::Away("no attempt is left".to_owned())))
    }

    fn tell(&self, error: OpenError) -> CliError {
        let message = self.redactor.clean(&error.to_string());
        match error {
            OpenError::Away(_) => CliError::Failed(format!(
                "the database {} cannot be reached: {message}. {}",
                self.shown(),
                self.advice()
            )),
            OpenError::Settings(_) => CliError::Settings(SettingsError::Whole(message)),
            OpenError::Refused { code, .. } => CliError::Failed(format!(
                "the database {} refuses: {message}{}",
                self.shown(),
                remedy(&code)
            )),
            OpenError::Other(_) => CliError::Failed(message),
        }
    }

    /// Where the database is, without its password.
    pub fn shown(&self) -> String {
        self.url.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string)
    }

    fn advice(&self) -> &'static str {
        match self.url.as_ref().map(DatabaseUrl::kind) {
            None | Some(DatabaseKind::Postgres) => {
                "Does the server run, do host and port match, and may this machine connect to it?"
            }
            Some(DatabaseKind::Sqlite) => "Does another process keep the file locked?",
        }
    }

    async fn attempt(
        &self,
        settings: &Settings,
        observer: &Arc<dyn Observer>,
    ) -> Result<Opened, OpenError> {
        let database = match &self.url {
            Some(url) => Some(self.open_database(url, settings, observer).await?),
            None => None,
        };
        let member = database.as_ref().map(|database| DatabaseMember {
            name: settings.source.name.as_str().into(),
            prefix: settings.gateway.database_prefix.clone(),
            source: database.source.clone(),
        });
        let sources = services::sources(&settings.gateway, &Sources::default())
            .await
            .map_err(|error| OpenError::Settings(error.to_string()))?;
        let gateway = Gateway::start(member, sources, SERVICES_PATIENCE)
            .await
            .map_err(|error| OpenError::Settings(error.to_string()))?;
        let engine = Arc::new(Engine::new(gateway.clone(), self.engine.clone()));
        Ok(Opened { engine, gateway, database })
    }

    async fn open_database(
        &self,
        url: &DatabaseUrl,
        settings: &Settings,
        observer: &Arc<dyn Observer>,
    ) -> Result<OpenDatabase, OpenError> {
        let polled = settings.source.changes == Changes::Poll;
        let interval = settings.live.refetch_interval;
        let (database, changes) = match url.kind() {
            DatabaseKind::Sqlite => {
                let mut options = artesian_sqlite::Settings::from_url(url.reveal())
                    .map_err(|error| OpenError::Settings(error.to_string()))?;
                if let Some(timeout) = settings.source.statement_timeout {
                    options.statement_timeout = timeout;
                }
                let backend = Sqlite::open(options)
                    .await
                    .map_err(|error| OpenError::Other(error.to_string()))?;
                if polled {
                    let backend = Polled::new(backend, interval);
                    (self.database(backend, settings, observer).await?, POLL_WANTED)
                } else {
                    (self.database(backend, settings, observer).await?, SQLITE_FEED)
                }
            }
            DatabaseKind::Postgres => {
                let mut options = artesian_postgres::Settings::new(url.reveal());
                options.max_connections = settings.source.connections;
                options.statement_timeout = settings.source.statement_timeout;
                options.refetch_interval = interval;
                options.schema_interval = settings.source.schema_interval;
                let backend = Postgres::new(options)
                    .map_err(|error| OpenError::Settings(error.to_string()))?;
                if polled {
                    let backend = Polled::new(backend, interval);
                    (self.database(backend, settings, observer).await?, POLL_WANTED)
                } else {
                    (self.database(backend, settings, observer).await?, POSTGRES_FEED)
                }
            }
        };
        Ok(OpenDatabase { source: database, url: url.clone(), changes })
    }

    async fn database<B: Backend>(
        &self,
        backend: B,
        settings: &Settings,
        observer: &Arc<dyn Observer>,
    ) -> Result<Arc<dyn AnyDatabase>, OpenError> {
        let config = DatabaseConfig {
            name: settings.source.name.clone(),
            metadata: self.metadata.clone(),
            options: options(settings),
            live: settings.live.clone(),
        };
        Ok(Database::open(Arc::new(backend), config, observer.clone()).await?)
    }
}

/// The choices that shape the schema.
pub fn options(settings: &Settings) -> Options {
    Options { stringify_numeric_types: settings.source.stringify_numeric_types }
}

const POLL_WANTED: &str = "polling at the refetch interval, as `changes: poll` says";
const SQLITE_FEED: &str =
    "pushed: hooks for own writes, a look at the file every 100 ms for those of other processes";
const POSTGRES_FEED: &str =
    "polling at the refetch interval, since this version follows no PostgreSQL changes";

/// Why one attempt failed.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    /// Worth another try.
    #[error("{0}")]
    Away(String),
    /// It answers, and says no.
    #[error("{message}")]
    Refused { code: String, message: String },
    /// The URL cannot be used.
    #[error("{0}")]
    Settings(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<BackendError> for OpenError {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::Unavailable(why) => Self::Away(why),
            BackendError::Rejected { code, message, detail } => {
                let detail = detail.map_or_else(String::new, |detail| format!(" ({detail})"));
                Self::Refused { code, message: format!("{message}{detail}") }
            }
            BackendError::Timeout(_) | BackendError::Unsupported(_) => {
                Self::Other(error.to_string())
            }
        }
    }
}

/// What to do about a SQLSTATE.
fn remedy(code: &str) -> &'static str {
    match code {
        "28P01" | "28000" => ". Check user and password in the database URL, and pg_hba.conf",
        "3D000" => ". Create the database, or mend its name in the URL",
        "42501" => ". Grant the user what it lacks (`artesian check` lists it)",
        _ => "",
    }
}

/// The URL that `connection_info` of the metadata names.
fn url_of_metadata(
    metadata: &Json,
    name: &str,
    environment: &Environment,
) -> Result<Option<DatabaseUrl>, SettingsError> {
    let document = metadata.get("metadata").unwrap_or(metadata);
    let sources = document.get("sources").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let named = |s: &&Json| s.get("name").and_then(Json::as_str) == Some(name);
    let source = match sources {
        [one] => Some(one),
        many => many.iter().find(named),
    };
    let url = source.and_then(|s| s.pointer("/configuration/connection_info/database_url"));
    let bad = |message: String| {
        SettingsError::Whole(format!("connection_info of the metadata: {message}"))
    };
    let text = match url {
        Some(Json::String(text)) => text.clone(),
        Some(Json::Object(object)) => match object.get("from_env").and_then(Json::as_str) {
            Some(name) => environment.get(name).map(str::to_owned).ok_or_else(|| {
                bad(format!(
                    "the environment variable {name} is not set; set it, or use --database-url"
                ))
            })?,
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    DatabaseUrl::parse(&text).map(Some).map_err(bad)
}
