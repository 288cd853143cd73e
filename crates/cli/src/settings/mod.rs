//! Settings: where they come from and what they are.

pub mod auth;
#[cfg(test)]
mod auth_secrets_tests;
#[cfg(test)]
mod auth_tests;
pub mod definitions;
#[cfg(test)]
pub mod docs;
pub mod file;
mod gateway;
#[cfg(test)]
mod guide_tests;
pub mod limits;
#[cfg(test)]
mod limits_docs;
mod node;
pub mod resolve;
pub mod suggest;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use artesian_engine::{EngineConfig, Introspection, TrustedMode};
use artesian_server::{
    CompatProfile, Cors, CsrfRule, ServerConfig, StatusProfile, Subprotocol, WebSocketConfig,
};

pub use gateway::GatewaySettings;
pub use resolve::{Environment, Flags, Origin, Raw, Resolver, SettingsError, Values};

use crate::redact::{DatabaseUrl, Redactor};

/// The environment variable that names the configuration file.
pub const CONFIG_ENV: &str = "ARTESIAN_CONFIG";

/// The configuration file that is read if it is there.
pub const DEFAULT_CONFIG: &str = "artesian.yaml";

/// How changes are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// The best way that the database offers.
    Auto,
    /// Live queries are run again at every interval.
    Poll,
}

/// The database and the schema made of it.
#[derive(Clone)]
pub struct SourceSettings {
    /// Its name in the metadata.
    pub name: String,
    /// Where it is; `None` leaves it to the metadata.
    pub database_url: Option<DatabaseUrl>,
    /// A JSON export or a folder.
    pub metadata: Option<PathBuf>,
    /// How changes are noticed.
    pub changes: Changes,
    /// PostgreSQL: the most connections.
    pub connections: usize,
    /// PostgreSQL: how often to look whether the schema has changed.
    pub schema_interval: Option<Duration>,
    /// How long to try to reach it at start-up.
    pub connect_timeout: Duration,
    /// How long a statement may run.
    pub statement_timeout: Option<Duration>,
    /// Numbers beyond JavaScript's as strings.
    pub stringify_numeric_types: bool,
}

/// Which documents run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentSettings {
    /// A file of trusted documents.
    pub trusted: Option<PathBuf>,
    /// What they are good for.
    pub mode: TrustedMode,
    /// Whether only the metadata's allow list runs.
    pub allowlist: bool,
}

/// When settings are read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReloadSettings {
    /// After SIGHUP.
    pub by_signal: bool,
    /// When a file has changed.
    pub by_change: bool,
    /// How often to look for that.
    pub interval: Duration,
}

/// How logs are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// One JSON object a line.
    pub json: bool,
    /// The filter; `None` if nobody set one.
    pub level: Option<String>,
}

/// Everything that can be set.
#[derive(Clone)]
pub struct Settings {
    /// The database.
    pub source: SourceSettings,
    /// Services and brokers beside it.
    pub gateway: GatewaySettings,
    /// Live queries.
    pub live: artesian_live::Config,
    /// Limits of operations. Trusted documents are not in it yet.
    pub engine: EngineConfig,
    /// Which documents run.
    pub documents: DocumentSettings,
    /// The address to listen on, `host:port`.
    pub listen: String,
    /// How many connections may wait to be accepted.
    pub accept_queue: u32,
    /// The server.
    pub server: ServerConfig,
    /// Logs.
    pub log: LogSettings,
    /// When all this is read again.
    pub reload: ReloadSettings,
    /// What all this is made of.
    pub values: Values,
    /// The configuration file that was read.
    pub config_file: Option<PathBuf>,
    /// What is doubtful, one line each.
    pub warnings: Vec<String>,
}

/// Holds secrets, so it shows nothing.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads the configuration file, if there is one, and puts everything together.
    pub fn load(
        flags: Flags,
        config: Option<PathBuf>,
        environment: Environment,
    ) -> Result<Self, SettingsError> {
        let named = config
            .or_else(|| environment.get(CONFIG_ENV).filter(|v| !v.is_empty()).map(PathBuf::from));
        let config_file = named.or_else(|| {
            let default = Path::new(DEFAULT_CONFIG);
            default.is_file().then(|| default.to_owned())
        });
        let file = match &config_file {
            Some(path) => file::read(path, &environment)?,
            None => file::File::default(),
        };
        let mut settings = Self::resolve(&Resolver::new(flags, environment, file))?;
        settings.config_file = config_file;
        Ok(settings)
    }

    /// All settings from their places.
    pub fn resolve(from: &Resolver) -> Result<Self, SettingsError> {
        let mut settings = Self {
            source: source(from)?,
            gateway: gateway::read(from)?,
            live: live(from)?,
            engine: engine(from)?,
            documents: documents(from)?,
            listen: listen(from)?,
            accept_queue: u32::try_from(from.positive("accept-queue")?).unwrap_or(u32::MAX),
            server: server(from)?,
            log: LogSettings { json: from.word("log-format")? == "json", level: log_level(from)? },
            reload: reload(from)?,
            values: from.values(),
            config_file: None,
            warnings: from.environment_warnings(),
        };
        // Templates of services may name them.
        settings.server.auth.forward_claims = settings.gateway.claims();
        settings.warnings.extend(auth::warnings(from, &settings.server));
        Ok(settings)
    }

    /// What must not be seen in any message.
    pub fn redactor(&self) -> Redactor {
        let mut redactor = Redactor::default();
        if let Some(url) = &self.source.database_url {
            redactor.add_url(url);
        }
        // One that does not count is still a secret.
        let given = self.values.get("admin-secret").into_iter().flatten();
        for secret in self.server.auth.secrets().iter().chain(given) {
            redactor.add_encoded(secret);
        }
        redactor
    }
}

/// Paths in the configuration file are relative to it.
fn beside(origin: &Origin, path: &Path) -> PathBuf {
    match origin {
        Origin::File { place, .. } => place.file.parent().unwrap_or(Path::new("")).join(path),
        _ => path.to_owned(),
    }
}

fn source(from: &Resolver) -> Result<SourceSettings, SettingsError> {
    let url = |raw: Raw| {
        let mut url = DatabaseUrl::parse(raw.one()).map_err(|why| raw.error(why))?;
        if matches!(raw.origin, Origin::File { .. }) {
            url.rebase(|path| beside(&raw.origin, path));
        }
        Ok(url)
    };
    let timeout = from.time("statement-timeout")?;
    // Hasura has it for functions, which this version does not serve.
    from.switch("infer-function-permissions")?;
    Ok(SourceSettings {
        name: from.word("source-name")?,
        database_url: from.raw("database-url").map(url).transpose()?,
        metadata: from.raw("metadata").map(|raw| beside(&raw.origin, Path::new(raw.one()))),
        changes: match from.word("changes")?.as_str() {
            "poll" => Changes::Poll,
            _ => Changes::Auto,
        },
        connections: from.positive("connections")?,
        schema_interval: Some(from.time("schema-interval")?).filter(|time| !time.is_zero()),
        connect_timeout: from.time("database-connect-timeout")?,
        statement_timeout: (!timeout.is_zero()).then_some(timeout),
        stringify_numeric_types: from.switch("stringify-numeric-types")?,
    })
}

fn reload(from: &Resolver) -> Result<ReloadSettings, SettingsError> {
    let when = from.word("reload")?;
    Ok(ReloadSettings {
        by_signal: when != "off",
        by_change: when == "auto",
        interval: from.positive_time("reload-interval")?,
    })
}

fn log_level(from: &Resolver) -> Result<Option<String>, SettingsError> {
    let Some(raw) = from.raw("log-level").filter(|raw| raw.origin != Origin::Default) else {
        return Ok(None);
    };
    tracing_subscriber::EnvFilter::try_new(raw.one()).map_err(|_| {
        raw.error(format!(
            "`{}` is no level of logs: write error, warn, info, debug or trace, also per part: \
             info,artesian_live=debug",
            raw.one()
        ))
    })?;
    Ok(Some(raw.one().to_owned()))
}

fn live(from: &Resolver) -> Result<artesian_live::Config, SettingsError> {
    Ok(artesian_live::Config {
        batch_size: from.positive("live-queries-multiplexed-batch-size")?,
        refetch_interval: from.positive_time("live-queries-multiplexed-refetch-interval")?,
        connections: from.positive("live-queries-connections")?,
        ..artesian_live::Config::default()
    })
}

fn engine(from: &Resolver) -> Result<EngineConfig, SettingsError> {
    Ok(EngineConfig {
        max_depth: from.positive("max-depth")?,
        max_root_fields: from.positive("max-root-fields")?,
        max_aliases: from.number("max-aliases")?,
        max_tokens: from.positive("max-tokens")?,
        max_directives: from.number("max-directives")?,
        introspection: match from.word("introspection")?.as_str() {
            "admin" => Introspection::Admin,
            "nobody" => Introspection::Nobody,
            _ => Introspection::All,
        },
        federation_subgraph: from.switch("federation-subgraph")?,
        persisted_queries: from.switch("persisted-queries")?,
        persisted_queries_bytes: from.positive("persisted-queries-bytes")?,
        persisted_query_max_bytes: from.positive("persisted-query-max-bytes")?,
        trusted: Arc::default(),
        trusted_mode: TrustedMode::Off,
        plan_cache_size: from.positive("plan-cache-size")?,
        execution_timeout: from.positive_time("execution-timeout")?,
    })
}

fn documents(from: &Resolver) -> Result<DocumentSettings, SettingsError> {
    let trusted = from.raw("trusted-documents");
    let mode = match from.word("trusted-documents-mode")?.as_str() {
        "only" => TrustedMode::Only,
        "off" => TrustedMode::Off,
        _ => TrustedMode::Prefer,
    };
    let allowlist = from.switch("enable-allowlist")?;
    Ok(DocumentSettings {
        trusted: trusted.map(|raw| beside(&raw.origin, Path::new(raw.one()))),
        mode,
        allowlist,
    })
}

/// `listen`, or Hasura's host and port where they were given closer to the user.
fn listen(from: &Resolver) -> Result<String, SettingsError> {
    let (host, port) = (from.text("server-host"), from.port("server-port")?);
    let Some(raw) = from.raw("listen") else {
        return Err(SettingsError::Whole("the setting `listen` is not given".to_owned()));
    };
    if raw.origin == Origin::Default && (host.is_some() || port.is_some()) {
        // Hasura listens on every interface.
        let host = host.filter(|host| host != "*").unwrap_or_else(|| "0.0.0.0".to_owned());
        let port = port.unwrap_or(8080);
        let is_v6 = host.contains(':') && !host.starts_with('[');
        return Ok(if is_v6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") });
    }
    let address = raw.one().trim();
    let is_good = address.rsplit_once(':').is_some_and(|(host, port)| {
        let bare_v6 = host.contains(':') && !host.starts_with('[');
        !host.is_empty() && !bare_v6 && port.parse::<u16>().is_ok()
    });
    if is_good {
        return Ok(address.to_owned());
    }
    Err(raw.error(format!(
        "`{address}` is no address to listen on: write host:port, for example 127.0.0.1:8080 or \
         0.0.0.0:8080"
    )))
}

fn server(from: &Resolver) -> Result<ServerConfig, SettingsError> {
    let origins = from.list("cors-domain");
    let cors = if from.switch("disable-cors")? {
        Cors::Disabled
    } else if from.raw("cors-domain").is_none() {
        Cors::Default
    } else if origins.iter().any(|origin| origin == "*") {
        Cors::AllowAll
    } else {
        Cors::List(origins)
    };
    let compat = from.choices("websocket-compat")?;
    let compat: Vec<_> = compat.iter().filter_map(|name| CompatProfile::from_name(name)).collect();
    Ok(ServerConfig {
        auth: auth::auth(from)?,
        ws_read_cookie: from.switch("ws-read-cookie")?,
        expiry_grace: from.time("expiry-grace")?,
        status_profile: match from.word("status-profile")?.as_str() {
            "spec" => StatusProfile::Spec,
            _ => StatusProfile::Hasura,
        },
        cors,
        csrf: match from.word("csrf")?.as_str() {
            "strict" => CsrfRule::Strict,
            "off" => CsrfRule::Off,
            _ => CsrfRule::PostOnly,
        },
        max_body_bytes: from.positive("max-body-bytes")?,
        max_batch_size: from.number("max-batch-size")?,
        max_head_bytes: from.positive("max-head-bytes")?,
        read_timeout: from.positive_time("read-timeout")?,
        request_timeout: from.positive_time("request-timeout")?,
        write_timeout: from.positive_time("write-timeout")?,
        sse_heartbeat: from.positive_time("sse-heartbeat")?,
        sse_reservation_timeout: from.positive_time("sse-reservation-timeout")?,
        sse_max_reservations: from.positive("sse-max-reservations")?,
        sse_max_reservations_per_identity: from.positive("sse-max-reservations-per-identity")?,
        multipart_heartbeat: from.positive_time("multipart-heartbeat")?,
        websocket: WebSocketConfig {
            enabled: from.switch("enable-websockets")?,
            init_timeout: from.positive_time("websocket-connection-init-timeout")?,
            ping_interval: from.positive_time("websocket-keepalive")?,
            ping_timeout: from.positive_time("websocket-ping-timeout")?,
            max_operations: from.positive("websocket-max-operations")?,
            max_message_bytes: from.positive("websocket-max-message-bytes")?,
            max_queue_bytes: from.positive("websocket-max-queue-bytes")?,
            write_timeout: from.positive_time("websocket-write-timeout")?,
            close_timeout: from.positive_time("websocket-close-timeout")?,
            default_subprotocol: default_subprotocol(from, &compat)?,
            compat,
            compression: from.switch("websocket-compression")?,
            compression_threshold: from.number("websocket-compression-threshold")?,
            http2: from.switch("websocket-http2")?,
        },
        limits: limits::limits(from)?,
        console: from.switch("enable-console")?,
        shutdown_window: from.time("shutdown-window")?,
        shutdown_grace: from.time("shutdown-grace")?,
    })
}

/// Hasura speaks the legacy protocol with whoever offers none.
fn default_subprotocol(
    from: &Resolver,
    compat: &[CompatProfile],
) -> Result<Option<Subprotocol>, SettingsError> {
    const NAME: &str = "websocket-default-subprotocol";
    let is_default = from.raw(NAME).is_none_or(|raw| raw.origin == Origin::Default);
    if is_default && compat.contains(&CompatProfile::Hasura) {
        return Ok(Some(Subprotocol::Legacy));
    }
    let name = from.word(NAME)?;
    Ok(Subprotocol::PREFERENCE.into_iter().find(|protocol| protocol.as_str() == name))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
