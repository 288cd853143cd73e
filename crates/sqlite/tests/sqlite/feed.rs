//! The change feed and the writes of this process.

use artesian_database::{Backend, BackendError};
use artesian_live::ChangeFeed;
use artesian_sqlite::{Sqlite, rusqlite};

use crate::support::{ask, database, heard_tables, statement, transaction, values, write};

const SCHEMA: &str = "
    CREATE TABLE parents (id INTEGER PRIMARY KEY, code TEXT UNIQUE, n INTEGER);
    CREATE TABLE children (
      id INTEGER PRIMARY KEY,
      parent_id INTEGER REFERENCES parents ON DELETE CASCADE ON UPDATE CASCADE);
    CREATE TABLE guests (
      id INTEGER PRIMARY KEY,
      parent_id INTEGER REFERENCES parents (id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED);
    CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT);
    CREATE TABLE pairs (a TEXT, b TEXT, n INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID;
    CREATE TABLE copies (id INTEGER PRIMARY KEY, code TEXT UNIQUE, n INTEGER);
    CREATE TABLE marks (id INTEGER PRIMARY KEY);
    CREATE TABLE audited (id INTEGER PRIMARY KEY);
    CREATE TRIGGER audited_insert AFTER INSERT ON audited BEGIN
      INSERT INTO audit (what) VALUES ('audited');
    END;
    INSERT INTO parents VALUES (1, 'a', 0), (2, 'b', 0), (3, 'c', 0);
    INSERT INTO children VALUES (1, 1), (2, 2), (3, 3);
    INSERT INTO guests VALUES (1, 1), (2, 2), (3, 3);
";

async fn open() -> (crate::support::Directory, Sqlite, Box<dyn ChangeFeed>) {
    let (directory, sqlite) = database(SCHEMA).await;
    let feed = sqlite.changes().await.unwrap();
    (directory, sqlite, feed)
}

/// Asserts what the feed says of each write, and that it says nothing else.
async fn assert_heard(cases: &[(&str, &[&str])]) {
    let (_directory, sqlite, mut feed) = open().await;
    for (sql, tables) in cases {
        write(&sqlite, sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let heard = heard_tables(&mut feed).await;
        let expected: Vec<_> = tables.iter().map(|t| format!("main.{t}")).collect();
        assert_eq!(heard, expected, "{sql}");
        assert_silent(&sqlite, &mut feed).await;
    }
}

/// Asserts that there is nothing unheard: the next thing heard is a write made now. Opening another
/// feed makes the writer look for other processes' commits, of which there are none.
async fn assert_silent(sqlite: &Sqlite, feed: &mut Box<dyn ChangeFeed>) {
    drop(sqlite.changes().await.unwrap());
    write(sqlite, "INSERT INTO marks DEFAULT VALUES").await.unwrap();
    assert_eq!(heard_tables(feed).await, ["main.marks"]);
}

#[tokio::test]
async fn plain_writes() {
    assert_heard(&[
        ("INSERT INTO parents VALUES (4, 'd', 0)", &["parents"]),
        ("UPDATE parents SET n = n + 1 WHERE id = 4", &["parents"]),
        ("INSERT INTO parents VALUES (4, 'd', 0) ON CONFLICT DO UPDATE SET n = 9", &["parents"]),
        ("DELETE FROM parents WHERE id = 4", &["parents"]),
        (
            "INSERT INTO parents VALUES (5, 'e', 0); INSERT INTO audit (what) VALUES ('x')",
            &["audit", "parents"],
        ),
    ])
    .await;
}

/// Without the authorizer's answer SQLite would empty the table without naming it.
#[tokio::test]
async fn deleting_all_rows_is_heard() {
    assert_heard(&[
        ("DELETE FROM children", &["children"]),
        ("INSERT INTO copies SELECT * FROM parents", &["copies"]),
        ("DELETE FROM copies", &["copies"]),
        ("INSERT INTO copies SELECT * FROM parents; DELETE FROM copies", &["copies"]),
    ])
    .await;
}

#[tokio::test]
async fn deleting_all_rows_by_a_cached_statement_is_heard() {
    let (_directory, sqlite, mut feed) = open().await;
    write(&sqlite, "DROP TABLE pairs").await.unwrap();
    assert_eq!(heard_tables(&mut feed).await, ["everything"]);
    for _ in 0..3 {
        write(&sqlite, "INSERT INTO copies SELECT * FROM parents").await.unwrap();
        assert_eq!(heard_tables(&mut feed).await, ["main.copies"]);
        let delete =
            |tx: &rusqlite::Transaction<'_>| tx.prepare_cached("DELETE FROM copies")?.execute([]);
        assert_eq!(transaction(&sqlite, delete).await.unwrap(), 3);
        assert_eq!(heard_tables(&mut feed).await, ["main.copies"]);
    }
}

/// The update hook does not see these tables.
#[tokio::test]
async fn tables_without_rowid_are_heard() {
    assert_heard(&[
        ("INSERT INTO pairs VALUES ('a', 'b', 1)", &["pairs"]),
        ("UPDATE pairs SET n = 2", &["pairs"]),
        ("REPLACE INTO pairs VALUES ('a', 'b', 3)", &["pairs"]),
        ("DELETE FROM pairs WHERE n = 3", &["pairs"]),
        ("DELETE FROM pairs", &["pairs"]),
    ])
    .await;
}

#[tokio::test]
async fn tables_without_rowid_are_heard_with_cached_statements() {
    let (_directory, sqlite, mut feed) = open().await;
    for n in 0..3 {
        let insert = transaction(&sqlite, move |tx| {
            tx.prepare_cached("INSERT INTO pairs VALUES ('x', ?1, 0)")?.execute([n])
        });
        insert.await.unwrap();
        assert_eq!(heard_tables(&mut feed).await, ["main.pairs"]);
    }
}

/// The update hook does not name the row that REPLACE removes, but what goes with it.
#[tokio::test]
async fn replace_cascades_and_triggers_are_heard() {
    assert_heard(&[
        ("REPLACE INTO parents VALUES (9, 'a', 1)", &["children", "guests", "parents"]),
        (
            "UPDATE OR REPLACE parents SET code = 'b' WHERE id = 9",
            &["children", "guests", "parents"],
        ),
        (
            "UPDATE parents SET id = 30 WHERE id = 3; UPDATE guests SET parent_id = 30",
            &["children", "guests", "parents"],
        ),
        ("DELETE FROM parents", &["children", "guests", "parents"]),
        ("INSERT INTO audited DEFAULT VALUES", &["audit", "audited"]),
    ])
    .await;
}

#[tokio::test]
async fn what_is_rolled_back_is_not_heard() {
    let (_directory, sqlite, mut feed) = open().await;
    let failed = transaction(&sqlite, |tx| {
        tx.execute("DELETE FROM parents", [])?;
        tx.execute("INSERT INTO pairs VALUES ('a', 'b', 1)", [])?;
        Err::<(), _>(rusqlite::Error::QueryReturnedNoRows)
    });
    assert!(matches!(failed.await, Err(BackendError::Rejected { .. })));
    assert_silent(&sqlite, &mut feed).await;

    // A deferred constraint fails when the transaction commits.
    let failed = write(&sqlite, "INSERT INTO guests VALUES (9, 99)").await.unwrap_err();
    assert!(failed.to_string().contains("FOREIGN KEY"), "{failed}");
    assert_silent(&sqlite, &mut feed).await;

    let failed = write(&sqlite, "INSERT INTO audit (what) VALUES ('x'); SELECT nonsense").await;
    assert!(failed.is_err());
    assert_silent(&sqlite, &mut feed).await;
    assert_eq!(ask(&sqlite, "SELECT json_array(count(*)) FROM audit").await.unwrap(), "[0]");
}

#[tokio::test]
async fn a_panic_rolls_back_and_the_writer_lives_on() {
    let (_directory, sqlite, mut feed) = open().await;
    let failed = transaction(&sqlite, |tx| {
        tx.execute("DELETE FROM parents", [])?;
        if tx.changes() > 0 {
            panic!("on purpose");
        }
        Ok(())
    });
    assert!(failed.await.unwrap_err().to_string().contains("panicked"));
    assert_silent(&sqlite, &mut feed).await;
    assert_eq!(ask(&sqlite, "SELECT json_array(count(*)) FROM parents").await.unwrap(), "[3]");
}

/// Too much may be heard here, never too little.
#[tokio::test]
async fn rolling_back_to_a_savepoint_keeps_what_came_before() {
    let (_directory, sqlite, mut feed) = open().await;
    write(
        &sqlite,
        "UPDATE parents SET n = 5 WHERE id = 1; SAVEPOINT s; DELETE FROM children; ROLLBACK TO s; RELEASE s",
    )
    .await
    .unwrap();
    assert!(heard_tables(&mut feed).await.contains(&"main.parents".to_owned()));
    assert_silent(&sqlite, &mut feed).await;
}

/// A transaction that commits by itself and then fails has changed something all the same.
#[tokio::test]
async fn a_commit_within_a_failing_transaction_is_heard() {
    let (_directory, sqlite, mut feed) = open().await;
    let failed = transaction(&sqlite, |tx| {
        tx.execute_batch("UPDATE parents SET n = 7; COMMIT; BEGIN; DELETE FROM audit")?;
        Err::<(), _>(rusqlite::Error::QueryReturnedNoRows)
    });
    assert!(failed.await.is_err());
    assert_eq!(heard_tables(&mut feed).await, ["main.parents"]);
    assert_silent(&sqlite, &mut feed).await;
}

#[tokio::test]
async fn changes_of_the_schema_are_everything() {
    let (_directory, sqlite, mut feed) = open().await;
    let mut version = sqlite.schema_version();
    for sql in [
        "CREATE TABLE fresh (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO fresh VALUES (1, 'x')",
        "ALTER TABLE fresh ADD COLUMN b TEXT DEFAULT 'y'",
        "ALTER TABLE fresh RENAME COLUMN b TO c",
        "ALTER TABLE fresh DROP COLUMN c",
        "CREATE INDEX fresh_a ON fresh (a)",
        "DROP INDEX fresh_a",
        "CREATE VIEW seen AS SELECT * FROM fresh",
        "DROP VIEW seen",
        "CREATE TRIGGER fresh_insert AFTER INSERT ON fresh BEGIN DELETE FROM audit; END",
        "DROP TRIGGER fresh_insert",
        "CREATE TABLE kept AS SELECT * FROM fresh",
        "ALTER TABLE fresh RENAME TO renamed",
        "DROP TABLE renamed",
        "DROP TABLE children; DROP TABLE guests; DROP TABLE parents",
        "CREATE VIRTUAL TABLE words USING fts5 (word)",
        "DROP TABLE words",
    ] {
        write(&sqlite, sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(heard_tables(&mut feed).await, ["everything"], "{sql}");
        assert!(version.has_changed().unwrap(), "{sql}");
        version.mark_unchanged();
        assert_silent(&sqlite, &mut feed).await;
    }
    let left = "SELECT json_group_array(name ORDER BY name) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'";
    assert_eq!(
        ask(&sqlite, left).await.unwrap(),
        r#"["audit","audited","copies","kept","marks","pairs"]"#
    );

    let failed = transaction(&sqlite, |tx| {
        tx.execute_batch("CREATE TABLE never (id)")?;
        Err::<(), _>(rusqlite::Error::QueryReturnedNoRows)
    });
    assert!(failed.await.is_err());
    assert_silent(&sqlite, &mut feed).await;
    assert!(!version.has_changed().unwrap());
}

#[tokio::test]
async fn virtual_tables_are_heard() {
    let (_directory, sqlite) = database(
        "CREATE TABLE marks (id INTEGER PRIMARY KEY);
         CREATE VIRTUAL TABLE notes USING fts5 (body);
         CREATE VIRTUAL TABLE places USING rtree (id, x0, x1, y0, y1);",
    )
    .await;
    let mut feed = sqlite.changes().await.unwrap();
    for (sql, table) in [
        ("INSERT INTO notes VALUES ('a word')", "main.notes"),
        ("DELETE FROM notes WHERE notes MATCH 'word'", "main.notes"),
        ("INSERT INTO places VALUES (1, 0, 1, 0, 1)", "main.places"),
        ("UPDATE places SET x1 = 2", "main.places"),
        ("DELETE FROM places", "main.places"),
    ] {
        for _ in 0..2 {
            let sql = sql.to_owned();
            let cached = transaction(&sqlite, move |tx| tx.prepare_cached(&sql)?.execute([]));
            cached.await.ok();
            write(&sqlite, "INSERT INTO marks DEFAULT VALUES").await.unwrap();
        }
        let heard = heard_tables(&mut feed).await;
        assert!(heard.iter().any(|t| t == table), "{sql}: {heard:?}");
        assert_silent(&sqlite, &mut feed).await;
    }
}

#[tokio::test]
async fn temporary_tables_are_nobodys_business() {
    let (_directory, sqlite, mut feed) = open().await;
    write(&sqlite, "CREATE TEMP TABLE parents2 (id); INSERT INTO parents2 VALUES (1); DELETE FROM parents2; DROP TABLE parents2")
        .await
        .unwrap();
    assert_silent(&sqlite, &mut feed).await;
}

/// Whoever hears of a commit and reads sees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_heard_is_visible() {
    let (_directory, sqlite, mut feed) = open().await;
    let read = statement("SELECT json(n) FROM parents WHERE id = 1", &[]);
    for n in 1..=300 {
        let writer = sqlite.writer();
        let update = move |tx: &rusqlite::Transaction<'_>| {
            tx.execute("UPDATE parents SET n = ?1 WHERE id = 1", [n])
        };
        let writing = tokio::spawn(async move { writer.transaction(update).await });
        assert_eq!(heard_tables(&mut feed).await, ["main.parents"]);
        let bytes = sqlite.fetch(&read, &values(&[])).await.unwrap();
        assert_eq!(bytes, format!("{{\"data\":{n}}}"));
        writing.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn every_listener_hears_and_the_feed_ends_with_the_database() {
    let (_directory, sqlite, mut first) = open().await;
    let mut second = sqlite.changes().await.unwrap();
    write(&sqlite, "UPDATE parents SET n = 1; UPDATE children SET parent_id = 1").await.unwrap();
    assert_eq!(heard_tables(&mut first).await, ["main.children", "main.parents"]);
    write(&sqlite, "INSERT INTO audit (what) VALUES ('x')").await.unwrap();
    // What was not yet heard is heard at once.
    assert_eq!(heard_tables(&mut second).await, ["main.audit", "main.children", "main.parents"]);
    assert_eq!(heard_tables(&mut first).await, ["main.audit"]);
    sqlite.close().await;
    assert_eq!(first.next().await, None);
    assert_eq!(second.next().await, None);
}
