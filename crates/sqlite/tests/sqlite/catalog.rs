//! What is read from a rich schema.

use artesian_database::{Backend, BackendError};
use artesian_sql::catalog::{Key, Table, TableKind};
use artesian_sql::{Catalog, QualifiedName};

use crate::support::database;

const SCHEMA: &str = r#"
    CREATE TABLE people (
      id INTEGER PRIMARY KEY,
      name VARCHAR(80) NOT NULL,
      email TEXT UNIQUE,
      born DATE,
      height REAL,
      balance DECIMAL(10, 2) NOT NULL DEFAULT 0,
      active BOOLEAN NOT NULL DEFAULT TRUE,
      settings JSON,
      avatar BLOB,
      token UUID,
      big BIGINT,
      seen TIMESTAMP,
      shout TEXT GENERATED ALWAYS AS (upper(name)) VIRTUAL,
      twice REAL AS (height * 2) STORED,
      anything,
      boss_id INTEGER REFERENCES people
    );
    CREATE UNIQUE INDEX people_name_born ON people (name, born);
    CREATE UNIQUE INDEX people_partial ON people (token) WHERE active;
    CREATE UNIQUE INDEX people_expression ON people (lower(name));
    CREATE INDEX people_plain ON people (height);
    CREATE TABLE pairs (
      a TEXT, b INT, n INTEGER NOT NULL, UNIQUE (n, a), PRIMARY KEY (b, a)
    ) WITHOUT ROWID;
    CREATE TABLE links (
      "Order" INTEGER PRIMARY KEY DESC,
      b INT, a TEXT, person INTEGER, lost INTEGER REFERENCES nowhere (id),
      FOREIGN KEY (b, a) REFERENCES pairs,
      FOREIGN KEY (person) REFERENCES "PEOPLE" (ID),
      FOREIGN KEY (a) REFERENCES people (email)
    );
    CREATE TABLE texts (code TEXT PRIMARY KEY, meaning TEXT, more TEXT);
    INSERT INTO texts VALUES ('b', 'second', 'x'), ('a', NULL, 'y');
    CREATE TABLE strict_ones (id INT PRIMARY KEY, any_thing ANY) STRICT;
    CREATE TABLE "odd "" name" ("a ""b" TEXT);
    CREATE VIRTUAL TABLE notes USING fts5 (title, body);
    CREATE VIRTUAL TABLE notes_of_people USING fts5 (name, content = 'people');
    CREATE VIEW adults AS SELECT id, name, 1 + height AS higher, count(*) AS n FROM people GROUP BY id;
    CREATE VIEW adults_with_pairs AS SELECT adults.name, pairs.n FROM adults, pairs;
    CREATE VIEW lottery AS SELECT name FROM people ORDER BY random();
    CREATE VIEW recent AS SELECT name FROM people WHERE seen > datetime('now', '-1 day');
    CREATE VIEW stamped AS SELECT CURRENT_TIMESTAMP AS at;
    CREATE VIEW elements AS SELECT name, value FROM people, json_each(settings);
    CREATE VIEW casts AS SELECT CAST(count(*) AS INTEGER) AS i, CAST(sum(height) AS REAL) AS r,
      CAST(max(name) AS TEXT) AS t, CAST(sum(balance) AS NUMERIC) AS n, CAST(max(avatar) AS BLOB) AS b,
      max(active) AS untyped FROM people;
    CREATE VIEW broken AS SELECT * FROM nowhere;
"#;

async fn catalog() -> Catalog {
    let (_directory, sqlite) = database(SCHEMA).await;
    sqlite.catalog(&[], &[QualifiedName::new("main", "texts")]).await.unwrap()
}

fn table<'a>(catalog: &'a Catalog, name: &str) -> &'a Table {
    catalog.table(&QualifiedName::new("main", name)).unwrap()
}

fn key(name: &str, columns: &[&str]) -> Key {
    Key { name: name.into(), columns: columns.iter().map(|c| (*c).to_owned()).collect() }
}

#[tokio::test]
async fn relations_are_listed_and_internals_are_not() {
    let catalog = catalog().await;
    let names: Vec<_> = catalog.tables.iter().map(|t| t.name.to_string()).collect();
    assert_eq!(
        names,
        [
            "main.adults",
            "main.adults_with_pairs",
            "main.casts",
            "main.elements",
            "main.links",
            "main.lottery",
            "main.notes",
            "main.notes_of_people",
            "main.odd \" name",
            "main.pairs",
            "main.people",
            "main.recent",
            "main.stamped",
            "main.strict_ones",
            "main.texts",
        ]
    );
    assert_eq!(catalog.default_schema, "main");
    assert!(catalog.version.starts_with("SQLite 3."));
    assert!(catalog.functions.is_empty());
}

#[tokio::test]
async fn columns_have_types_defaults_and_nullability() {
    let catalog = catalog().await;
    let columns: Vec<_> = table(&catalog, "people")
        .columns
        .iter()
        .map(|c| {
            let marks =
                [(c.nullable, "null"), (c.has_default, "default"), (c.generated, "generated")];
            let marks = marks.iter().filter(|m| m.0).map(|m| m.1).collect::<Vec<_>>().join(" ");
            format!("{}: {} {marks}", c.name, c.ty.name)
        })
        .collect();
    assert_eq!(
        columns,
        [
            "id: int4 default",
            "name: text ",
            "email: text null",
            "born: date null",
            "height: float8 null",
            "balance: numeric default",
            "active: bool default",
            "settings: jsonb null",
            "avatar: bytea null",
            "token: uuid null",
            "big: int8 null",
            "seen: timestamp null",
            "shout: text null generated",
            "twice: float8 null generated",
            "anything: text null",
            "boss_id: int4 null",
        ]
    );
    let nullable = |name: &str| -> Vec<bool> {
        table(&catalog, name).columns.iter().map(|c| c.nullable).collect()
    };
    assert_eq!(nullable("pairs"), [false, false, false]);
    assert_eq!(nullable("strict_ones"), [false, true]);
    // Not the rowid, and SQLite lets such a key be NULL.
    assert!(nullable("links")[0]);
    assert_eq!(table(&catalog, "odd \" name").columns[0].name, "a \"b");
}

#[tokio::test]
async fn keys_are_found() {
    let catalog = catalog().await;
    let primary = |name: &str| table(&catalog, name).primary_key.clone();
    assert_eq!(primary("people"), Some(key("people_pkey", &["id"])));
    assert_eq!(primary("pairs"), Some(key("pairs_pkey", &["b", "a"])));
    assert_eq!(primary("odd \" name"), None);
    assert_eq!(primary("adults"), None);
    assert_eq!(
        table(&catalog, "people").unique_keys,
        [key("people_email_key", &["email"]), key("people_name_born", &["name", "born"])]
    );
    assert_eq!(table(&catalog, "pairs").unique_keys, [key("pairs_n_a_key", &["n", "a"])]);
}

#[tokio::test]
async fn foreign_keys_are_found() {
    let catalog = catalog().await;
    let keys = |name: &str| -> Vec<String> {
        let keys = &table(&catalog, name).foreign_keys;
        keys.iter()
            .map(|k| format!("{} {:?} -> {} {:?}", k.name, k.columns, k.target, k.target_columns))
            .collect()
    };
    assert_eq!(
        keys("links"),
        [
            r#"links_b_a_fkey ["b", "a"] -> main.pairs ["b", "a"]"#,
            r#"links_person_fkey ["person"] -> main.people ["id"]"#,
            r#"links_a_fkey ["a"] -> main.people ["email"]"#,
        ]
    );
    assert_eq!(keys("people"), [r#"people_boss_id_fkey ["boss_id"] -> main.people ["id"]"#]);
}

#[tokio::test]
async fn views_know_what_they_read() {
    let catalog = catalog().await;
    let view = |name: &str| {
        let view = table(&catalog, name);
        assert_eq!(view.kind, TableKind::View);
        let reads: Vec<_> = view.reads.iter().map(|r| r.name.as_str()).collect();
        (reads.join(" "), view.volatile)
    };
    assert_eq!(view("adults"), ("people".to_owned(), false));
    assert_eq!(view("adults_with_pairs"), ("pairs people".to_owned(), false));
    assert_eq!(view("lottery"), ("people".to_owned(), true));
    assert_eq!(view("recent"), ("people".to_owned(), true));
    assert_eq!(view("stamped"), (String::new(), true));
    assert_eq!(view("elements"), ("people".to_owned(), false));
    assert!(table(&catalog, "adults").columns.iter().all(|c| c.nullable));
    let types = |name: &str| -> Vec<&str> {
        let columns = &table(&catalog, name).columns;
        columns.iter().map(|c| c.ty.name.as_str()).collect()
    };
    assert_eq!(types("adults"), ["int4", "text", "numeric", "numeric"]);
    assert_eq!(types("casts"), ["int4", "float8", "text", "numeric", "bytea", "numeric"]);
    assert!(table(&catalog, "people").reads.is_empty());
    assert!(!table(&catalog, "people").volatile);
}

#[tokio::test]
async fn virtual_tables_have_their_own_columns_only() {
    let catalog = catalog().await;
    let notes = table(&catalog, "notes");
    let columns: Vec<_> = notes.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(columns, ["title", "body"]);
    assert_eq!((notes.kind, notes.volatile), (TableKind::Table, false));
    let outer = table(&catalog, "notes_of_people");
    assert_eq!((outer.kind, outer.volatile), (TableKind::ForeignTable, true));
}

#[tokio::test]
async fn enum_tables_have_values() {
    let catalog = catalog().await;
    let values = table(&catalog, "texts").enum_values.as_ref().unwrap();
    let values: Vec<_> = values.iter().map(|v| (v.value.as_str(), v.comment.as_deref())).collect();
    assert_eq!(values, [("a", None), ("b", Some("second"))]);
    assert!(table(&catalog, "people").enum_values.is_none());
}

/// A module that is not built in must not keep the rest from being served.
#[tokio::test]
async fn tables_of_unknown_modules_are_left_out() {
    let (_directory, sqlite) = database(
        "CREATE TABLE t (id INTEGER PRIMARY KEY);
         PRAGMA writable_schema = ON;
         INSERT INTO sqlite_schema VALUES ('table', 'gone', 'gone', 0, 'CREATE VIRTUAL TABLE gone USING nosuch (x)');
         PRAGMA writable_schema = OFF;",
    )
    .await;
    let catalog = sqlite.catalog(&["main".to_owned()], &[]).await.unwrap();
    assert_eq!(catalog.tables.len(), 1);
    let other = sqlite.catalog(&["public".to_owned()], &[]).await.unwrap_err();
    assert!(matches!(other, BackendError::Unsupported(_)), "{other}");
}
