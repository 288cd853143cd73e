//! What a database must offer to be served: catalog, execution, changes.

use std::sync::Arc;

use artesian_live::ChangeFeed;
use artesian_sql::{Catalog, Dialect, ParamValue, QualifiedName, Statement};
use async_trait::async_trait;
use bytes::Bytes;

/// One set of parameter values, one per [`Statement::param_types`].
pub type Values = Arc<[ParamValue]>;

/// A database: PostgreSQL or SQLite.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The dialect that statements for it are printed in.
    fn dialect(&self) -> Dialect;

    /// Reads the system tables. `enum_tables` names the tables whose rows are wanted as
    /// `Table::enum_values`; `schemas` restricts which schemas are read (empty: all but system
    /// schemas).
    async fn catalog(
        &self,
        schemas: &[String],
        enum_tables: &[QualifiedName],
    ) -> Result<Catalog, BackendError>;

    /// Runs a statement and returns `{"data":` + its one text value + `}` as one buffer.
    async fn fetch(&self, statement: &Statement, values: &Values) -> Result<Bytes, BackendError>;

    /// Runs a statement for many parameter sets at once, in one snapshot; one result (of the shape
    /// of [`Backend::fetch`]) per set, in order. An error is the whole batch's.
    async fn fetch_batch(
        &self,
        statement: &Statement,
        batch: &[Values],
    ) -> Result<Vec<Bytes>, BackendError>;

    /// The tables a statement really reads, as ids that the change feed names (`schema.table`),
    /// views resolved; and whether it must be polled as well.
    async fn dependencies(
        &self,
        statement: &Statement,
    ) -> Result<(Vec<Arc<str>>, bool), BackendError>;

    /// A feed of committed changes.
    async fn changes(&self) -> Result<Box<dyn ChangeFeed>, BackendError>;

    /// Returns when the schema has changed since the last call, so that the catalog should be read
    /// again. A backend that cannot notice never returns.
    async fn schema_changed(&self) {
        std::future::pending().await
    }

    /// Answers whether the database can be reached now.
    async fn ping(&self) -> Result<(), BackendError>;

    /// What the database's planner says of a statement (`EXPLAIN`), as text lines.
    async fn explain(&self, statement: &Statement, values: &Values)
    -> Result<String, BackendError>;
}

/// What went wrong in a database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// The database could not be reached, or the connection broke. Worth another try later.
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    /// The database refused the statement.
    #[error("{message}")]
    Rejected {
        /// SQLSTATE, five characters, e.g. `22P02`; for SQLite its primary result code's name.
        code: String,
        /// The database's message.
        message: String,
        /// DETAIL, HINT and the like, for administrators.
        detail: Option<String>,
    },
    /// It took longer than the statement timeout.
    #[error("the statement took longer than {0} ms and was cancelled")]
    Timeout(u64),
    /// The backend cannot do this; says what to do instead.
    #[error("{0}")]
    Unsupported(String),
}
