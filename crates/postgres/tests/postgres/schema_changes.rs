//! Changes of the schema are noticed, and nothing else is taken for one.

use std::time::Duration;

use artesian_database::Backend;
use artesian_postgres::Postgres;

use crate::common::{Database, connect};

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn every_kind_of_change_is_noticed_and_no_other_statement() {
    let database = Database::with(
        "CREATE TABLE a (id int PRIMARY KEY, name text); CREATE TABLE b (id int);
         CREATE VIEW v AS SELECT * FROM a; CREATE TYPE mood AS ENUM ('sad');
         CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
         CREATE TABLE p (id int) PARTITION BY LIST (id); CREATE TABLE p1 (id int);",
    )
    .await;
    let mut settings = database.settings();
    settings.schema_interval = Some(Duration::from_millis(5));
    let backend = Postgres::new(settings).unwrap();
    backend.catalog(&[], &[]).await.unwrap();
    let client = connect(&database.url).await;
    for quiet in [
        "INSERT INTO a SELECT i, 'x' FROM generate_series(1, 1000) i",
        "TRUNCATE b",
        "VACUUM FULL a",
        "ANALYZE",
        "CREATE TEMP TABLE t (id int PRIMARY KEY); ALTER TABLE t ADD COLUMN more text; DROP TABLE t",
        "REINDEX TABLE a",
    ] {
        client.batch_execute(quiet).await.unwrap();
        // Some looks long.
        let look = tokio::time::timeout(Duration::from_millis(100), backend.schema_changed());
        assert!(look.await.is_err(), "{quiet}");
    }
    for change in [
        "ALTER TABLE a ADD COLUMN more int",
        "ALTER TABLE a RENAME COLUMN more TO less",
        "ALTER TABLE a DROP COLUMN less",
        "ALTER TABLE a ALTER COLUMN name SET NOT NULL",
        "ALTER TABLE a RENAME TO c",
        "COMMENT ON COLUMN c.name IS 'told'",
        "CREATE TABLE d (id int)",
        "ALTER TABLE d ADD FOREIGN KEY (id) REFERENCES c (id)",
        "DROP TABLE d",
        "CREATE OR REPLACE VIEW v AS SELECT id, upper(name) AS name FROM c",
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'",
        "ALTER TYPE mood ADD VALUE 'happy'",
        "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
        "CREATE SCHEMA other",
        "GRANT SELECT ON b TO PUBLIC",
        "ALTER TABLE p ATTACH PARTITION p1 FOR VALUES IN (1)",
    ] {
        client.batch_execute(change).await.unwrap();
        let look = tokio::time::timeout(LONG, backend.schema_changed());
        assert!(look.await.is_ok(), "{change}");
        // Told again until the catalog was read.
        assert!(tokio::time::timeout(LONG, backend.schema_changed()).await.is_ok());
        backend.catalog(&[], &[]).await.unwrap();
    }
}
