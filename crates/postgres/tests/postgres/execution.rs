//! Statements, their parameters, batches and errors.

use std::{sync::Arc, time::Duration};

use crate::common::{Database, eventually, fetch, statement, values};
use artesian_database::{Backend, BackendError};
use artesian_live::Change;
use artesian_postgres::{Postgres, Settings};

#[tokio::test]
async fn responses_and_sessions() {
    let database = Database::new().await;
    let backend = database.backend();
    backend.ping().await.unwrap();
    assert_eq!(fetch(&backend, "SELECT '{\"a\": [1]}'").await.unwrap(), r#"{"data":{"a": [1]}}"#);
    let json = "SELECT json_build_object('é', 'ü\n', 'n', null)";
    assert_eq!(fetch(&backend, json).await.unwrap(), r#"{"data":{"é" : "ü\n", "n" : null}}"#);
    for (setting, value) in [
        ("application_name", "artesian"),
        ("standard_conforming_strings", "on"),
        ("jit", "off"),
        ("client_encoding", "UTF8"),
        ("statement_timeout", "0"),
    ] {
        let answer = fetch(&backend, &format!("SELECT current_setting('{setting}')")).await;
        assert_eq!(answer.unwrap(), format!("{{\"data\":{value}}}"), "{setting}");
    }
    let big = fetch(&backend, "SELECT repeat('x', 20000000)").await.unwrap();
    assert_eq!(big.len(), 20_000_000 + r#"{"data":}"#.len());
}

#[tokio::test]
async fn results_of_the_wrong_shape_are_errors() {
    let database = Database::new().await;
    let backend = database.backend();
    for sql in [
        "SELECT '{}' WHERE false",
        "SELECT '{}' FROM generate_series(1, 2)",
        "SELECT NULL::text",
        "SELECT 1",
        "SELECT '{}'::jsonb",
    ] {
        let error = fetch(&backend, sql).await.unwrap_err();
        assert!(matches!(error, BackendError::Rejected { .. }), "{sql}: {error:?}");
    }
    let one = statement("SELECT $1::text", &["text"]);
    assert!(backend.fetch(&one, &values(&[])).await.is_err());
    assert!(backend.fetch_batch(&one, &[values(&[]), values(&[])]).await.is_err());
    assert!(fetch(&backend, "SELECT '{}'").await.is_ok());
}

#[tokio::test]
async fn text_parameters_of_every_type() {
    let database = Database::with(
        "CREATE TYPE mood AS ENUM ('sad', 'so so'); CREATE DOMAIN short AS varchar(5);
         CREATE TYPE pair AS (a int, b text); CREATE TYPE span AS RANGE (subtype = time);",
    )
    .await;
    let backend = database.backend();
    for (ty, value, printed) in [
        ("int2", "-32768", None),
        ("int4", " 42", Some("42")),
        ("int8", "9223372036854775807", None),
        ("numeric", "12345678901234567890.123456789", None),
        ("float4", "1.5", None),
        ("float8", "0.1", None),
        ("float8", "NaN", None),
        ("bool", "t", Some("true")),
        ("text", "a'b\"c\\d\te é 😀", None),
        ("text", "", None),
        ("varchar", "x", None),
        ("bpchar", "x", None),
        ("name", "x", None),
        ("bytea", "\\xdeadbeef", None),
        ("uuid", "A0EEBC999C0B4EF8BB6D6BB9BD380A11", Some("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
        ("date", "2020-02-29", None),
        ("time", "23:59:59.999999", None),
        ("timetz", "12:00:00+05:30", None),
        ("timestamp", "2020-02-29 12:34:56.789", None),
        ("timestamptz", "2020-02-29T12:00:00+02:00", Some("2020-02-29 10:00:00+00")),
        ("interval", "1 day 2 hours", Some("1 day 02:00:00")),
        ("json", "{\"a\":  1}", None),
        ("jsonb", "{\"a\":  1}", Some("{\"a\": 1}")),
        ("inet", "10.0.0.1/8", None),
        ("cidr", "10.0.0.0/8", None),
        ("macaddr", "08:00:2b:01:02:03", None),
        ("money", "12.34", Some("$12.34")),
        ("bit(3)", "101", None),
        ("varbit", "10101", None),
        ("point", "(1,2)", None),
        ("box", "(1,1),(0,0)", None),
        ("xml", "<a/>", None),
        ("tsvector", "'a' 'b'", None),
        ("tsquery", "a & b", Some("'a' & 'b'")),
        ("int4range", "[1,5)", None),
        ("int4multirange", "{[1,5)}", None),
        ("tstzrange", "[2020-01-01,)", Some("[\"2020-01-01 00:00:00+00\",)")),
        ("int4[]", "{1,NULL,{3}}", Some("!")),
        ("int4[]", "{{1,2},{3,4}}", None),
        ("text[]", "{\"a\\\"b\",NULL}", None),
        ("oid", "1", None),
        ("regclass", "pg_class", None),
        ("\"public\".\"mood\"", "so so", None),
        ("\"public\".\"mood\"[]", "{\"so so\",sad}", None),
        ("\"public\".\"short\"", "abc", None),
        ("\"public\".\"pair\"", "(1,\"a b\")", None),
        ("\"public\".\"span\"", "[10:00:00,11:00:00)", None),
    ] {
        let sql = format!("SELECT json_build_array(($1::{ty})::text, $2::{ty} IS NULL)");
        let statement = statement(&sql, &[ty, ty]);
        // Unprepared, while being prepared, prepared.
        for round in 0..4 {
            let result = backend.fetch(&statement, &values(&[Some(value), None])).await;
            if printed == Some("!") {
                assert!(matches!(result, Err(BackendError::Rejected { .. })), "{ty} {value}");
                continue;
            }
            let text = result.unwrap_or_else(|error| panic!("{ty} {value} {round}: {error:?}"));
            let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(json["data"][0], printed.unwrap_or(value), "{ty} {value} {round}");
            assert_eq!(json["data"][1], true, "{ty} {round}");
        }
    }
}

#[tokio::test]
async fn statements_are_prepared_bounded_and_prepared_anew() {
    let database = Database::with("CREATE TABLE t (a int); INSERT INTO t VALUES (1)").await;
    let mut settings = database.settings();
    settings.max_connections = 1;
    settings.statement_cache = 5;
    let backend = Postgres::new(settings).unwrap();
    let prepared = async |backend: &Postgres| {
        fetch(backend, "SELECT count(*)::text FROM pg_prepared_statements").await.unwrap()
    };
    for i in 0..20 {
        for _ in 0..3 {
            fetch(&backend, &format!("SELECT '{i}'")).await.unwrap();
        }
    }
    // The fifth place is for the question itself.
    eventually("only a few are kept", async || {
        ["{\"data\":4}", "{\"data\":5}"].contains(&prepared(&backend).await.as_str())
    })
    .await;

    // The type of the result changes: the server refuses the plan it has.
    let table = "SELECT a::text FROM (TABLE t) AS t LIMIT 1";
    let all = "SELECT t.* FROM t";
    for _ in 0..3 {
        assert_eq!(fetch(&backend, table).await.unwrap(), "{\"data\":1}");
        assert!(fetch(&backend, all).await.is_err(), "not text");
    }
    database.run("ALTER TABLE t ALTER a TYPE text").await;
    for _ in 0..3 {
        assert_eq!(fetch(&backend, all).await.unwrap(), "{\"data\":1}");
        assert_eq!(fetch(&backend, table).await.unwrap(), "{\"data\":1}");
    }
    // The server forgets what was prepared, as poolers do.
    fetch(&backend, "SELECT '1'").await.unwrap();
    let deallocate = statement("DEALLOCATE ALL", &[]);
    let _ = backend.fetch(&deallocate, &values(&[])).await;
    for _ in 0..3 {
        assert_eq!(fetch(&backend, all).await.unwrap(), "{\"data\":1}");
    }
    assert_eq!(backend.connections(), (1, 1), "all on one connection");

    let mut settings = database.settings();
    settings.statement_cache = 0;
    settings.max_connections = 1;
    let backend = Postgres::new(settings).unwrap();
    for _ in 0..5 {
        assert_eq!(prepared(&backend).await, "{\"data\":0}");
    }
}

#[tokio::test]
async fn errors_say_what_the_server_said() {
    let database = Database::with(
        "CREATE TABLE t (id int PRIMARY KEY, a int CONSTRAINT positive CHECK (a > 0));
         INSERT INTO t VALUES (1, 1);",
    )
    .await;
    let backend = database.backend();
    let rejected = async |sql: &str, value: Option<&str>| {
        let types: &[&str] = if value.is_some() { &["int4"] } else { &[] };
        let given = value.map(|value| values(&[Some(value)])).unwrap_or_else(|| values(&[]));
        match backend.fetch(&statement(sql, types), &given).await {
            Err(BackendError::Rejected { code, message, detail }) => (code, message, detail),
            other => panic!("{sql}: {other:?}"),
        }
    };
    let (code, message, _) = rejected("SELECT $1::int4::text", Some("x")).await;
    assert_eq!((code.as_str(), message.contains("\"x\"")), ("22P02", true));
    assert_eq!(rejected("SELECT $1::int4::text", Some("\0")).await.0, "22021");
    assert_eq!(rejected("SELECT 1 / 0", None).await.0, "22012");
    assert_eq!(rejected("SELEC", None).await.0, "42601");
    let (code, _, detail) = rejected("INSERT INTO t VALUES (1, 1) RETURNING '{}'", None).await;
    assert_eq!(code, "23505");
    let detail = detail.unwrap();
    assert!(detail.contains("(id)=(1)") && detail.contains("Constraint: t_pkey"), "{detail}");
    let (code, _, detail) = rejected("SELECT nam FROM pg_am", None).await;
    assert!(code == "42703" && detail.is_none_or(|detail| detail.contains("Hint")));
    // An error by the statement, not by the connection.
    assert_eq!(backend.connections(), (1, 1));

    let unavailable = |result: Result<(), BackendError>| {
        assert!(matches!(result, Err(BackendError::Unavailable(_))), "{result:?}");
    };
    let ends = "SELECT pg_terminate_backend(pg_backend_pid())::text";
    unavailable(fetch(&backend, ends).await.map(drop));
    assert_eq!(fetch(&backend, "SELECT '1'").await.unwrap(), "{\"data\":1}", "a new connection");
    let raise = "DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '57P03'; END $$";
    unavailable(fetch(&backend, raise).await.map(drop));
    unavailable(Postgres::new(Settings::new("postgres://x@127.0.0.1:1/x")).unwrap().ping().await);
    let missing = format!("{}_not_there", database.url.trim_end_matches('?'));
    let missing = Postgres::new(Settings::new(missing)).unwrap().ping().await;
    assert!(matches!(missing, Err(BackendError::Rejected { code, .. }) if code == "3D000"));
}

#[tokio::test]
async fn the_statement_timeout_is_told_from_other_cancellations() {
    let database = Database::new().await;
    let mut settings = database.settings();
    settings.statement_timeout = Some(Duration::from_millis(100));
    let backend = Postgres::new(settings).unwrap();
    let sleep = fetch(&backend, "SELECT pg_sleep(20)::text").await;
    assert_eq!(sleep, Err(BackendError::Timeout(100)));
    let cancel = fetch(&backend, "SELECT pg_cancel_backend(pg_backend_pid())::text").await;
    assert!(matches!(cancel, Err(BackendError::Rejected { code, .. }) if code == "57014"));
    assert_eq!(fetch(&backend, "SELECT '1'").await.unwrap(), "{\"data\":1}");
}

#[tokio::test]
async fn a_busy_pool_is_unavailable() {
    let database = Database::new().await;
    let mut settings = database.settings();
    settings.max_connections = 1;
    settings.acquire_timeout = Duration::from_millis(50);
    let backend = Arc::new(Postgres::new(settings).unwrap());
    backend.ping().await.unwrap();
    let other = backend.clone();
    let sleeper = tokio::spawn(async move { fetch(&other, "SELECT pg_sleep(20)::text").await });
    eventually("the connection is taken", async || backend.connections().1 == 0).await;
    let refused = fetch(&backend, "SELECT '1'").await;
    assert!(matches!(&refused, Err(BackendError::Unavailable(m)) if m.contains("busy")));
    sleeper.abort();
}

#[tokio::test]
async fn explain_and_changes() {
    let database = Database::with("CREATE TABLE t (id int PRIMARY KEY)").await;
    let mut settings = database.settings();
    settings.refetch_interval = Duration::from_millis(5);
    let backend = Postgres::new(settings).unwrap();
    let find = statement("SELECT id::text FROM t WHERE id = $1::int4", &["int4"]);
    let plan = backend.explain(&find, &values(&[Some("1")])).await.unwrap();
    assert!(plan.contains("t_pkey") && plan.lines().count() > 1, "{plan}");
    assert!(backend.explain(&find, &values(&[Some("x")])).await.is_err());
    let mut feed = backend.changes().await.unwrap();
    assert_eq!(feed.next().await, Some(Change::Everything));
}
