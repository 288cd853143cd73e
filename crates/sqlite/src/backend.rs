//! The database as a [`Backend`].

use std::sync::Arc;

use artesian_database::{Backend, BackendError, Values};
use artesian_live::ChangeFeed;
use artesian_sql::{Catalog, Dialect, QualifiedName, Statement};
use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use crate::error::{OpenError, backend_error, internal};
use crate::feed::Feeds;
use crate::pool::Pool;
use crate::query::{self, Query};
use crate::reads::Inspector;
use crate::settings::Settings;
use crate::writer::{self, Writer};
use crate::{catalog, connection, schema};

/// An open SQLite database: one connection that writes, some that read, each on its own thread.
pub struct Sqlite {
    readers: Pool,
    /// One more reader, which finds out what statements read.
    inspections: Pool,
    inspector: Inspector,
    writer: Writer,
    feeds: Arc<Feeds>,
    schema: watch::Receiver<i64>,
    read_only: bool,
    closed: oneshot::Receiver<()>,
    /// The schema that [`Backend::schema_changed`] told of last.
    seen_schema: tokio::sync::Mutex<watch::Receiver<i64>>,
}

impl std::fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sqlite").field("read_only", &self.read_only).finish_non_exhaustive()
    }
}

impl Sqlite {
    /// Opens a database.
    pub async fn open(settings: Settings) -> Result<Self, OpenError> {
        let path = settings.path.clone();
        let failed = move |message: String| OpenError::Failed { path, message };
        tokio::task::spawn_blocking(move || Self::open_blocking(&settings))
            .await
            .map_err(|error| failed(error.to_string()))?
    }

    fn open_blocking(settings: &Settings) -> Result<Self, OpenError> {
        let path = connection::checked_path(settings)?;
        let failed = |error: rusqlite::Error| OpenError::from_sqlite(&settings.path, &error);
        let no_thread = |error: std::io::Error| OpenError::Failed {
            path: settings.path.clone(),
            message: format!("no thread could be started: {error}"),
        };
        let (writing, read_only) = connection::open_writer(&path, settings).map_err(failed)?;
        let reading = || connection::open_reader(&path, settings).map_err(failed);
        let connections =
            (0..settings.readers.max(1)).map(|_| reading()).collect::<Result<Vec<_>, _>>()?;
        let mut inspecting = reading()?;
        let inspector = Inspector::install(&mut inspecting).map_err(failed)?;

        let feeds = Arc::new(Feeds::default());
        let state = writer::State::new(
            writing,
            read_only.then(|| settings.path.clone()),
            feeds.clone(),
            settings.data_version_interval,
        )
        .map_err(failed)?;
        let timeout = settings.statement_timeout;
        let (readers, mut threads) =
            Pool::start("reader", connections, timeout).map_err(no_thread)?;
        let (inspections, more) =
            Pool::start("catalog", vec![inspecting], timeout).map_err(no_thread)?;
        threads.extend(more);
        let schema = state.schema();
        let (done, closed) = oneshot::channel();
        let writer = state.start(threads, done).map_err(no_thread)?;
        let seen_schema = tokio::sync::Mutex::new(schema.clone());
        Ok(Self {
            readers,
            inspections,
            inspector,
            writer,
            feeds,
            schema,
            read_only,
            closed,
            seen_schema,
        })
    }

    /// A handle for writing. As long as one exists, the file stays open.
    pub fn writer(&self) -> Writer {
        self.writer.clone()
    }

    /// Whether the file can only be read.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// A number that differs after every change of the schema, by this process or (while somebody
    /// listens to a change feed) another: then the catalog should be read again.
    pub fn schema_version(&self) -> watch::Receiver<i64> {
        self.schema.clone()
    }

    /// Closes every connection and waits until the write-ahead log has been tidied up. Waits for
    /// all clones of the [`Writer`] to be dropped.
    pub async fn close(self) {
        let Self { readers, inspections, writer, closed, .. } = self;
        drop((readers, inspections, writer));
        // An error means that the thread is gone, which is what is waited for.
        let _ = closed.await;
    }

    async fn fetch_query(&self, query: Query) -> Result<Vec<Bytes>, BackendError> {
        self.readers
            .run(move |connection| query::fetch_all(connection, &query.statement, &query.batch))
            .await
    }

    /// Runs something on the connection whose statements are inspected.
    async fn inspect<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Inspector) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, BackendError> {
        let inspector = self.inspector.clone();
        self.inspections
            .run(move |connection| work(connection, &inspector).map_err(|e| backend_error(&e)))
            .await
    }
}

#[async_trait]
impl Backend for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn catalog(
        &self,
        schemas: &[String],
        enum_tables: &[QualifiedName],
    ) -> Result<Catalog, BackendError> {
        if let Some(other) = schemas.iter().find(|s| *s != catalog::SCHEMA) {
            return Err(BackendError::Unsupported(format!(
                "SQLite has only the schema `main`, not `{other}`"
            )));
        }
        let enum_tables = enum_tables.to_vec();
        self.inspect(move |connection, inspector| {
            catalog::read(connection, inspector, &enum_tables)
        })
        .await
    }

    async fn fetch(&self, statement: &Statement, values: &Values) -> Result<Bytes, BackendError> {
        let mut results = self.fetch_query(Query::one(statement, values)).await?;
        results.pop().ok_or_else(|| internal("a statement without an answer"))
    }

    async fn fetch_batch(
        &self,
        statement: &Statement,
        batch: &[Values],
    ) -> Result<Vec<Bytes>, BackendError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        self.fetch_query(Query { statement: statement.clone(), batch: batch.into() }).await
    }

    async fn dependencies(
        &self,
        statement: &Statement,
    ) -> Result<(Vec<Arc<str>>, bool), BackendError> {
        let sql = statement.sql.clone();
        let reads = self
            .inspect(move |connection, inspector| {
                let snapshot = connection.unchecked_transaction()?;
                let relations = schema::relations(&snapshot)?;
                inspector.reads(&snapshot, &relations, &sql)
            })
            .await?;
        let tables = reads.tables.iter().map(|t| crate::table_id(t)).collect();
        Ok((tables, reads.volatile || statement.volatile))
    }

    async fn changes(&self) -> Result<Box<dyn ChangeFeed>, BackendError> {
        // First listen, then take the present state as known: what comes after is heard.
        let feed = self.feeds.listen();
        self.writer.look().await?;
        Ok(Box::new(feed))
    }

    async fn schema_changed(&self) {
        let mut seen = self.seen_schema.lock().await;
        if seen.changed().await.is_err() {
            // The writer is gone: nothing changes any more.
            std::future::pending().await
        }
    }

    async fn ping(&self) -> Result<(), BackendError> {
        let read = |connection: &Connection| {
            connection
                .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
                .map_err(|e| BackendError::Unavailable(e.to_string()))
        };
        self.readers.run(read).await
    }

    async fn explain(
        &self,
        statement: &Statement,
        values: &Values,
    ) -> Result<String, BackendError> {
        let query = Query::one(statement, values);
        self.readers
            .run(move |connection| query::explain(connection, &query.statement, &query.batch[0]))
            .await
    }
}
