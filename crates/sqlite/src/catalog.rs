//! Reading what a database contains.

use artesian_sql::catalog::{
    Column, ColumnType, EnumTableValue, ForeignKey, Key, Table, TableKind,
};
use artesian_sql::sqlite_types::column_type;
use artesian_sql::{Catalog, QualifiedName};
use rusqlite::{Connection, Result};

use crate::reads::Inspector;
use crate::schema::{self, Kind, Relation, quoted};

/// The one schema of an SQLite database.
pub(crate) const SCHEMA: &str = "main";

/// Reads the catalog in one snapshot.
pub(crate) fn read(
    connection: &Connection,
    inspector: &Inspector,
    enum_tables: &[QualifiedName],
) -> Result<Catalog> {
    let snapshot = connection.unchecked_transaction()?;
    let relations = schema::relations(&snapshot)?;
    let mut tables = Vec::with_capacity(relations.len());
    for relation in &relations {
        if relation.kind == Kind::Shadow {
            continue;
        }
        match table(&snapshot, inspector, &relations, relation) {
            Ok(mut table) => {
                if enum_tables.contains(&table.name) {
                    table.enum_values = Some(enum_values(&snapshot, &table)?);
                }
                tables.push(table);
            }
            // A view of a table that is gone, a virtual table of a module that is not here.
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::Unknown) => {
                tracing::warn!(relation = relation.name, %error, "left out of the catalog");
            }
            Err(error) => return Err(error),
        }
    }
    for index in 0..tables.len() {
        let keys = foreign_keys(&snapshot, &tables, &tables[index])?;
        tables[index].foreign_keys = keys;
    }
    let version =
        snapshot.query_row("SELECT sqlite_version()", [], |row| row.get::<_, String>(0))?;
    snapshot.commit()?;
    Ok(Catalog {
        default_schema: SCHEMA.to_owned(),
        tables,
        functions: Vec::new(),
        version: format!("SQLite {version}"),
    })
}

fn table(
    connection: &Connection,
    inspector: &Inspector,
    relations: &[Relation],
    relation: &Relation,
) -> Result<Table> {
    let name = &relation.name;
    // Before anything else: this is what finds out that a view or a module is broken.
    let select = format!("SELECT * FROM {}", quoted(name));
    let reads = inspector.reads(connection, relations, &select)?;
    let view = relation.kind == Kind::View;
    let indexes = indexes(connection, name)?;
    let (columns, primary_key) = columns(connection, relation, &indexes)?;
    Ok(Table {
        name: QualifiedName::new(SCHEMA, name),
        kind: match relation.kind {
            Kind::View => TableKind::View,
            Kind::ForeignVirtual => TableKind::ForeignTable,
            _ => TableKind::Table,
        },
        comment: None,
        columns,
        primary_key,
        unique_keys: indexes
            .into_iter()
            .filter(|i| i.origin != "pk")
            .filter_map(unique_key(name))
            .collect(),
        foreign_keys: Vec::new(),
        reads: if view {
            reads.tables.iter().map(|t| QualifiedName::new(SCHEMA, t)).collect()
        } else {
            Vec::new()
        },
        volatile: reads.volatile,
        enum_values: None,
    })
}

/// Columns and the primary key.
fn columns(
    connection: &Connection,
    relation: &Relation,
    indexes: &[UniqueIndex],
) -> Result<(Vec<Column>, Option<Key>)> {
    let mut list = connection.prepare(
        "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk, hidden \
         FROM pragma_table_xinfo(?1, 'main') ORDER BY cid",
    )?;
    let mut rows = list.query([&relation.name])?;
    let mut columns = Vec::new();
    let mut key: Vec<(i64, usize)> = Vec::new();
    let mut integer = false;
    while let Some(row) = rows.next()? {
        let (declared, place, hidden): (String, i64, i64) = (row.get(1)?, row.get(4)?, row.get(5)?);
        // Hidden columns of virtual tables are arguments or internals; 2 and 3 are generated ones.
        if hidden == 1 {
            continue;
        }
        if place > 0 {
            key.push((place, columns.len()));
            integer = declared.eq_ignore_ascii_case("INTEGER");
        }
        columns.push(Column {
            name: row.get(0)?,
            ty: if declared.is_empty() && relation.kind == Kind::View {
                // An expression, of which SQLite knows no type. Values of `numeric` are compared as
                // what they look like, so a count is not taken for a text.
                ColumnType::base("numeric")
            } else {
                column_type(&declared)
            },
            nullable: !row.get::<_, bool>(2)?,
            comment: None,
            has_default: row.get(3)?,
            generated: hidden == 2 || hidden == 3,
        });
    }
    key.sort_unstable();
    // An INTEGER PRIMARY KEY is the rowid under another name, never NULL and filled in by itself;
    // one that SQLite had to make an index for (`INTEGER PRIMARY KEY DESC`) is not.
    let rowid = relation.kind == Kind::Table
        && integer
        && key.len() == 1
        && !indexes.iter().any(|i| i.origin == "pk");
    if let (true, Some(&(_, index))) = (rowid, key.first()) {
        columns[index].nullable = false;
        columns[index].has_default = true;
    }
    let primary_key = (!key.is_empty()).then(|| Key {
        name: format!("{}_pkey", relation.name),
        columns: key.iter().map(|&(_, index)| columns[index].name.clone()).collect(),
    });
    Ok((columns, primary_key))
}

/// A unique index over the whole table.
struct UniqueIndex {
    name: String,
    /// `c`: CREATE INDEX, `u`: a UNIQUE constraint, `pk`: the primary key.
    origin: String,
    /// `None` for an expression or the rowid.
    columns: Vec<Option<String>>,
}

fn indexes(connection: &Connection, table: &str) -> Result<Vec<UniqueIndex>> {
    let mut list = connection.prepare(
        "SELECT l.name, l.origin, i.name FROM pragma_index_list(?1, 'main') AS l, \
           pragma_index_xinfo(l.name, 'main') AS i \
         WHERE l.\"unique\" AND NOT l.partial AND i.key ORDER BY l.seq DESC, i.seqno",
    )?;
    let mut rows = list.query([table])?;
    let mut indexes: Vec<UniqueIndex> = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let column = row.get(2)?;
        match indexes.last_mut() {
            Some(last) if last.name == name => last.columns.push(column),
            _ => indexes.push(UniqueIndex { name, origin: row.get(1)?, columns: vec![column] }),
        }
    }
    Ok(indexes)
}

/// The key that an index is. SQLite forgets the names of constraints: they get those that
/// PostgreSQL would give them.
fn unique_key(table: &str) -> impl Fn(UniqueIndex) -> Option<Key> {
    move |index| {
        let columns = index.columns.into_iter().collect::<Option<Vec<_>>>()?;
        let name = match index.origin.as_str() {
            "c" => index.name,
            _ => format!("{table}_{}_key", columns.join("_")),
        };
        Some(Key { name, columns })
    }
}

/// A foreign key as it is declared.
struct Reference {
    id: i64,
    target: String,
    columns: Vec<String>,
    /// `None`: the target's primary key is meant.
    target_columns: Vec<Option<String>>,
}

/// The foreign keys of a table whose targets exist.
fn foreign_keys(
    connection: &Connection,
    tables: &[Table],
    table: &Table,
) -> Result<Vec<ForeignKey>> {
    let mut list = connection.prepare(
        "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1, 'main') \
         ORDER BY id DESC, seq",
    )?;
    let mut rows = list.query([&table.name.name])?;
    let mut references: Vec<Reference> = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, column, target_column) = (row.get(0)?, row.get(2)?, row.get(3)?);
        match references.last_mut() {
            Some(last) if last.id == id => {
                last.columns.push(column);
                last.target_columns.push(target_column);
            }
            _ => references.push(Reference {
                id,
                target: row.get(1)?,
                columns: vec![column],
                target_columns: vec![target_column],
            }),
        }
    }
    Ok(references.into_iter().filter_map(|r| foreign_key(tables, table, r)).collect())
}

fn foreign_key(tables: &[Table], table: &Table, reference: Reference) -> Option<ForeignKey> {
    let Reference { target, columns, target_columns: named, .. } = reference;
    let target = tables.iter().find(|t| t.name.name.eq_ignore_ascii_case(&target))?;
    let target_columns = target_columns(target, named)?;
    (target_columns.len() == columns.len()).then(|| ForeignKey {
        name: format!("{}_{}_fkey", table.name.name, columns.join("_")),
        columns,
        target: target.name.clone(),
        target_columns,
    })
}

/// The columns that a foreign key names in its target: the primary key if it names none.
fn target_columns(target: &Table, named: Vec<Option<String>>) -> Option<Vec<String>> {
    match named.into_iter().collect::<Option<Vec<_>>>() {
        Some(named) => named
            .iter()
            .map(|n| {
                let column = target.columns.iter().find(|c| c.name.eq_ignore_ascii_case(n));
                column.map(|c| c.name.clone())
            })
            .collect(),
        None => target.primary_key.as_ref().map(|k| k.columns.clone()),
    }
}

/// The rows of an enum table: its key, and the first other column as a comment.
fn enum_values(connection: &Connection, table: &Table) -> Result<Vec<EnumTableValue>> {
    let key = table.primary_key.as_ref().and_then(|k| k.columns.first());
    let Some(value) = key.or_else(|| table.columns.first().map(|c| &c.name)) else {
        return Ok(Vec::new());
    };
    let comment = table.columns.iter().find(|c| c.name != *value);
    let comment = comment.map_or_else(|| "NULL".to_owned(), |c| quoted(&c.name));
    let mut rows = connection.prepare(&format!(
        "SELECT CAST({value} AS TEXT), CAST({comment} AS TEXT) FROM {table} \
         WHERE {value} IS NOT NULL ORDER BY 1",
        value = quoted(value),
        table = quoted(&table.name.name),
    ))?;
    rows.query_map([], |row| Ok(EnumTableValue { value: row.get(0)?, comment: row.get(1)? }))?
        .collect()
}
