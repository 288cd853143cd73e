//! The [`Backend`] over PostgreSQL.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use artesian_database::{Backend, BackendError, Values};
use artesian_live::{ChangeFeed, PollFeed};
use artesian_sql::{Catalog, Dialect, QualifiedName, Statement};
use async_trait::async_trait;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::future::FutureExt;
use parking_lot::Mutex;
use tokio_postgres::Row;

use crate::{
    array, catalog,
    dependencies::Dependencies,
    error::unexpected,
    pool::Pool,
    settings::{Settings, SettingsError},
    text::{TextBytes, TextParam},
};

/// A PostgreSQL database.
pub struct Postgres {
    pool: Pool,
    settings: Arc<Settings>,
    known: ArcSwap<Known>,
    /// The version of the system tables that the catalog was read at or after; empty before that.
    version: Mutex<String>,
}

/// What the last reading of the catalog told besides the catalog.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) dependencies: Dependencies,
    /// Delimiters of types that do not use a comma in their arrays, by the type's quoted name.
    pub(crate) delimiters: HashMap<String, char>,
}

impl Postgres {
    /// A backend for these settings. Connections are opened when needed; whether the database can
    /// be reached is for [`Backend::ping`] to tell.
    ///
    /// # Errors
    ///
    /// If the URL is malformed or the certificates that it names cannot be read.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let settings = Arc::new(settings);
        let pool = Pool::new(settings.clone())?;
        Ok(Self { pool, settings, known: ArcSwap::default(), version: Mutex::default() })
    }

    /// How many connections are open and how many of them are free, for metrics.
    pub fn connections(&self) -> (usize, usize) {
        self.pool.open_and_free()
    }

    async fn rows(&self, sql: Arc<str>, params: Vec<TextParam>) -> Result<Vec<Row>, BackendError> {
        self.pool
            .run(move |connection| async move { connection.execute(&sql, &params).await }.boxed())
            .await
    }

    fn delimiter(&self, element: &str) -> char {
        match element {
            // The only one that every server has.
            "\"pg_catalog\".\"box\"" => ';',
            element => self.known.load().delimiters.get(element).copied().unwrap_or(array::COMMA),
        }
    }
}

#[async_trait]
impl Backend for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn catalog(
        &self,
        schemas: &[String],
        enum_tables: &[QualifiedName],
    ) -> Result<Catalog, BackendError> {
        // First the version: what changes while the catalog is read is read again.
        let version = match self.settings.schema_interval {
            Some(_) => catalog::version::read(&self.pool).await?,
            None => String::new(),
        };
        let (catalog, known) = catalog::read(&self.pool, schemas, enum_tables).await?;
        *self.version.lock() = version;
        self.known.store(Arc::new(known));
        Ok(catalog)
    }

    async fn fetch(&self, statement: &Statement, values: &Values) -> Result<Bytes, BackendError> {
        let params = text_params(statement, values)?;
        let rows = self.rows(statement.sql.clone(), params).await?;
        match rows.as_slice() {
            [row] => data(row, 0),
            rows => Err(unexpected(format!("the statement returned {} rows, not 1", rows.len()))),
        }
    }

    async fn fetch_batch(
        &self,
        statement: &Statement,
        batch: &[Values],
    ) -> Result<Vec<Bytes>, BackendError> {
        let Some(first) = batch.first() else {
            return Ok(Vec::new());
        };
        if statement.param_types.is_empty() || batch.len() == 1 {
            for values in batch {
                check_count(statement, values)?;
            }
            let result = self.fetch(statement, first).await?;
            return Ok(vec![result; batch.len()]);
        }
        let params = self.batch_params(statement, batch)?;
        let rows = self.rows(statement.batch_sql.clone(), params).await?;
        in_order(&rows, batch.len())
    }

    async fn dependencies(
        &self,
        statement: &Statement,
    ) -> Result<(Vec<Arc<str>>, bool), BackendError> {
        let (tables, polled) = self.known.load().dependencies.resolve(&statement.reads);
        Ok((tables, polled || statement.volatile))
    }

    async fn changes(&self) -> Result<Box<dyn ChangeFeed>, BackendError> {
        Ok(Box::new(PollFeed::new(self.settings.refetch_interval)))
    }

    async fn schema_changed(&self) {
        let Some(interval) = self.settings.schema_interval else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(interval).await;
            match catalog::version::read(&self.pool).await {
                Ok(version) if version != *self.version.lock() => return,
                Ok(_) => {}
                // It is away, which others tell of.
                Err(error) => tracing::debug!(%error, "whether the schema changed is not known"),
            }
        }
    }

    async fn ping(&self) -> Result<(), BackendError> {
        self.pool
            .run(|connection| {
                // An empty statement is answered without a transaction.
                async move { connection.client.simple_query("").await.map(drop) }.boxed()
            })
            .await
    }

    async fn explain(
        &self,
        statement: &Statement,
        values: &Values,
    ) -> Result<String, BackendError> {
        let params = text_params(statement, values)?;
        let sql = format!("EXPLAIN (FORMAT TEXT) {}", statement.sql);
        let rows = self
            .pool
            .run(move |connection| {
                async move { connection.execute_once(&sql, &params).await }.boxed()
            })
            .await?;
        let lines: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        Ok(lines.map_err(|error| unexpected(error.to_string()))?.join("\n"))
    }
}

impl Postgres {
    /// One array per parameter, and the number of their elements.
    fn batch_params(
        &self,
        statement: &Statement,
        batch: &[Values],
    ) -> Result<Vec<TextParam>, BackendError> {
        for values in batch {
            check_count(statement, values)?;
        }
        let arrays = statement.param_types.iter().enumerate().map(|(index, ty)| {
            let elements = batch.iter().map(move |values| &values[index]);
            array::literal(elements, self.delimiter(&ty.batch_element))
        });
        let count: Arc<str> = batch.len().to_string().into();
        Ok(arrays.chain([count]).map(|text| TextParam(Some(text))).collect())
    }
}

fn check_count(statement: &Statement, values: &Values) -> Result<(), BackendError> {
    let (given, wanted) = (values.len(), statement.param_types.len());
    if given == wanted {
        return Ok(());
    }
    Err(unexpected(format!("the statement has {wanted} parameters and was given {given} values")))
}

fn text_params(statement: &Statement, values: &Values) -> Result<Vec<TextParam>, BackendError> {
    check_count(statement, values)?;
    Ok(values.iter().cloned().map(TextParam).collect())
}

/// The response with the JSON text of a row's column: the one copy that is made of it.
fn data(row: &Row, column: usize) -> Result<Bytes, BackendError> {
    const BEFORE: &[u8] = b"{\"data\":";
    const AFTER: &[u8] = b"}";
    let text: Option<TextBytes<'_>> =
        row.try_get(column).map_err(|error| unexpected(error.to_string()))?;
    let Some(TextBytes(json)) = text else {
        return Err(unexpected("the statement returned NULL, not a JSON text"));
    };
    let mut bytes = BytesMut::with_capacity(BEFORE.len() + json.len() + AFTER.len());
    bytes.put_slice(BEFORE);
    bytes.put_slice(json);
    bytes.put_slice(AFTER);
    Ok(bytes.freeze())
}

/// The results of a batch, rows `(i, result)` with `i` from 1 to `count` in any order.
fn in_order(rows: &[Row], count: usize) -> Result<Vec<Bytes>, BackendError> {
    let mut results = vec![Bytes::new(); count];
    let mut missing = count;
    for row in rows {
        let number: i32 = row.try_get(0).map_err(|error| unexpected(error.to_string()))?;
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let slot = index.and_then(|index| results.get_mut(index)).filter(|slot| slot.is_empty());
        let Some(slot) = slot else {
            return Err(unexpected(format!(
                "the batch of {count} has a second or stray row {number}"
            )));
        };
        *slot = data(row, 1)?;
        missing -= 1;
    }
    if missing > 0 {
        return Err(unexpected(format!("the batch of {count} lacks {missing} results")));
    }
    Ok(results)
}
