//! Running statements.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use artesian_database::{Backend, BackendError};
use artesian_sqlite::Sqlite;

use crate::support::{Directory, ask, database, statement, transaction, values, write};

/// Counts until somebody stops it.
const ENDLESS: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                       SELECT json_array(count(*)) FROM n";

const NUMBERS: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, n, name TEXT);
                       INSERT INTO t VALUES (1, 2, 'Ada'), (2, 4, 'Zoë'), (3, 4, 'Ärmel'), (4, NULL, NULL)";

#[tokio::test]
async fn an_answer_is_wrapped() {
    let (_directory, sqlite) = database(NUMBERS).await;
    let sql = "SELECT json_object('t', json_group_array(name ORDER BY id)) FROM t WHERE n = ?1";
    let answer = sqlite.fetch(&statement(sql, &["INTEGER"]), &values(&["4"])).await.unwrap();
    assert_eq!(answer, "{\"data\":{\"t\":[\"Zoë\",\"Ärmel\"]}}");
    assert_eq!(ask(&sqlite, "SELECT NULL").await.unwrap(), "null");
    for wrong in ["SELECT 'x' WHERE 0", "SELECT 1"] {
        assert!(ask(&sqlite, wrong).await.is_err(), "{wrong}");
    }
    let explained = sqlite.explain(&statement(sql, &["INTEGER"]), &values(&["4"])).await.unwrap();
    assert!(explained.contains("SCAN t"), "{explained}");
    sqlite.ping().await.unwrap();
}

#[tokio::test]
async fn parameters_have_types() {
    let (_directory, sqlite) = database(NUMBERS).await;
    for (ty, text, sql_type) in [
        ("INTEGER", "5", "integer"),
        ("REAL", "5", "real"),
        ("TEXT", "5", "text"),
        ("BLOB", "05", "blob"),
        ("NUMERIC", "5", "integer"),
        ("NUMERIC", "5.5", "real"),
        ("NUMERIC", "five", "text"),
        ("BOOLEAN", "true", "integer"),
    ] {
        let typed = statement("SELECT typeof(?1)", &[ty]);
        let answer = sqlite.fetch(&typed, &values(&[text])).await.unwrap();
        assert_eq!(answer, format!("{{\"data\":{sql_type}}}"), "{ty} {text}");
    }
    let null = sqlite.fetch(&statement("SELECT typeof(?1)", &["TEXT"]), &Arc::from([None])).await;
    assert_eq!(null.unwrap(), "{\"data\":null}");

    let two = statement("SELECT json_array(?1, ?2)", &["TEXT", "INTEGER"]);
    let error = sqlite.fetch(&two, &values(&["x", "abc"])).await.unwrap_err();
    let BackendError::Rejected { code, message, .. } = error else { panic!("{error}") };
    assert_eq!(code, "datatype_mismatch");
    assert_eq!(message, "parameter 2: \"abc\" is not an integer");
    assert!(sqlite.fetch(&two, &values(&["x"])).await.is_err());
}

#[tokio::test]
async fn a_batch_answers_in_order() {
    let (_directory, sqlite) = database(NUMBERS).await;
    let sql = statement("SELECT json_array(name) FROM t WHERE id = ?1", &["INTEGER"]);
    let batch: Vec<_> = ["3", "1", "1"].iter().map(|v| values(&[v])).collect();
    let answers = sqlite.fetch_batch(&sql, &batch).await.unwrap();
    assert_eq!(answers, ["{\"data\":[\"Ärmel\"]}", "{\"data\":[\"Ada\"]}", "{\"data\":[\"Ada\"]}"]);
    assert!(sqlite.fetch_batch(&sql, &[]).await.unwrap().is_empty());
    // One bad value fails the batch and leaves the reader as it was.
    let bad = [values(&["1"]), values(&["x"])];
    for _ in 0..5 {
        assert!(sqlite.fetch_batch(&sql, &bad).await.is_err());
    }
    assert_eq!(sqlite.fetch_batch(&sql, &batch).await.unwrap().len(), 3);
}

/// Every answer of a batch is of the same moment, whatever is written meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_one_snapshot() {
    let (_directory, sqlite) = database(NUMBERS).await;
    let sqlite = Arc::new(sqlite);
    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (sqlite, stop) = (sqlite.clone(), stop.clone());
        async move {
            while !stop.load(Ordering::Relaxed) {
                write(&sqlite, "UPDATE t SET n = n + 1 WHERE id = 1").await.unwrap();
            }
        }
    });
    let sql = statement("SELECT json_array(n) FROM t WHERE id = ?1", &["INTEGER"]);
    let batch = vec![values(&["1"]); 50];
    let mut moments = std::collections::BTreeSet::new();
    while moments.len() < 20 {
        let answers = sqlite.fetch_batch(&sql, &batch).await.unwrap();
        assert!(answers.iter().all(|a| *a == answers[0]));
        moments.insert(answers[0].clone());
    }
    stop.store(true, Ordering::Relaxed);
    writing.await.unwrap();
}

#[tokio::test]
async fn functions_that_sqlite_lacks() {
    let (_directory, sqlite) = database(NUMBERS).await;
    for (expression, answer) in [
        ("regexp('^Z', 'Zoë')", "1"),
        ("'Zoë' REGEXP 'o.$'", "1"),
        ("regexp('^z', 'Zoë')", "0"),
        ("iregexp('^Ä', 'ärmel')", "1"),
        ("regexp('1', 21)", "1"),
        ("regexp('x', NULL)", "null"),
        ("regexp(NULL, 'x')", "null"),
        ("(SELECT count(*) FROM t WHERE regexp(substr(name, 1, 1), name))", "3"),
        ("(SELECT round(stddev(n), 6) FROM t)", "1.154701"),
        ("(SELECT round(stddev_samp(n), 6) FROM t)", "1.154701"),
        ("(SELECT round(stddev_pop(n), 6) FROM t)", "0.942809"),
        ("(SELECT round(variance(n), 6) FROM t)", "1.333333"),
        ("(SELECT round(var_samp(n), 6) FROM t)", "1.333333"),
        ("(SELECT round(var_pop(n), 6) FROM t)", "0.888889"),
        ("(SELECT var_samp(n) FROM t WHERE id = 1)", "null"),
        ("(SELECT var_pop(n) FROM t WHERE id = 1)", "0.0"),
        ("(SELECT var_pop(n) FROM t WHERE id = 4)", "null"),
        ("(SELECT var_pop(n) FROM t WHERE id = 5)", "null"),
        // The textbook formula loses all digits here.
        ("(SELECT var_samp(1e9 + id) FROM t WHERE id < 4)", "1.0"),
    ] {
        let answered = ask(&sqlite, &format!("SELECT json_array({expression})")).await.unwrap();
        assert_eq!(answered, format!("[{answer}]"), "{expression}");
    }
    let wrong = ask(&sqlite, "SELECT json(regexp('(', 'x'))").await.unwrap_err();
    assert!(wrong.to_string().contains("invalid regular expression"), "{wrong}");
    let huge = ask(&sqlite, "SELECT json(regexp('((a{99}){99}){99}', 'x'))").await.unwrap_err();
    assert!(huge.to_string().contains("size limit"), "{huge}");
    assert!(ask(&sqlite, "SELECT json_array(var_pop(name)) FROM t").await.is_err());
    // The writer has them as well: triggers and generated columns may call them.
    let count =
        transaction(&sqlite, |tx| tx.execute("DELETE FROM t WHERE iregexp('^ada$', name)", []));
    assert_eq!(count.await.unwrap(), 1);
}

#[tokio::test]
async fn readers_cannot_write() {
    let (_directory, sqlite) = database(NUMBERS).await;
    for sql in ["DELETE FROM t RETURNING name", "INSERT INTO t VALUES (9, 9, 'x') RETURNING name"] {
        let error = ask(&sqlite, sql).await.unwrap_err();
        assert!(error.to_string().contains("readonly"), "{error}");
    }
    assert_eq!(ask(&sqlite, "SELECT json_array(count(*)) FROM t").await.unwrap(), "[4]");
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_interrupted() {
    let directory = Directory::new();
    let mut settings = directory.settings();
    settings.statement_timeout = Duration::from_millis(50);
    let sqlite = Sqlite::open(settings).await.unwrap();
    for _ in 0..4 {
        assert_eq!(ask(&sqlite, ENDLESS).await, Err(BackendError::Timeout(50)));
    }
    assert_eq!(ask(&sqlite, "SELECT '1'").await.unwrap(), "1");
}

/// All readers are taken by endless statements whose callers go away: they are free again at once.
#[tokio::test]
async fn a_dropped_caller_interrupts_its_statement() {
    let directory = Directory::new();
    let mut settings = directory.settings();
    settings.statement_timeout = Duration::ZERO;
    let sqlite = Arc::new(Sqlite::open(settings).await.unwrap());
    for _ in 0..10 {
        let endless = |_| {
            let sqlite = sqlite.clone();
            tokio::spawn(async move { ask(&sqlite, ENDLESS).await })
        };
        // Two run and three wait.
        let running: Vec<_> = (0..5).map(endless).collect();
        tokio::task::yield_now().await;
        running.iter().for_each(tokio::task::JoinHandle::abort);
        let before = Instant::now();
        let answer =
            tokio::time::timeout(Duration::from_secs(20), ask(&sqlite, "SELECT '1'")).await;
        assert_eq!(answer.unwrap().unwrap(), "1");
        assert!(before.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn a_lock_of_another_process_is_waited_for_no_longer_than_said() {
    let (directory, sqlite) = database(NUMBERS).await;
    sqlite.close().await;
    let mut settings = directory.settings();
    settings.busy_timeout = Duration::from_millis(20);
    let sqlite = Sqlite::open(settings).await.unwrap();
    let other = artesian_sqlite::rusqlite::Connection::open(directory.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE t SET n = 0").unwrap();
    let error = write(&sqlite, "UPDATE t SET n = 1").await.unwrap_err();
    assert!(matches!(&error, BackendError::Unavailable(m) if m.contains("locked")), "{error}");
    // Reading goes on.
    assert_eq!(ask(&sqlite, "SELECT json_array(n) FROM t WHERE id = 1").await.unwrap(), "[2]");
    other.execute_batch("COMMIT").unwrap();
    write(&sqlite, "UPDATE t SET n = 1").await.unwrap();
}
