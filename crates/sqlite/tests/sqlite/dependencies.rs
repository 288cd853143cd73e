//! What statements are found to read.

use artesian_database::{Backend, BackendError};

use crate::support::{database, statement, write};

const SCHEMA: &str = "
    CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER, j JSON);
    CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER REFERENCES a);
    CREATE TABLE c (id INTEGER PRIMARY KEY);
    CREATE VIEW a_and_b AS SELECT a.id FROM a JOIN b ON b.a_id = a.id;
    CREATE VIEW nested AS SELECT * FROM a_and_b WHERE id IN (SELECT id FROM c);
    CREATE VIEW dice AS SELECT abs(random()) % 6 AS n FROM a;
    CREATE VIRTUAL TABLE notes USING fts5 (body);
";

#[tokio::test]
async fn tables_are_found_wherever_they_are() {
    let (_directory, sqlite) = database(SCHEMA).await;
    for (sql, tables, volatile) in [
        ("SELECT json_object('a', n) FROM a WHERE id = ?1", "main.a", false),
        ("SELECT count(*) FROM a", "main.a", false),
        ("SELECT 1 FROM a", "main.a", false),
        ("SELECT 1 FROM A", "main.a", false),
        ("SELECT '{}'", "", false),
        ("SELECT (SELECT count(*) FROM b WHERE b.a_id = a.id) FROM a", "main.a main.b", false),
        ("SELECT 1 WHERE EXISTS (SELECT 1 FROM c)", "main.c", false),
        ("SELECT id FROM a_and_b", "main.a main.b", false),
        ("SELECT count(*) FROM nested", "main.a main.b main.c", false),
        ("WITH b AS (SELECT id FROM a) SELECT id FROM b", "main.a", false),
        ("WITH x AS (SELECT id FROM a) SELECT count(*) FROM x", "main.a", false),
        ("SELECT count(*) FROM A_AND_B", "main.a main.b", false),
        ("SELECT value FROM a, json_each(a.j)", "main.a", false),
        ("SELECT 1 FROM a, JSON_EACH(a.j)", "main.a", false),
        ("SELECT body FROM notes WHERE notes MATCH ?1", "main.notes", false),
        ("SELECT regexp('x', 'y'), stddev(n) FROM a", "main.a", false),
        ("SELECT n FROM dice", "main.a", true),
        ("SELECT 1 FROM a WHERE n < unixepoch()", "main.a", true),
        ("SELECT 1 FROM a WHERE n < CURRENT_TIMESTAMP", "main.a", true),
        ("SELECT RANDOM()", "", true),
        ("SELECT name FROM pragma_table_info('a')", "", true),
    ] {
        let found = sqlite.dependencies(&statement(sql, &[])).await.unwrap();
        assert_eq!((found.0.join(" "), found.1), (tables.to_owned(), volatile), "{sql}");
    }
}

#[tokio::test]
async fn a_statement_that_knows_itself_volatile_stays_so() {
    let (_directory, sqlite) = database(SCHEMA).await;
    let mut known = statement("SELECT n FROM a", &[]);
    known.volatile = true;
    assert!(sqlite.dependencies(&known).await.unwrap().1);
}

#[tokio::test]
async fn a_view_made_anew_is_noticed() {
    let (_directory, sqlite) = database(SCHEMA).await;
    let nested = statement("SELECT count(*) FROM nested", &[]);
    assert_eq!(sqlite.dependencies(&nested).await.unwrap().0.len(), 3);
    write(&sqlite, "DROP VIEW nested; CREATE VIEW nested AS SELECT * FROM c").await.unwrap();
    assert_eq!(sqlite.dependencies(&nested).await.unwrap().0.join(" "), "main.c");
}

#[tokio::test]
async fn a_wrong_statement_is_an_error() {
    let (_directory, sqlite) = database(SCHEMA).await;
    let error = sqlite.dependencies(&statement("SELECT x FROM a", &[])).await.unwrap_err();
    let BackendError::Rejected { code, message, detail } = error else { panic!("{error}") };
    assert_eq!((code.as_str(), message.as_str()), ("SQLITE_ERROR", "no such column: x"));
    assert_eq!(detail.as_deref(), Some("at byte 7 of the statement: x FROM a"));
}
