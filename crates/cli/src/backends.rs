//! Backends as the commands use them.

use std::{sync::Arc, time::Duration};

use artesian_database::{Backend, BackendError, Database, Values};
use artesian_engine::Source;
use artesian_live::{ChangeFeed, PollFeed};
use artesian_server::LiveStats;
use artesian_sql::{
    Catalog, Dialect, QualifiedName, Statement,
    metadata::Metadata,
    model::{Model, Options},
};
use async_trait::async_trait;
use bytes::Bytes;

/// A database whose changes are not followed (`changes: poll`).
pub struct Polled<B> {
    inner: B,
    interval: Duration,
}

impl<B> Polled<B> {
    /// The same database, polled.
    pub fn new(inner: B, interval: Duration) -> Self {
        Self { inner, interval }
    }
}

#[async_trait]
impl<B: Backend> Backend for Polled<B> {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    async fn catalog(
        &self,
        schemas: &[String],
        enum_tables: &[QualifiedName],
    ) -> Result<Catalog, BackendError> {
        self.inner.catalog(schemas, enum_tables).await
    }

    async fn fetch(&self, statement: &Statement, values: &Values) -> Result<Bytes, BackendError> {
        self.inner.fetch(statement, values).await
    }

    async fn fetch_batch(
        &self,
        statement: &Statement,
        batch: &[Values],
    ) -> Result<Vec<Bytes>, BackendError> {
        self.inner.fetch_batch(statement, batch).await
    }

    async fn dependencies(
        &self,
        statement: &Statement,
    ) -> Result<(Vec<Arc<str>>, bool), BackendError> {
        self.inner.dependencies(statement).await
    }

    async fn changes(&self) -> Result<Box<dyn ChangeFeed>, BackendError> {
        Ok(Box::new(PollFeed::new(self.interval)))
    }

    async fn schema_changed(&self) {
        self.inner.schema_changed().await;
    }

    async fn ping(&self) -> Result<(), BackendError> {
        self.inner.ping().await
    }

    async fn explain(
        &self,
        statement: &Statement,
        values: &Values,
    ) -> Result<String, BackendError> {
        self.inner.explain(statement, values).await
    }
}

/// A database of any kind, for what the engine does not ask.
#[async_trait]
pub trait AnyDatabase: Source {
    /// What is served of it.
    fn model(&self) -> Arc<Model>;

    /// Serves it by other metadata, and reads its catalog again.
    async fn replace_metadata(
        &self,
        metadata: Option<Metadata>,
        options: Options,
    ) -> Result<(), BackendError>;

    /// How much is live.
    fn live_stats(&self) -> LiveStats;

    /// Ends every live query.
    fn close(&self);

    /// What the planner says of a statement.
    async fn planner(&self, statement: &Statement, values: &Values)
    -> Result<String, BackendError>;

    /// What a statement depends on, views resolved, and whether it is polled as well.
    async fn dependencies(
        &self,
        statement: &Statement,
    ) -> Result<(Vec<Arc<str>>, bool), BackendError>;
}

#[async_trait]
impl<B: Backend> AnyDatabase for Database<B> {
    fn model(&self) -> Arc<Model> {
        Database::model(self)
    }

    async fn replace_metadata(
        &self,
        metadata: Option<Metadata>,
        options: Options,
    ) -> Result<(), BackendError> {
        Database::replace_metadata(self, metadata, options).await
    }

    fn live_stats(&self) -> LiveStats {
        let stats = self.live().stats();
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        LiveStats {
            plans: number(stats.plans),
            cohorts: number(stats.cohorts),
            subscribers: number(stats.subscribers),
        }
    }

    fn close(&self) {
        self.live().close();
    }

    async fn planner(
        &self,
        statement: &Statement,
        values: &Values,
    ) -> Result<String, BackendError> {
        self.backend().explain(statement, values).await
    }

    async fn dependencies(
        &self,
        statement: &Statement,
    ) -> Result<(Vec<Arc<str>>, bool), BackendError> {
        self.backend().dependencies(statement).await
    }
}
