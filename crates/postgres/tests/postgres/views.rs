//! What views read, and so what statements depend on.

use artesian_database::Backend;

use crate::{
    catalog::{catalog_of, table},
    common::{name, statement},
};

#[tokio::test]
async fn what_views_read() {
    let (_database, backend, catalog) = catalog_of(
        "CREATE SCHEMA hidden;
         CREATE TABLE a (id int, at timestamptz); CREATE TABLE b (id int, at timestamptz);
         CREATE TABLE hidden.c (id int);
         CREATE VIEW hidden.v1 AS SELECT c.id FROM hidden.c JOIN b USING (id);
         CREATE VIEW v2 AS SELECT * FROM a UNION SELECT id, NULL FROM hidden.v1;
         CREATE VIEW v3 AS WITH x AS (SELECT * FROM v2) SELECT (SELECT max(id) FROM a) FROM x;
         CREATE VIEW constant AS SELECT 1 AS id, to_timestamp(0) AS known, '2020-01-01'::date AS knowing;
         CREATE VIEW recent AS SELECT * FROM a WHERE at > now() - '1 day'::interval;
         CREATE VIEW today AS SELECT * FROM a WHERE at > CURRENT_DATE;
         CREATE VIEW literal AS SELECT 'now'::text::timestamptz AS at FROM b;
         CREATE VIEW over_recent AS SELECT id FROM recent;
         CREATE VIEW sampled AS SELECT * FROM a TABLESAMPLE SYSTEM (10);
         CREATE VIEW system AS SELECT relname FROM pg_class;
         CREATE VIEW schemas AS SELECT table_name FROM information_schema.tables;
         CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT count(*) FROM b $$;
         CREATE VIEW peeking AS SELECT peek() FROM a;
         CREATE FUNCTION plus(int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT $1 + 1 $$;
         CREATE VIEW adding AS SELECT plus(id) FROM a;
         CREATE MATERIALIZED VIEW kept AS SELECT * FROM a;
         CREATE VIEW over_kept AS SELECT kept.id FROM kept JOIN b USING (id);
         CREATE TABLE parted (id int) PARTITION BY RANGE (id);
         CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
         CREATE VIEW of_leaf AS SELECT * FROM parted_1;
         CREATE FOREIGN DATA WRAPPER dummy; CREATE SERVER far FOREIGN DATA WRAPPER dummy;
         CREATE FOREIGN TABLE away (id int) SERVER far;
         CREATE VIEW of_away AS SELECT away.id FROM away JOIN a USING (id);
         CREATE TABLE heir (more int) INHERITS (a);
         CREATE TABLE grandheir () INHERITS (heir);",
    )
    .await;
    let reads = |view: &str| {
        let view = table(&catalog, view);
        let names: Vec<_> = view.reads.iter().map(|name| name.to_string()).collect();
        (names.join(" "), view.volatile)
    };
    let expect = |view: &str, tables: &str, volatile: bool| {
        assert_eq!(reads(view), (tables.to_owned(), volatile), "{view}");
    };
    let a = "public.a public.grandheir public.heir";
    expect("a", "", false);
    expect("hidden.v1", "hidden.c public.b", false);
    expect("v2", "hidden.c public.a public.b public.grandheir public.heir", false);
    expect("v3", "hidden.c public.a public.b public.grandheir public.heir", false);
    expect("constant", "", false);
    expect("recent", a, true);
    expect("today", a, true);
    expect("literal", "public.b", true);
    expect("over_recent", a, true);
    expect("sampled", a, true);
    expect("system", "", true);
    expect("schemas", "", true);
    expect("peeking", a, true);
    expect("adding", a, false);
    expect("kept", "", true);
    expect("over_kept", "public.b public.kept", true);
    expect("of_leaf", "public.parted", false);
    expect("away", "", true);
    expect("of_away", "public.a public.away public.grandheir public.heir", true);

    let dependencies = async |of: &[&str], volatile: bool| {
        let mut statement = statement("SELECT '{}'", &[]);
        statement.reads = of.iter().map(|of| name(of)).collect();
        statement.volatile = volatile;
        let (tables, polled) = backend.dependencies(&statement).await.unwrap();
        (tables.join(" "), polled)
    };
    assert_eq!(dependencies(&["b"], false).await, ("public.b".into(), false));
    assert_eq!(dependencies(&["b"], true).await, ("public.b".into(), true));
    assert_eq!(dependencies(&["a"], false).await, (a.into(), false));
    assert_eq!(dependencies(&["b", "hidden.v1"], false).await, ("hidden.c public.b".into(), false));
    assert_eq!(dependencies(&["over_recent"], false).await, (a.into(), true));
    assert_eq!(dependencies(&["away"], false).await, ("public.away".into(), true));
    assert_eq!(dependencies(&["not_there"], false).await, ("public.not_there".into(), false));
}
