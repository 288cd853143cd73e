//! The queries over the system tables, for PostgreSQL 13 and newer.
//!
//! `$1` is the list of wanted schemas, empty for all. Rows hold object ids; names are put together
//! by the reader, which is cheaper than joins for every column of every table.

/// The server's version, for people and as a number.
pub(super) const SERVER: &str = "
SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1),
  current_setting('server_version_num')::int4";

/// All types.
pub(super) const TYPES: &str = "
SELECT t.oid, n.nspname::text, t.typname::text, t.typtype::text, t.typelem, t.typarray,
  t.typbasetype, t.typnotnull, t.typdefault IS NOT NULL, t.typdelim::text,
  c.relkind IS NOT NULL AND c.relkind <> 'c', labels.list
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
LEFT JOIN (
  SELECT e.enumtypid, array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
  FROM pg_catalog.pg_enum e GROUP BY e.enumtypid
) AS labels (id, list) ON labels.id = t.oid";

/// The relations that are of interest, as a common table expression: not of the system, not of an
/// extension, not temporary, not a partition of another.
macro_rules! relations {
    () => {
        "
WITH relation AS MATERIALIZED (
  SELECT c.oid, n.nspname, c.relname, c.relkind,
    has_schema_privilege(n.oid, 'USAGE') AS schema_usable,
    has_table_privilege(c.oid, 'SELECT') AS readable
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND NOT c.relispartition
    AND c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND (cardinality($1::text[]) = 0 OR n.nspname = ANY ($1::text[]))
    AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
)"
    };
}

/// One row per relation.
pub(super) const RELATIONS: &str = concat!(
    relations!(),
    "
SELECT r.oid, r.nspname::text, r.relname::text, r.relkind::text,
  r.schema_usable AND (r.readable OR has_any_column_privilege(r.oid, 'SELECT')),
  d.description
FROM relation r
LEFT JOIN pg_catalog.pg_description d
  ON d.classoid = 'pg_catalog.pg_class'::regclass AND d.objoid = r.oid AND d.objsubid = 0
ORDER BY r.nspname::text COLLATE \"C\", r.relname::text COLLATE \"C\""
);

/// One row per readable column, in the tables' order.
pub(super) const COLUMNS: &str = concat!(
    relations!(),
    "
SELECT a.attrelid, a.attnum, a.attname::text, a.atttypid, a.attnotnull,
  a.atthasdef OR a.attidentity <> '', a.attgenerated <> '', d.description
FROM relation r
JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid
LEFT JOIN pg_catalog.pg_description d
  ON d.classoid = 'pg_catalog.pg_class'::regclass AND d.objoid = r.oid AND d.objsubid = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped
  AND (r.readable OR has_column_privilege(r.oid, a.attnum, 'SELECT'))
ORDER BY a.attrelid, a.attnum"
);

/// Primary, unique and foreign keys. Those that exist only because of partitions have a parent.
pub(super) const CONSTRAINTS: &str = concat!(
    relations!(),
    "
SELECT k.conrelid, k.conname::text, k.contype::text, k.conkey, k.confrelid, k.confkey
FROM relation r
JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid
WHERE k.contype IN ('p', 'u', 'f') AND k.conparentid = 0
ORDER BY k.conrelid, k.conname::text COLLATE \"C\""
);

/// What views read and which tables have children by inheritance.
///
/// One row per relation and thing it reads; what a view reads is NULL if it reads nothing. A view
/// is unsteady if it uses something whose result may change although its tables do not: functions
/// that are not immutable and that the dependencies name, or functions of the system that they do
/// not name, which the view's text betrays. A mention too many costs some polling, one too few
/// would cost correctness.
pub(super) const READS: &str = r#"
WITH view AS MATERIALIZED (
  SELECT c.oid, n.nspname, c.relname, w.oid AS rule,
    pg_get_viewdef(c.oid) ~* ('\m(now|age|random\w*|gen_random_\w+|uuid\w*|setseed|timeofday'
      || '|(clock|statement|transaction)_timestamp|txid_\w+|nextval|currval|lastval|setval'
      || '|current_setting|set_config|current_query|\w+_to_xml\w*|inet_(client|server)_\w+'
      || '|lo_\w+|ts_stat)\s*\('
      || '|\mpg_\w+|\m(current_date|current_time|current_timestamp|localtime|localtimestamp)\M'
      || '|\mtablesample\M'
      || '|''\s*(now|today|tomorrow|yesterday)\M')
    OR EXISTS (
      SELECT FROM pg_catalog.pg_depend d
      JOIN pg_catalog.pg_proc p ON p.oid = d.refobjid
      WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
        AND d.refclassid = 'pg_catalog.pg_proc'::regclass AND p.provolatile <> 'i')
    OR EXISTS (
      SELECT FROM pg_catalog.pg_depend d
      JOIN pg_catalog.pg_operator o ON o.oid = d.refobjid
      JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
      WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
        AND d.refclassid = 'pg_catalog.pg_operator'::regclass AND p.provolatile <> 'i') AS unsteady
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_rewrite w ON w.ev_class = c.oid AND w.rulename = '_RETURN'
  WHERE c.relkind = 'v' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
)
SELECT v.oid, v.nspname::text, v.relname::text, true, v.unsteady,
  c.oid, n.nspname::text, c.relname::text, c.relkind::text,
  n.nspname ~ '^pg_' OR n.nspname = 'information_schema'
FROM view v
LEFT JOIN (
  SELECT DISTINCT d.objid, COALESCE(pg_partition_root(t.oid), t.oid) AS oid
  FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
  WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass
    AND d.refclassid = 'pg_catalog.pg_class'::regclass
) AS read ON read.objid = v.rule AND read.oid <> v.oid
LEFT JOIN pg_catalog.pg_class c ON c.oid = read.oid
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT p.oid, pn.nspname::text, p.relname::text, false, false,
  c.oid, n.nspname::text, c.relname::text, c.relkind::text, false
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class p ON p.oid = COALESCE(pg_partition_root(i.inhparent), i.inhparent)
JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE p.relkind IN ('r', 'f', 'p') AND (NOT c.relispartition OR c.relkind = 'f')"#;

/// Functions that are no aggregates, window functions, procedures, triggers, or an extension's.
pub(super) const FUNCTIONS: &str = "
SELECT n.nspname::text, p.proname::text, d.description, p.proretset, p.prorettype,
  p.provolatile::text, p.proargtypes::oid[], p.proallargtypes, p.proargmodes::text[],
  p.proargnames, p.pronargdefaults
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
LEFT JOIN pg_catalog.pg_description d
  ON d.classoid = 'pg_catalog.pg_proc'::regclass AND d.objoid = p.oid AND d.objsubid = 0
WHERE p.prokind = 'f'
  AND p.prorettype NOT IN ('pg_catalog.trigger'::regtype, 'pg_catalog.event_trigger'::regtype)
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND (cardinality($1::text[]) = 0 OR n.nspname = ANY ($1::text[]))
  AND has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE')
  AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_depend e
    WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')
ORDER BY n.nspname::text COLLATE \"C\", p.proname::text COLLATE \"C\", p.oid";
