//! Whether the system tables have changed, for the price of one small statement.
//!
//! An event trigger would tell at once, but needs a superuser. So the rows that the catalog is made
//! of are added up: each row of a system table names the transaction that wrote it, so that every
//! change alters a count or a sum. `pg_class` is written for other reasons as well (TRUNCATE, VACUUM),
//! which is why its columns count instead. Temporary tables never count.

use artesian_database::BackendError;
use futures_util::FutureExt;

use crate::{error::unexpected, pool::Pool};

/// Objects with lower numbers are the system's own (`FirstNormalObjectId`).
const SQL: &str = "
WITH relation AS MATERIALIZED (
  SELECT c.oid, hashtextextended(concat_ws(' ', c.relname, c.relnamespace, c.relkind,
    c.relispartition, c.relowner, c.relacl), c.oid::int8) AS hash
  FROM pg_catalog.pg_class c
  WHERE c.oid >= 16384 AND c.relpersistence <> 't' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
), writer (id) AS (
  SELECT x.xmin FROM pg_catalog.pg_attribute x JOIN relation r ON r.oid = x.attrelid
  WHERE x.attnum > 0
  UNION ALL
  SELECT x.xmin FROM pg_catalog.pg_constraint x JOIN relation r ON r.oid = x.conrelid
  UNION ALL
  SELECT x.xmin FROM pg_catalog.pg_rewrite x JOIN relation r ON r.oid = x.ev_class
  UNION ALL
  SELECT x.xmin FROM pg_catalog.pg_inherits x
  UNION ALL
  SELECT x.xmin FROM pg_catalog.pg_namespace x WHERE x.nspname !~ '^pg_'
  UNION ALL
  SELECT x.xmin FROM pg_catalog.pg_proc x WHERE x.oid >= 16384
  UNION ALL
  SELECT x.xmin FROM pg_catalog.pg_type x WHERE x.oid >= 16384 AND x.typtype IN ('d', 'e', 'r')
  UNION ALL
  SELECT x.xmin FROM pg_catalog.pg_enum x
  UNION ALL
  SELECT x.xmin FROM pg_catalog.pg_description x WHERE x.objoid >= 16384
  UNION ALL
  SELECT x.xmin FROM pg_catalog.pg_auth_members x
)
SELECT concat_ws(' ',
  (SELECT count(*) || ' ' || COALESCE(sum(hash), 0) FROM relation),
  (SELECT count(*) || ' ' || COALESCE(sum(id::text::int8), 0) FROM writer))";

/// A text that differs after every change of the schema.
pub(crate) async fn read(pool: &Pool) -> Result<String, BackendError> {
    let rows = pool
        .run(|connection| async move { connection.execute(&SQL.into(), &[]).await }.boxed())
        .await?;
    let row = rows.first().ok_or_else(|| unexpected("the system tables have no version"))?;
    row.try_get(0).map_err(|error| unexpected(error.to_string()))
}
