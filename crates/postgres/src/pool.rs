//! Connections: opening, keeping, handing out.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use artesian_database::BackendError;
use deadpool::{
    Runtime,
    managed::{self, Metrics, QueueMode, RecycleError, RecycleResult},
};
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Error, config::LoadBalanceHosts};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    connection_string::Target,
    endpoint::Endpoint,
    error,
    execute::StatementCache,
    running::{Canceller, Finished, Running},
    settings::{Settings, SettingsError},
    tls,
};

/// A session with what belongs to it.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) statements: StatementCache,
    /// Work has begun and not ended: whoever drops it now leaves it in an unknown state.
    pub(crate) busy: bool,
    /// It shall not be used again.
    pub(crate) broken: bool,
    endpoint: Arc<Endpoint>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Left alone, the driver says goodbye and ends. It would also wait for the end of whatever
        // still runs, so a connection in doubt is cut.
        if self.busy || self.broken {
            self.driver.abort();
        }
    }
}

/// Opens connections for the pool and decides which may be used again.
pub(crate) struct Manager {
    /// All but the host.
    config: tokio_postgres::Config,
    endpoints: Vec<Endpoint>,
    /// How many connections have been asked for.
    opened: AtomicUsize,
    tls: MakeRustlsConnect,
    session_sql: String,
    statement_cache: usize,
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = OpenError;

    async fn create(&self) -> Result<Connection, OpenError> {
        let mut endpoints: Vec<&Endpoint> = self.endpoints.iter().collect();
        if self.config.get_load_balance_hosts() == LoadBalanceHosts::Random {
            // Each in turn: what comes after the first is only for when that one fails.
            let turn = self.opened.fetch_add(1, Ordering::Relaxed);
            let start = turn % endpoints.len().max(1);
            endpoints.rotate_left(start);
        }
        let mut failure = OpenError::NoAddress;
        for endpoint in endpoints {
            match endpoint.resolve().await {
                Ok(addresses) => {
                    for address in addresses {
                        match self.open(address).await {
                            Ok(connection) => return Ok(connection),
                            Err(error) => failure = error.into(),
                        }
                    }
                }
                Err(error) => failure = OpenError::Resolve(error),
            }
        }
        Err(failure)
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<OpenError> {
        if connection.busy || connection.broken || connection.client.is_closed() {
            return Err(RecycleError::message("the connection is closed or in doubt"));
        }
        Ok(())
    }
}

impl Manager {
    async fn open(&self, endpoint: Endpoint) -> Result<Connection, Error> {
        let mut config = self.config.clone();
        endpoint.add_to(&mut config);
        let (client, connection) = config.connect(self.tls.clone()).await?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to PostgreSQL ended");
            }
        });
        let connection = Connection {
            client,
            statements: StatementCache::new(self.statement_cache),
            busy: false,
            broken: false,
            endpoint: Arc::new(endpoint),
            driver,
        };
        connection.client.batch_execute(&self.session_sql).await?;
        Ok(connection)
    }
}

/// Why no connection could be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("the host has no address")]
    NoAddress,
    #[error("the host is not known: {0}")]
    Resolve(std::io::Error),
    #[error("{0}")]
    Driver(#[from] Error),
}

/// The pool of connections to one database.
pub(crate) struct Pool {
    connections: managed::Pool<Manager>,
    settings: Arc<Settings>,
}

impl Pool {
    /// A pool without connections: they are opened when needed.
    pub(crate) fn new(settings: Arc<Settings>) -> Result<Self, SettingsError> {
        if settings.max_connections == 0 {
            return Err(SettingsError::Range("at least one connection is needed"));
        }
        let target = Target::new(&settings)?;
        let manager = Manager {
            tls: tls::connector(&target.tls)?,
            config: target.config,
            endpoints: target.endpoints,
            // Every process starts with another host.
            opened: AtomicUsize::new(RandomState::new().hash_one(0) as usize),
            session_sql: settings.session_sql(),
            statement_cache: settings.statement_cache,
        };
        let connections = managed::Pool::builder(manager)
            .max_size(settings.max_connections)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(settings.acquire_timeout))
            // Opening includes TLS, authentication and the session's first statements.
            .create_timeout(Some(settings.connect_timeout.max(Duration::from_millis(1))))
            // The one used last has the warmest caches, here and at the server.
            .queue_mode(QueueMode::Lifo)
            .build()
            .map_err(|_| SettingsError::Range("the pool cannot be built"))?;
        Ok(Self { connections, settings })
    }

    /// Does work on a free connection. If the returned future is dropped, the work is cancelled at
    /// the server.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Connection) -> BoxFuture<'a, Result<T, Error>> + Send + 'static,
    {
        let connection =
            self.connections.get().await.map_err(|error| error::of_pool(error, &self.settings))?;
        let canceller = Canceller::new(
            connection.client.cancel_token(),
            connection.endpoint.clone(),
            self.connections.manager().tls.clone(),
        );
        let started = Instant::now();
        let result = Running::new(on_connection(connection, work), canceller).await;
        result.map_err(|error| {
            error::of_statement(&error, started.elapsed(), self.settings.statement_timeout)
        })
    }

    /// How many connections are open and how many of them are free.
    pub(crate) fn open_and_free(&self) -> (usize, usize) {
        let status = self.connections.status();
        (status.size, status.available.min(status.size))
    }
}

/// The work, and after it its connection again. It owns what it needs, so that it can be followed to
/// its end even if nobody waits for it any more.
async fn on_connection<T, F>(mut connection: managed::Object<Manager>, work: F) -> Finished<T>
where
    F: for<'a> FnOnce(&'a mut Connection) -> BoxFuture<'a, Result<T, Error>>,
{
    connection.busy = true;
    let result = work(&mut connection).await;
    connection.busy = false;
    if result.as_ref().is_err_and(error::breaks_connection) {
        connection.broken = true;
    }
    Finished { connection, result }
}
