//! Which tables are in the catalog at all, and how long a thousand of them take.

use std::time::Instant;

use artesian_database::Backend;
use artesian_postgres::Postgres;

use crate::{
    catalog::{names, table},
    common::{Database, name},
};

#[tokio::test]
async fn schemas_enum_tables_extensions_and_privileges() {
    let database = Database::with(
        "CREATE SCHEMA one; CREATE SCHEMA two; CREATE SCHEMA closed;
         CREATE TABLE one.t (id int); CREATE TABLE two.t (id int); CREATE TABLE t (id int);
         CREATE FUNCTION one.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
         CREATE TABLE \"color\" (value text PRIMARY KEY, comment text, more int);
         INSERT INTO color VALUES ('red', 'like a \"rose\"'), ('blue', NULL), ('green', '');
         CREATE TABLE short (value text PRIMARY KEY); INSERT INTO short VALUES ('only');
         CREATE TABLE closed.t (id int); CREATE TABLE partly (a int, b int UNIQUE, c int);
         CREATE TABLE secret (id int);",
    )
    .await;
    let backend = database.backend();
    let catalog = backend.catalog(&["one".into(), "two".into()], &[]).await.unwrap();
    assert_eq!(names(&catalog), ["one.t", "two.t"]);
    assert_eq!(catalog.functions.len(), 1);
    let catalog = backend.catalog(&["two".into()], &[]).await.unwrap();
    assert!(catalog.functions.is_empty());

    let enums = [name("color"), name("short"), name("not_there")];
    let catalog = backend.catalog(&[], &enums).await.unwrap();
    let colors = table(&catalog, "color").enum_values.as_ref().unwrap();
    let colors: Vec<_> = colors.iter().map(|v| (v.value.as_str(), v.comment.as_deref())).collect();
    assert_eq!(colors, [("blue", None), ("green", Some("")), ("red", Some("like a \"rose\""))]);
    assert_eq!(table(&catalog, "short").enum_values.as_ref().unwrap()[0].value, "only");
    assert!(table(&catalog, "t").enum_values.is_none());

    let user = format!("artesian_user_{}", std::process::id());
    database
        .run(&format!(
            "DROP ROLE IF EXISTS {user}; CREATE ROLE {user} LOGIN;
             GRANT SELECT ON t TO {user}; GRANT SELECT (a, c) ON partly TO {user};
             GRANT SELECT ON closed.t TO {user};"
        ))
        .await;
    let mut settings = database.settings();
    settings.url = database.url.replace("postgres://postgres@", &format!("postgres://{user}@"));
    let restricted = Postgres::new(settings).unwrap();
    let catalog = restricted.catalog(&[], &[]).await.unwrap();
    assert_eq!(names(&catalog), ["public.partly", "public.t"]);
    let partly = table(&catalog, "partly");
    let columns: Vec<_> = partly.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(columns, ["a", "c"]);
    assert!(partly.unique_keys.is_empty(), "its column is hidden");
    drop(restricted);
    database.run(&format!("DROP OWNED BY {user}; DROP ROLE {user};")).await;
}

#[tokio::test]
async fn tables_of_extensions_are_left_out() {
    let database = Database::with("CREATE TABLE t (id int); CREATE TABLE extended (id int)").await;
    // Any extension will do as the owner.
    database.run("ALTER EXTENSION plpgsql ADD TABLE extended").await;
    let catalog = database.backend().catalog(&[], &[]).await.unwrap();
    assert_eq!(names(&catalog), ["public.t"]);
}

#[tokio::test]
async fn a_thousand_tables() {
    const TABLES: usize = 1_000;
    let mut sql = String::new();
    for i in 0..TABLES {
        let parent = i / 2;
        sql.push_str(&format!(
            "CREATE TABLE t{i} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
               parent bigint REFERENCES t{parent}, code text NOT NULL UNIQUE, a int, b text,
               c timestamptz DEFAULT now(), d numeric(10, 2), e jsonb, f text[], g boolean NOT NULL,
               h uuid, i date, j double precision, k varchar(20), l bytea);
             COMMENT ON COLUMN t{i}.code IS 'a code';"
        ));
        if i % 10 == 0 {
            sql.push_str(&format!(
                "CREATE VIEW v{i} AS SELECT id, code FROM t{i} JOIN t{parent} p USING (id, code);"
            ));
            sql.push_str(&format!(
                "CREATE FUNCTION f{i}(r t{i}) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1.code';"
            ));
        }
    }
    let database = Database::with(&sql).await;
    database.run("ANALYZE").await;
    let backend = database.backend();
    backend.ping().await.unwrap();
    let mut times = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        let catalog = backend.catalog(&[], &[]).await.unwrap();
        times.push(started.elapsed());
        assert_eq!(catalog.tables.len(), TABLES + TABLES / 10);
        assert_eq!(catalog.functions.len(), TABLES / 10);
        assert_eq!(table(&catalog, "t999").foreign_keys[0].target, name("t499"));
    }
    eprintln!("catalog of {TABLES} tables with 15 columns and 100 views: {times:?}");
    // On an idle machine a fraction of this; here it only has to show that nothing is quadratic.
    assert!(times.iter().min().unwrap().as_millis() < 2_000, "{times:?}");
}
