//! Files that go away again, and statements.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use artesian_database::{Backend, BackendError, Values};
use artesian_live::{Change, ChangeFeed};
use artesian_sql::{Dialect, ParamType, Statement};
use artesian_sqlite::{Settings, Sqlite, rusqlite};
use rusqlite::Connection;

/// A directory that is removed when dropped.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir()
            .join(format!("artesian-sqlite-test-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn file(&self) -> PathBuf {
        self.0.join("test.db")
    }

    pub fn settings(&self) -> Settings {
        Settings { readers: 2, create: true, ..Settings::new(self.file()) }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// A new database with a schema.
pub async fn database(schema: &str) -> (Directory, Sqlite) {
    let directory = Directory::new();
    Connection::open(directory.file()).unwrap().execute_batch(schema).unwrap();
    let sqlite = Sqlite::open(directory.settings()).await.unwrap();
    (directory, sqlite)
}

/// A statement with parameters of these types.
pub fn statement(sql: &str, types: &[&str]) -> Statement {
    let ty = |name: &&str| ParamType { name: (*name).to_owned(), batch_element: String::new() };
    Statement {
        dialect: Dialect::Sqlite,
        sql: sql.into(),
        batch_sql: "".into(),
        param_types: types.iter().map(ty).collect(),
        reads: Arc::new([]),
        volatile: false,
    }
}

pub fn values(values: &[&str]) -> Values {
    values.iter().map(|v| Some(Arc::from(*v))).collect()
}

/// What a statement without parameters answers, without its wrapping.
pub async fn ask(sqlite: &Sqlite, sql: &str) -> Result<String, BackendError> {
    let bytes = sqlite.fetch(&statement(sql, &[]), &values(&[])).await?;
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Ok(text.strip_prefix("{\"data\":").unwrap().strip_suffix('}').unwrap().to_owned())
}

/// Runs SQL in one transaction of the writer.
pub async fn write(sqlite: &Sqlite, sql: &str) -> Result<(), BackendError> {
    let sql = sql.to_owned();
    sqlite.writer().transaction(move |tx| tx.execute_batch(&sql)).await
}

/// The next change, or a failed test.
pub async fn heard(feed: &mut Box<dyn ChangeFeed>) -> Change {
    tokio::time::timeout(Duration::from_secs(20), feed.next())
        .await
        .expect("nothing was heard")
        .expect("the feed has ended")
}

/// The tables of the next change.
pub async fn heard_tables(feed: &mut Box<dyn ChangeFeed>) -> Vec<String> {
    match heard(feed).await {
        Change::Tables(tables) => tables.iter().map(|t| t.to_string()).collect(),
        Change::Everything => vec!["everything".to_owned()],
    }
}

/// Runs a transaction of the writer.
pub async fn transaction<T, F>(sqlite: &Sqlite, work: F) -> Result<T, BackendError>
where
    T: Send + 'static,
    F: FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
{
    sqlite.writer().transaction(work).await
}
