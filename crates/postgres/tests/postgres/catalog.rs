//! Reading the system tables.

use crate::common::{Database, connect, name};
use artesian_database::Backend;
use artesian_postgres::Postgres;
use artesian_sql::{
    Catalog,
    catalog::{ColumnType, Table, TableKind, TypeKind, Volatility},
};
use tokio_postgres::types::Kind;

pub async fn catalog_of(sql: &str) -> (Database, Postgres, Catalog) {
    let database = Database::with(sql).await;
    let backend = database.backend();
    let catalog = backend.catalog(&[], &[]).await.unwrap();
    (database, backend, catalog)
}

pub fn table<'a>(catalog: &'a Catalog, table: &str) -> &'a Table {
    catalog.table(&name(table)).unwrap_or_else(|| panic!("no {table}"))
}

fn ty<'a>(table: &'a Table, column: &str) -> &'a ColumnType {
    &table.column(column).unwrap_or_else(|| panic!("no {column}")).ty
}

pub fn names(catalog: &Catalog) -> Vec<String> {
    catalog.tables.iter().map(|table| table.name.to_string()).collect()
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
    assert_eq!(table(&catalog, "plain").comment.as_deref(), Some("It's plain"));
    assert_eq!(table(&catalog, "plain").columns[0].comment.as_deref(), Some("the key"));
    assert_eq!(table(&catalog, "seen").comment.as_deref(), Some("a view"));
    let strange = catalog.tables.last().unwrap();
    let columns: Vec<_> = strange.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(columns, ["select", "Ä ö"]);
    assert_eq!(catalog.default_schema, "public");
    assert!(catalog.version.starts_with("PostgreSQL 1"), "{}", catalog.version);
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
    database.run(&format!("CREATE TABLE every ({})", columns.join(", "))).await;
    let catalog = database.backend().catalog(&[], &[]).await.unwrap();
    let every = table(&catalog, "every");
    assert!(rows.len() > 100 && every.columns.len() == rows.len());
    for (row, column) in rows.iter().zip(&every.columns) {
        let (name, typtype): (String, String) = (row.get(0), row.get(1));
        assert_eq!((column.ty.name.as_str(), column.ty.schema.as_str()), (&*name, "pg_catalog"));
        // The driver knows the built-in types by heart: an independent opinion.
        let known = client.prepare(&format!("SELECT \"c_{name}\" FROM every")).await.unwrap();
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
    let labels = ["sad", "glum", "ok", "it's \"fine\""].map(str::to_owned).to_vec();
    assert_eq!(ty(t, "m").kind, TypeKind::Enum(labels.clone()));
    let TypeKind::Array(element) = &ty(t, "ms").kind else { panic!() };
    assert_eq!((element.name.as_str(), &element.kind), ("mood", &TypeKind::Enum(labels)));
    assert_eq!(ty(t, "ms").name, "_mood");
    assert_eq!(ty(t, "d").without_domains(), &ColumnType::base("text"));
    let TypeKind::Domain(short) = &ty(t, "d").kind else { panic!() };
    assert_eq!((short.schema.as_str(), short.name.as_str()), ("other", "short"));
    let TypeKind::Array(short) = &ty(t, "ds").kind else { panic!() };
    assert!(matches!(short.kind, TypeKind::Domain(_)));
    assert_eq!(ty(t, "p").kind, TypeKind::Composite);
    assert!(matches!(&ty(t, "ps").kind, TypeKind::Array(of) if of.kind == TypeKind::Composite));
    assert_eq!(ty(t, "r").kind, TypeKind::Range);
    assert_eq!(ty(t, "grid").kind, TypeKind::Array(Box::new(ColumnType::base("int4"))));

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
    let unique: Vec<_> =
        parent.unique_keys.iter().map(|key| (key.name.as_str(), key.columns.join(","))).collect();
    assert_eq!(unique, [("z_key", "z".to_owned()), ("zx_key", "z,x".to_owned())]);

    let child = table(&catalog, "child");
    let keys: Vec<_> = child.foreign_keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(keys, ["by_z", "self", "to_parent"]);
    assert_eq!(child.foreign_keys[2].columns, ["px", "py"]);
    assert_eq!(child.foreign_keys[2].target, name("app.parent"));
    assert_eq!(child.foreign_keys[2].target_columns, ["x", "y"]);
    assert_eq!(child.foreign_keys[1].target, name("child"));
    assert_eq!(table(&catalog, "parted").primary_key.as_ref().unwrap().columns, ["at"]);
    assert_eq!(table(&catalog, "parted").foreign_keys.len(), 1);
    assert_eq!(table(&catalog, "to_parted").foreign_keys.len(), 1, "none per partition");
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
    let found: Vec<_> = catalog.functions.iter().map(|f| f.name.name.as_str()).collect();
    assert_eq!(found, ["full_name", "listed", "nothing", "search", "split"]);

    let full_name = &catalog.functions[0];
    assert_eq!(full_name.comment.as_deref(), Some("both names"));
    assert_eq!(full_name.volatility, Volatility::Stable);
    assert_eq!(full_name.returns, ColumnType::base("text"));
    assert_eq!((full_name.returns_set, &full_name.returns_table), (false, &None));
    let [author, separator] = full_name.args.as_slice() else { panic!() };
    assert_eq!((author.name.as_deref(), author.ty.name.as_str()), (Some("a"), "author"));
    assert_eq!((&author.ty.kind, author.has_default), (&TypeKind::Composite, false));
    assert_eq!((separator.name.as_deref(), separator.has_default), (Some("sep"), true));

    assert_eq!(catalog.functions[1].returns.kind, TypeKind::Composite);
    assert!(catalog.functions[1].args.is_empty() && catalog.functions[1].returns_set);
    assert_eq!(catalog.functions[2].returns.name, "void");
    let search = &catalog.functions[3];
    assert_eq!(search.returns_table, Some(name("author")));
    assert!(search.returns_set);
    assert_eq!(search.args[0].name, None);
    assert_eq!(search.args[1].name.as_deref(), Some("tags"));
    let split = &catalog.functions[4];
    let args: Vec<_> = split.args.iter().map(|a| (a.name.as_deref(), a.has_default)).collect();
    assert_eq!(args, [(Some("a"), false), (Some("c"), false), (Some("d"), true)]);
    assert_eq!(split.volatility, Volatility::Immutable);
}
