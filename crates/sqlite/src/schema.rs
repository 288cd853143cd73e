//! The relations of a database file, as SQLite lists them.

use std::sync::LazyLock;

use regex::Regex;
use rusqlite::{Connection, Result};

/// What a relation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A table with rowids.
    Table,
    /// A table `WITHOUT ROWID`.
    WithoutRowid,
    View,
    /// A virtual table that keeps its content in shadow tables.
    Virtual,
    /// A virtual table whose content comes from elsewhere: its changes cannot be seen.
    ForeignVirtual,
    /// A table that a virtual table keeps its content in.
    Shadow,
}

/// A relation of the schema `main`.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// Every relation but SQLite's own, by name.
pub(crate) fn relations(connection: &Connection) -> Result<Vec<Relation>> {
    let mut list = connection.prepare(
        "SELECT l.name, l.type, l.wr, s.sql \
         FROM pragma_table_list AS l LEFT JOIN sqlite_schema AS s ON s.name = l.name \
           AND s.type IN ('table', 'view') \
         WHERE l.schema = 'main' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY l.name",
    )?;
    let rows = list.query_map([], |row| {
        let (ty, without_rowid): (String, bool) = (row.get(1)?, row.get(2)?);
        let sql: Option<String> = row.get(3)?;
        let kind = match ty.as_str() {
            "view" => Kind::View,
            "shadow" => Kind::Shadow,
            "virtual" if keeps_its_content(sql.as_deref().unwrap_or_default()) => Kind::Virtual,
            "virtual" => Kind::ForeignVirtual,
            _ if without_rowid => Kind::WithoutRowid,
            _ => Kind::Table,
        };
        Ok(Relation { name: row.get(0)?, kind })
    })?;
    rows.collect()
}

/// Whether a `CREATE VIRTUAL TABLE` uses a module whose writes go to shadow tables.
fn keeps_its_content(sql: &str) -> bool {
    static MODULE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?is)\busing\s+(\w+)\s*(?:\((.*)\))?[\s;]*$").ok());
    static ELSEWHERE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?i)\bcontent\s*=").ok());
    let (Some(module), Some(elsewhere)) = (MODULE.as_ref(), ELSEWHERE.as_ref()) else {
        return false;
    };
    let Some(found) = module.captures(sql) else {
        return false;
    };
    let known = ["fts3", "fts4", "fts5", "rtree", "rtree_i32", "geopoly"];
    known.iter().any(|m| found[1].eq_ignore_ascii_case(m))
        && !found.get(2).is_some_and(|args| elsewhere.is_match(args.as_str()))
}

/// A name in double quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The number that grows with every change of the schema.
pub(crate) fn version(connection: &Connection) -> Result<i64> {
    connection.pragma_query_value(None, "schema_version", |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_tables_are_told_apart() {
        for (sql, keeps) in [
            ("CREATE VIRTUAL TABLE a USING fts5(x)", true),
            ("create virtual table a using FTS4", true),
            ("CREATE VIRTUAL TABLE a USING rtree(id, x, y);", true),
            ("CREATE VIRTUAL TABLE a USING fts5(x, content='posts')", false),
            ("CREATE VIRTUAL TABLE a USING fts5(x, content = posts)", false),
            ("CREATE VIRTUAL TABLE a USING csv(filename='x')", false),
            ("", false),
        ] {
            assert_eq!(keeps_its_content(sql), keeps, "{sql}");
        }
    }
}
