//! Reading the system tables.

mod common;

use std::time::Instant;

use artesian_database::Backend;
use artesian_postgres::Postgres;
use artesian_sql::{
    Catalog,
    catalog::{ColumnType, Table, TableKind, TypeKind, Volatility},
};
use common::{Database, connect, name, statement};
use tokio_postgres::types::Kind;

async fn catalog_of(sql: &str) -> (Database, Postgres, Catalog) {
    let database = Database::with(sql).await;
    let backend = database.backend();
    let catalog = backend.catalog(&[], &[]).await.unwrap();
    (database, backend, catalog)
}

fn table<'a>(catalog: &'a Catalog, table: &str) -> &'a Table {
    catalog
        .table(&name(table))
        .unwrap_or_else(|| panic!("no {table}"))
}

fn ty<'a>(table: &'a Table, column: &str) -> &'a ColumnType {
    &table
        .column(column)
        .unwrap_or_else(|| panic!("no {column}"))
        .ty
}

fn names(catalog: &Catalog) -> Vec<String> {
    catalog
        .tables
        .iter()
        .map(|table| table.name.to_string())
        .collect()
}

#[tokio::test]
async fn kinds_of_relations() {
    let (_database, _, catalog) = catalog_of(
        "CREATE SCHEMA app; CREATE SCHEMA \"Ünïcode.Schema\";
         CREATE TABLE plain (id int PRIMARY KEY);
         CREATE TABLE app.plain (id int PRIMARY KEY);
         CREATE TABLE \"Ünïcode.Schema\".\"a \"\"b\"\" c\" (\"select\" int, \"Ä ö\" text);
         CREATE UNLOGGED TABLE unlogged (id int);
         CREATE VIEW seen AS SELECT * FROM plain;
         CREATE MATERIALIZED VIEW kept AS SELECT * FROM plain;
         CREATE TABLE parted (at date NOT NULL, id int, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
         CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')
           PARTITION BY LIST (id);
         CREATE TABLE parted_1_1 PARTITION OF parted_1 DEFAULT;
         CREATE FOREIGN DATA WRAPPER dummy; CREATE SERVER far FOREIGN DATA WRAPPER dummy;
         CREATE FOREIGN TABLE away (id int) SERVER far;
         CREATE TYPE pair AS (a int, b text);
         CREATE SEQUENCE counter;
         COMMENT ON TABLE plain IS 'It''s plain'; COMMENT ON COLUMN plain.id IS 'the key';
         COMMENT ON VIEW seen IS 'a view';",
    )
    .await;
    assert_eq!(
        names(&catalog),
        [
            "app.plain",
            "public.away",
            "public.kept",
            "public.parted",
            "public.plain",
            "public.seen",
            "public.unlogged",
            "Ünïcode.Schema.a \"b\" c",
        ]
    );
    assert_eq!(table(&catalog, "plain").kind, TableKind::Table);
    assert_eq!(table(&catalog, "parted").kind, TableKind::Table);
    assert_eq!(table(&catalog, "seen").kind, TableKind::View);
    assert_eq!(table(&catalog, "kept").kind, TableKind::MaterializedView);
    assert_eq!(table(&catalog, "away").kind, TableKind::ForeignTable);
    assert_eq!(
        table(&catalog, "plain").comment.as_deref(),
        Some("It's plain")
    );
    assert_eq!(
        table(&catalog, "plain").columns[0].comment.as_deref(),
        Some("the key")
    );
    assert_eq!(table(&catalog, "seen").comment.as_deref(), Some("a view"));
    let strange = catalog.tables.last().unwrap();
    let columns: Vec<_> = strange
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(columns, ["select", "Ä ö"]);
    assert_eq!(catalog.default_schema, "public");
    assert!(
        catalog.version.starts_with("PostgreSQL 1"),
        "{}",
        catalog.version
    );
}

#[tokio::test]
async fn every_built_in_type() {
    let database = Database::new().await;
    let client = connect(&database.url).await;
    // All that a column can have, as the server lists them.
    let rows = client
        .query(
            "SELECT typname::text, typtype::text, typcategory::text FROM pg_type
             WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm')
               AND typrelid = 0
               AND NOT (typelem <> 0 AND EXISTS (SELECT FROM pg_type e
                        WHERE e.oid = pg_type.typelem AND e.typarray = pg_type.oid
                          AND (e.typtype = 'p' OR e.typrelid <> 0)))",
            &[],
        )
        .await
        .unwrap();
    let columns: Vec<String> = rows
        .iter()
        .map(|row| format!("\"c_{0}\" pg_catalog.\"{0}\"", row.get::<_, String>(0)))
        .collect();
    database
        .run(&format!("CREATE TABLE every ({})", columns.join(", ")))
        .await;
    let catalog = database.backend().catalog(&[], &[]).await.unwrap();
    let every = table(&catalog, "every");
    assert!(rows.len() > 100 && every.columns.len() == rows.len());
    for (row, column) in rows.iter().zip(&every.columns) {
        let (name, typtype): (String, String) = (row.get(0), row.get(1));
        assert_eq!(
            (column.ty.name.as_str(), column.ty.schema.as_str()),
            (&*name, "pg_catalog")
        );
        // The driver knows the built-in types by heart: an independent opinion.
        let known = client
            .prepare(&format!("SELECT \"c_{name}\" FROM every"))
            .await
            .unwrap();
        match (&column.ty.kind, known.columns()[0].type_().kind()) {
            (TypeKind::Base, Kind::Simple) if typtype == "b" => {}
            (TypeKind::Range, Kind::Range(_) | Kind::Multirange(_)) => {}
            (TypeKind::Array(of), Kind::Array(element)) => assert_eq!(of.name, element.name()),
            // What the driver calls arrays although they are types of their own.
            (TypeKind::Base, Kind::Array(_)) if name.ends_with("vector") => {}
            (ours, theirs) => panic!("{name}: {ours:?}, {theirs:?}"),
        }
    }
}

#[tokio::test]
async fn user_types_defaults_and_nullability() {
    let (_database, _, catalog) = catalog_of(
        "CREATE SCHEMA other;
         CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s \"fine\"'); ALTER TYPE mood ADD VALUE 'glum' BEFORE 'ok';
         CREATE DOMAIN other.short AS text CHECK (length(VALUE) < 9);
         CREATE DOMAIN shorter AS other.short DEFAULT 'x' NOT NULL;
         CREATE TYPE pair AS (a int, b mood);
         CREATE TYPE span AS RANGE (subtype = time);
         CREATE TABLE t (
           id int GENERATED ALWAYS AS IDENTITY, serial serial, m mood NOT NULL, ms mood[],
           d shorter, ds other.short[], p pair, ps pair[], r span, rr int4range NOT NULL,
           twice int GENERATED ALWAYS AS (serial * 2) STORED, grid int[][], def int DEFAULT 1
         );",
    )
    .await;
    let t = table(&catalog, "t");
    let labels = ["sad", "glum", "ok", "it's \"fine\""]
        .map(str::to_owned)
        .to_vec();
    assert_eq!(ty(t, "m").kind, TypeKind::Enum(labels.clone()));
    let TypeKind::Array(element) = &ty(t, "ms").kind else {
        panic!()
    };
    assert_eq!(
        (element.name.as_str(), &element.kind),
        ("mood", &TypeKind::Enum(labels))
    );
    assert_eq!(ty(t, "ms").name, "_mood");
    assert_eq!(ty(t, "d").without_domains(), &ColumnType::base("text"));
    let TypeKind::Domain(short) = &ty(t, "d").kind else {
        panic!()
    };
    assert_eq!(
        (short.schema.as_str(), short.name.as_str()),
        ("other", "short")
    );
    let TypeKind::Array(short) = &ty(t, "ds").kind else {
        panic!()
    };
    assert!(matches!(short.kind, TypeKind::Domain(_)));
    assert_eq!(ty(t, "p").kind, TypeKind::Composite);
    assert!(matches!(&ty(t, "ps").kind, TypeKind::Array(of) if of.kind == TypeKind::Composite));
    assert_eq!(ty(t, "r").kind, TypeKind::Range);
    assert_eq!(
        ty(t, "grid").kind,
        TypeKind::Array(Box::new(ColumnType::base("int4")))
    );

    let facts = |column: &str| {
        let column = t.column(column).unwrap();
        (column.nullable, column.has_default, column.generated)
    };
    assert_eq!(facts("id"), (false, true, false));
    assert_eq!(facts("serial"), (false, true, false));
    assert_eq!(facts("m"), (false, false, false));
    assert_eq!(facts("ms"), (true, false, false));
    assert_eq!(facts("d"), (false, true, false), "as its domain says");
    assert_eq!(facts("twice"), (true, true, true));
    assert_eq!(facts("def"), (true, true, false));
}

#[tokio::test]
async fn keys() {
    let (_database, _, catalog) = catalog_of(
        "CREATE SCHEMA app;
         CREATE TABLE app.parent (dropped int, x int, y text, z int, PRIMARY KEY (y, x),
           CONSTRAINT z_key UNIQUE (z), CONSTRAINT zx_key UNIQUE (z, x));
         ALTER TABLE app.parent DROP COLUMN dropped;
         CREATE TABLE child (id int PRIMARY KEY, px int, py text, pz int,
           CONSTRAINT to_parent FOREIGN KEY (px, py) REFERENCES app.parent (x, y),
           CONSTRAINT by_z FOREIGN KEY (pz) REFERENCES app.parent (z),
           CONSTRAINT self FOREIGN KEY (pz) REFERENCES child (id));
         CREATE TABLE parted (at int PRIMARY KEY, child int REFERENCES child) PARTITION BY RANGE (at);
         CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
         CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20);
         CREATE TABLE to_parted (id int CONSTRAINT at_parted REFERENCES parted);",
    )
    .await;
    let parent = table(&catalog, "app.parent");
    assert_eq!(parent.primary_key.as_ref().unwrap().columns, ["y", "x"]);
    let unique: Vec<_> = parent
        .unique_keys
        .iter()
        .map(|key| (key.name.as_str(), key.columns.join(",")))
        .collect();
    assert_eq!(
        unique,
        [("z_key", "z".to_owned()), ("zx_key", "z,x".to_owned())]
    );

    let child = table(&catalog, "child");
    let keys: Vec<_> = child
        .foreign_keys
        .iter()
        .map(|key| key.name.as_str())
        .collect();
    assert_eq!(keys, ["by_z", "self", "to_parent"]);
    assert_eq!(child.foreign_keys[2].columns, ["px", "py"]);
    assert_eq!(child.foreign_keys[2].target, name("app.parent"));
    assert_eq!(child.foreign_keys[2].target_columns, ["x", "y"]);
    assert_eq!(child.foreign_keys[1].target, name("child"));
    assert_eq!(
        table(&catalog, "parted")
            .primary_key
            .as_ref()
            .unwrap()
            .columns,
        ["at"]
    );
    assert_eq!(table(&catalog, "parted").foreign_keys.len(), 1);
    assert_eq!(
        table(&catalog, "to_parted").foreign_keys.len(),
        1,
        "none per partition"
    );
}

#[tokio::test]
async fn functions() {
    let (_database, _, catalog) = catalog_of(
        "CREATE TABLE author (id int, first text, last text);
         CREATE FUNCTION full_name(a author, sep text DEFAULT ' ') RETURNS text LANGUAGE sql STABLE
           AS $$ SELECT a.first || sep || a.last $$;
         COMMENT ON FUNCTION full_name IS 'both names';
         CREATE FUNCTION search(text, VARIADIC tags text[]) RETURNS SETOF author LANGUAGE sql
           AS $$ SELECT * FROM author $$;
         CREATE FUNCTION split(a int, OUT b int, INOUT c int, d int DEFAULT 1) LANGUAGE sql IMMUTABLE
           AS $$ SELECT a, c $$;
         CREATE FUNCTION listed() RETURNS TABLE (x int, y text) LANGUAGE sql AS $$ SELECT 1, 'a' $$;
         CREATE FUNCTION nothing() RETURNS void LANGUAGE sql AS $$ SELECT $$;
         CREATE FUNCTION same(anyelement) RETURNS anyelement LANGUAGE sql AS $$ SELECT $1 $$;
         CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
         CREATE PROCEDURE done() LANGUAGE sql AS $$ SELECT 1 $$;
         CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int);",
    )
    .await;
    let found: Vec<_> = catalog
        .functions
        .iter()
        .map(|f| f.name.name.as_str())
        .collect();
    assert_eq!(found, ["full_name", "listed", "nothing", "search", "split"]);

    let full_name = &catalog.functions[0];
    assert_eq!(full_name.comment.as_deref(), Some("both names"));
    assert_eq!(full_name.volatility, Volatility::Stable);
    assert_eq!(full_name.returns, ColumnType::base("text"));
    assert_eq!(
        (full_name.returns_set, &full_name.returns_table),
        (false, &None)
    );
    let [author, separator] = full_name.args.as_slice() else {
        panic!()
    };
    assert_eq!(
        (author.name.as_deref(), author.ty.name.as_str()),
        (Some("a"), "author")
    );
    assert_eq!(
        (&author.ty.kind, author.has_default),
        (&TypeKind::Composite, false)
    );
    assert_eq!(
        (separator.name.as_deref(), separator.has_default),
        (Some("sep"), true)
    );

    assert_eq!(catalog.functions[1].returns.kind, TypeKind::Composite);
    assert!(catalog.functions[1].args.is_empty() && catalog.functions[1].returns_set);
    assert_eq!(catalog.functions[2].returns.name, "void");
    let search = &catalog.functions[3];
    assert_eq!(search.returns_table, Some(name("author")));
    assert!(search.returns_set);
    assert_eq!(search.args[0].name, None);
    assert_eq!(search.args[1].name.as_deref(), Some("tags"));
    let split = &catalog.functions[4];
    let args: Vec<_> = split
        .args
        .iter()
        .map(|a| (a.name.as_deref(), a.has_default))
        .collect();
    assert_eq!(
        args,
        [(Some("a"), false), (Some("c"), false), (Some("d"), true)]
    );
    assert_eq!(split.volatility, Volatility::Immutable);
}

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
    expect(
        "v2",
        "hidden.c public.a public.b public.grandheir public.heir",
        false,
    );
    expect(
        "v3",
        "hidden.c public.a public.b public.grandheir public.heir",
        false,
    );
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
    expect(
        "of_away",
        "public.a public.away public.grandheir public.heir",
        true,
    );

    let dependencies = async |of: &[&str], volatile: bool| {
        let mut statement = statement("SELECT '{}'", &[]);
        statement.reads = of.iter().map(|of| name(of)).collect();
        statement.volatile = volatile;
        let (tables, polled) = backend.dependencies(&statement).await.unwrap();
        (tables.join(" "), polled)
    };
    assert_eq!(
        dependencies(&["b"], false).await,
        ("public.b".into(), false)
    );
    assert_eq!(dependencies(&["b"], true).await, ("public.b".into(), true));
    assert_eq!(dependencies(&["a"], false).await, (a.into(), false));
    assert_eq!(
        dependencies(&["b", "hidden.v1"], false).await,
        ("hidden.c public.b".into(), false)
    );
    assert_eq!(
        dependencies(&["over_recent"], false).await,
        (a.into(), true)
    );
    assert_eq!(
        dependencies(&["away"], false).await,
        ("public.away".into(), true)
    );
    assert_eq!(
        dependencies(&["not_there"], false).await,
        ("public.not_there".into(), false)
    );
}

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
    let catalog = backend
        .catalog(&["one".into(), "two".into()], &[])
        .await
        .unwrap();
    assert_eq!(names(&catalog), ["one.t", "two.t"]);
    assert_eq!(catalog.functions.len(), 1);
    let catalog = backend.catalog(&["two".into()], &[]).await.unwrap();
    assert!(catalog.functions.is_empty());

    let enums = [name("color"), name("short"), name("not_there")];
    let catalog = backend.catalog(&[], &enums).await.unwrap();
    let colors = table(&catalog, "color").enum_values.as_ref().unwrap();
    let colors: Vec<_> = colors
        .iter()
        .map(|v| (v.value.as_str(), v.comment.as_deref()))
        .collect();
    assert_eq!(
        colors,
        [
            ("blue", None),
            ("green", Some("")),
            ("red", Some("like a \"rose\""))
        ]
    );
    assert_eq!(
        table(&catalog, "short").enum_values.as_ref().unwrap()[0].value,
        "only"
    );
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
    settings.url = database
        .url
        .replace("postgres://postgres@", &format!("postgres://{user}@"));
    let restricted = Postgres::new(settings).unwrap();
    let catalog = restricted.catalog(&[], &[]).await.unwrap();
    assert_eq!(names(&catalog), ["public.partly", "public.t"]);
    let partly = table(&catalog, "partly");
    let columns: Vec<_> = partly
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(columns, ["a", "c"]);
    assert!(partly.unique_keys.is_empty(), "its column is hidden");
    drop(restricted);
    database
        .run(&format!("DROP OWNED BY {user}; DROP ROLE {user};"))
        .await;
}

#[tokio::test]
async fn tables_of_extensions_are_left_out() {
    let database = Database::with("CREATE TABLE t (id int); CREATE TABLE extended (id int)").await;
    // Any extension will do as the owner.
    database
        .run("ALTER EXTENSION plpgsql ADD TABLE extended")
        .await;
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
