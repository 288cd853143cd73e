//! Files that are not as they should be.

use std::fs;

use artesian_database::{Backend, BackendError};
use artesian_sqlite::rusqlite::Connection;
use artesian_sqlite::{OpenError, Settings, Sqlite};

use crate::support::{Directory, ask, heard_tables, write};

async fn refused(settings: Settings) -> OpenError {
    Sqlite::open(settings).await.expect_err("it should not open")
}

#[tokio::test]
async fn a_missing_file_is_created_only_if_asked() {
    let directory = Directory::new();
    let error = refused(Settings::new(directory.file())).await;
    assert_eq!(error, OpenError::Missing(directory.file()));
    assert!(error.to_string().contains("does not exist"));
    assert!(!directory.file().exists());
    let sqlite = Sqlite::open(directory.settings()).await.unwrap();
    assert!(sqlite.catalog(&[], &[]).await.unwrap().tables.is_empty());

    let mut settings = directory.settings();
    settings.path = directory.file().with_file_name("nowhere").join("a.db");
    assert!(matches!(refused(settings).await, OpenError::NoDirectory(_)));
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let directory = Directory::new();
    let mut settings = directory.settings();
    settings.path = directory.file().parent().unwrap().to_owned();
    assert!(matches!(refused(settings).await, OpenError::NotAFile(_)));
    assert_eq!(refused(Settings::new(":memory:")).await, OpenError::InMemory);
    assert_eq!(refused(Settings::new("")).await, OpenError::InMemory);

    fs::write(directory.file(), "This is a letter, not a database. ".repeat(100)).unwrap();
    let error = refused(directory.settings()).await;
    assert_eq!(error, OpenError::NotADatabase(directory.file()));
    assert!(error.to_string().contains("is not an SQLite database"));
}

#[tokio::test]
async fn a_damaged_file_says_so() {
    let directory = Directory::new();
    Connection::open(directory.file())
        .unwrap()
        .execute_batch(
            "CREATE TABLE t (x TEXT);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000)
             INSERT INTO t SELECT hex(randomblob(50)) FROM n",
        )
        .unwrap();
    let mut bytes = fs::read(directory.file()).unwrap();
    let length = bytes.len();
    bytes[4096..length - 4096].fill(0xA5);
    fs::write(directory.file(), bytes).unwrap();
    let sqlite = Sqlite::open(directory.settings()).await.unwrap();
    let error = ask(&sqlite, "SELECT json_array(max(x)) FROM t").await.unwrap_err();
    let BackendError::Rejected { code, message, .. } = error else { panic!("{error}") };
    assert_eq!(code, "SQLITE_CORRUPT");
    assert!(message.contains("damaged"), "{message}");
}

#[tokio::test]
async fn a_file_that_may_only_be_read_is_served() {
    let directory = Directory::new();
    Connection::open(directory.file())
        .unwrap()
        .execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (5)")
        .unwrap();
    let mut permissions = fs::metadata(directory.file()).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(directory.file(), permissions).unwrap();
    let mut settings = Settings::new(directory.file());
    // The superuser may write all the same: then it is asked not to.
    settings.read_only = fs::OpenOptions::new().write(true).open(directory.file()).is_ok();

    let sqlite = Sqlite::open(settings).await.unwrap();
    assert!(sqlite.is_read_only());
    assert_eq!(ask(&sqlite, "SELECT json_array(id) FROM t").await.unwrap(), "[5]");
    let error = write(&sqlite, "INSERT INTO t VALUES (6)").await.unwrap_err();
    assert!(
        matches!(&error, BackendError::Unsupported(m) if m.contains("reading only")),
        "{error}"
    );
    assert_eq!(sqlite.catalog(&[], &[]).await.unwrap().tables.len(), 1);
    let feed = sqlite.changes().await;
    assert!(feed.is_ok());
}

/// Somebody else may write a file that this process only reads.
#[tokio::test]
async fn a_reading_process_hears_of_a_writing_one() {
    let directory = Directory::new();
    let other = Connection::open(directory.file()).unwrap();
    other
        .execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (id INTEGER PRIMARY KEY)")
        .unwrap();
    let settings = Settings { read_only: true, ..Settings::new(directory.file()) };
    let sqlite = Sqlite::open(settings).await.unwrap();
    let mut feed = sqlite.changes().await.unwrap();
    other.execute("INSERT INTO t VALUES (1)", []).unwrap();
    assert_eq!(heard_tables(&mut feed).await, ["everything"]);
    assert_eq!(ask(&sqlite, "SELECT json_array(id) FROM t").await.unwrap(), "[1]");
}

#[tokio::test]
async fn closing_leaves_one_whole_file() {
    let directory = Directory::new();
    let sqlite = Sqlite::open(directory.settings()).await.unwrap();
    write(&sqlite, "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    let writer = sqlite.writer();
    assert!(!writer.is_closed());
    drop(writer);
    sqlite.close().await;
    let left: Vec<_> = fs::read_dir(directory.file().parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["test.db"]);
    let again = Sqlite::open(Settings::new(directory.file())).await.unwrap();
    assert_eq!(ask(&again, "SELECT json_array(count(*)) FROM t").await.unwrap(), "[1]");
}
