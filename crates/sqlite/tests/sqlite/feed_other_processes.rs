//! The change feed and the writes of others.

use std::process::Command;

use artesian_database::Backend;
use artesian_sqlite::rusqlite::Connection;

use crate::support::{ask, database, heard_tables, transaction, write};

const SCHEMA: &str =
    "CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE TABLE marks (id INTEGER PRIMARY KEY)";

#[tokio::test]
async fn commits_of_another_connection_are_everything() {
    let (directory, sqlite) = database(SCHEMA).await;
    let mut feed = sqlite.changes().await.unwrap();
    let other = Connection::open(directory.file()).unwrap();
    for n in 1..=3 {
        other.execute("INSERT INTO t VALUES (?1)", [n]).unwrap();
        assert_eq!(heard_tables(&mut feed).await, ["everything"]);
        let count = ask(&sqlite, "SELECT json(count(*)) FROM t").await.unwrap();
        assert_eq!(count, n.to_string());
    }
}

/// Names the file for [`as_another_process`].
const FILE: &str = "ARTESIAN_SQLITE_TEST_FILE";

/// Not a test by itself: what the process does that the next test starts.
#[test]
fn as_another_process() {
    if let Some(file) = std::env::var_os(FILE) {
        Connection::open(file).unwrap().execute("INSERT INTO t VALUES (7)", []).unwrap();
    }
}

#[tokio::test]
async fn a_real_other_process_is_heard() {
    let (directory, sqlite) = database(SCHEMA).await;
    let mut feed = sqlite.changes().await.unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "feed_other_processes::as_another_process"])
        .env(FILE, directory.file())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(heard_tables(&mut feed).await, ["everything"]);
    assert_eq!(ask(&sqlite, "SELECT json_array(id) FROM t").await.unwrap(), "[7]");
}

#[tokio::test]
async fn what_others_wrote_before_anybody_listened_is_no_news() {
    let (directory, sqlite) = database(SCHEMA).await;
    let other = Connection::open(directory.file()).unwrap();
    other.execute("INSERT INTO t VALUES (1)", []).unwrap();
    drop(sqlite.changes().await.unwrap());
    let mut feed = sqlite.changes().await.unwrap();
    write(&sqlite, "INSERT INTO marks DEFAULT VALUES").await.unwrap();
    assert_eq!(heard_tables(&mut feed).await, ["main.marks"]);
}

#[tokio::test]
async fn a_schema_changed_by_others_is_noticed() {
    let (directory, sqlite) = database(SCHEMA).await;
    let mut feed = sqlite.changes().await.unwrap();
    let mut version = sqlite.schema_version();
    let other = Connection::open(directory.file()).unwrap();
    // The feed is not asked between these two: the writer must find out by itself that `pairs` is
    // a table that no hook covers.
    other.execute_batch("CREATE TABLE pairs (a TEXT PRIMARY KEY) WITHOUT ROWID").unwrap();
    for n in 0..3 {
        let insert = transaction(&sqlite, move |tx| {
            tx.prepare_cached("INSERT INTO pairs VALUES (?1)")?.execute([n.to_string()])
        });
        insert.await.unwrap();
        let heard = heard_tables(&mut feed).await;
        assert!(heard == ["everything"] || heard == ["main.pairs"], "{heard:?}");
    }
    version.changed().await.unwrap();
    let catalog = sqlite.catalog(&[], &[]).await.unwrap();
    assert!(catalog.tables.iter().any(|t| t.name.name == "pairs"));
}

/// Own commits between those of others neither hide them nor count as theirs.
#[tokio::test]
async fn own_commits_and_those_of_others_are_told_apart() {
    let (directory, sqlite) = database(SCHEMA).await;
    let mut feed = sqlite.changes().await.unwrap();
    let other = Connection::open(directory.file()).unwrap();
    for _ in 0..20 {
        for _ in 0..5 {
            write(&sqlite, "INSERT INTO t DEFAULT VALUES").await.unwrap();
            drop(sqlite.changes().await.unwrap());
            assert_eq!(heard_tables(&mut feed).await, ["main.t"]);
        }
        other.execute("INSERT INTO t DEFAULT VALUES", []).unwrap();
        write(&sqlite, "INSERT INTO marks DEFAULT VALUES").await.unwrap();
        drop(sqlite.changes().await.unwrap());
        assert_eq!(heard_tables(&mut feed).await, ["everything"]);
    }
}
