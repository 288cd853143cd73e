//! The databases, as the writer sees them.

use artesian_oracle::servers::{PostgresWorld, SqliteWorld};
use async_trait::async_trait;

/// Where transactions are run.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Runs statements as one transaction, and commits it or rolls it back.
    async fn run(&self, statements: &[String], commit: bool);
}

fn script(statements: &[String], commit: bool) -> String {
    let end = if commit { "COMMIT" } else { "ROLLBACK" };
    let body: String = statements.iter().map(|statement| format!("{statement};\n")).collect();
    format!("{body}{end};")
}

/// A file, written to in turns by the server's own writer and by what could be another process.
pub struct SqliteStore {
    /// The server's.
    pub writer: artesian_sqlite::Writer,
    /// The file.
    pub world: SqliteWorld,
}

#[async_trait]
impl Store for SqliteStore {
    async fn run(&self, statements: &[String], commit: bool) {
        if statements.len().is_multiple_of(2) {
            let connection = self.world.connection();
            let script = format!("BEGIN IMMEDIATE;\n{}", script(statements, commit));
            let run = move || connection.execute_batch(&script).unwrap();
            return tokio::task::spawn_blocking(run).await.unwrap();
        }
        let statements = statements.to_vec();
        let result = self
            .writer
            .transaction(move |transaction| {
                for statement in &statements {
                    transaction.execute_batch(statement)?;
                }
                if commit { Ok(()) } else { Err(artesian_sqlite::rusqlite::Error::InvalidQuery) }
            })
            .await;
        assert_eq!(result.is_ok(), commit, "{result:?}");
    }
}

/// A database of a PostgreSQL server.
pub struct PostgresStore {
    /// A client beside the server's.
    pub client: tokio_postgres::Client,
    /// The database.
    pub world: PostgresWorld,
}

#[async_trait]
impl Store for PostgresStore {
    async fn run(&self, statements: &[String], commit: bool) {
        let script = format!("BEGIN;\n{}", script(statements, commit));
        self.client.batch_execute(&script).await.unwrap();
    }
}
