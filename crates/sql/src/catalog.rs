//! The catalog: what a database contains, as plain data.
//!
//! A backend (`artesian-postgres`, `artesian-sqlite`) reads its system tables into a [`Catalog`];
//! everything else in this crate works on the catalog alone.

use serde::{Deserialize, Serialize};

/// The SQL dialect that statements are printed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// PostgreSQL 13 and newer.
    Postgres,
    /// SQLite 3.44 and newer (aggregates with `ORDER BY`).
    Sqlite,
}

/// The name of a table, view or function with its schema.
///
/// SQLite has only the schema `main`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QualifiedName {
    /// Schema (namespace), e.g. `public`.
    pub schema: String,
    /// Name within the schema, unquoted.
    pub name: String,
}

impl QualifiedName {
    /// A name from its two parts.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }
}

impl std::fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// Everything a database offers that can be served.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Catalog {
    /// The schema whose tables get GraphQL names without a prefix: `public`, or `main` in SQLite.
    pub default_schema: String,
    /// Tables, views and materialized views, sorted by name.
    pub tables: Vec<Table>,
    /// Functions that can be tracked or serve as computed fields.
    pub functions: Vec<Function>,
    /// The server's version as it names itself, e.g. `PostgreSQL 15.18`.
    pub version: String,
}

impl Catalog {
    /// The table of that name.
    pub fn table(&self, name: &QualifiedName) -> Option<&Table> {
        self.tables.iter().find(|t| t.name == *name)
    }
}

/// What kind of relation a [`Table`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    /// An ordinary or partitioned table.
    Table,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// A foreign table: its changes cannot be seen.
    ForeignTable,
}

/// A table, view or materialized view.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Table {
    /// Schema and name.
    pub name: QualifiedName,
    /// What it is.
    pub kind: TableKind,
    /// `COMMENT ON TABLE`.
    pub comment: Option<String>,
    /// Columns in the table's order.
    pub columns: Vec<Column>,
    /// The primary key, if any.
    pub primary_key: Option<Key>,
    /// Unique constraints other than the primary key.
    pub unique_keys: Vec<Key>,
    /// Foreign keys that this table holds.
    pub foreign_keys: Vec<ForeignKey>,
    /// For views: the tables they read, found out by the backend (closed over nested views).
    /// For a table: empty (the table itself is meant).
    pub reads: Vec<QualifiedName>,
    /// The content can change without a write to `reads`: a volatile function, a foreign table.
    pub volatile: bool,
    /// Values of a table that metadata marks as an enum table: filled in by the backend on request.
    pub enum_values: Option<Vec<EnumTableValue>>,
}

impl Table {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }
}

/// A row of an enum table (Hasura's "enum tables": first column the value, second a comment).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnumTableValue {
    /// The value.
    pub value: String,
    /// Its description.
    pub comment: Option<String>,
}

/// A column.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Column {
    /// Name in the database.
    pub name: String,
    /// Type.
    pub ty: ColumnType,
    /// Whether NULL can occur. Columns of views are nullable.
    pub nullable: bool,
    /// `COMMENT ON COLUMN`.
    pub comment: Option<String>,
    /// Has a default (or is an identity or serial column).
    pub has_default: bool,
    /// `GENERATED ALWAYS AS (…)`: cannot be written.
    pub generated: bool,
}

/// The type of a column or of a function's argument.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ColumnType {
    /// The name as the system catalog has it (`pg_type.typname`): `int4`, `text`, `_text`,
    /// `timestamptz`, `citext`. For SQLite one of the names that [`crate::sqlite_types`] maps
    /// declared types to.
    pub name: String,
    /// Schema of the type: `pg_catalog` for built-in types.
    pub schema: String,
    /// What kind of type.
    pub kind: TypeKind,
}

/// The kind of a [`ColumnType`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TypeKind {
    /// A base type.
    Base,
    /// An enum with its labels in order.
    Enum(Vec<String>),
    /// An array of the element type (any number of dimensions).
    Array(Box<ColumnType>),
    /// A domain over another type.
    Domain(Box<ColumnType>),
    /// A composite (row) type.
    Composite,
    /// A range or multirange type.
    Range,
}

impl ColumnType {
    /// A base type in `pg_catalog`.
    pub fn base(name: &str) -> Self {
        Self { name: name.to_owned(), schema: "pg_catalog".to_owned(), kind: TypeKind::Base }
    }

    /// The type below all domains.
    pub fn without_domains(&self) -> &ColumnType {
        let mut ty = self;
        while let TypeKind::Domain(base) = &ty.kind {
            ty = base;
        }
        ty
    }
}

/// A primary key or unique constraint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Name of the constraint.
    pub name: String,
    /// Column names in key order.
    pub columns: Vec<String>,
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Name of the constraint.
    pub name: String,
    /// The referencing columns.
    pub columns: Vec<String>,
    /// The referenced table.
    pub target: QualifiedName,
    /// The referenced columns, paired with `columns`.
    pub target_columns: Vec<String>,
}

/// How often a function may change its answer (`pg_proc.provolatile`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Volatility {
    /// Same arguments, same result.
    Immutable,
    /// Same result within one statement.
    Stable,
    /// Anything, with side effects.
    Volatile,
}

/// A function that can be a root field or a computed field.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Function {
    /// Schema and name.
    pub name: QualifiedName,
    /// `COMMENT ON FUNCTION`.
    pub comment: Option<String>,
    /// Input arguments in order.
    pub args: Vec<FunctionArg>,
    /// The returned type; for `SETOF table` the row type of the table.
    pub returns: ColumnType,
    /// The table whose row type is returned, if it is one.
    pub returns_table: Option<QualifiedName>,
    /// Whether it returns a set.
    pub returns_set: bool,
    /// Volatility.
    pub volatility: Volatility,
}

/// An input argument of a [`Function`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FunctionArg {
    /// Name, if it has one.
    pub name: Option<String>,
    /// Type; a table's row type has [`TypeKind::Composite`] and the table's name.
    pub ty: ColumnType,
    /// Has a default.
    pub has_default: bool,
}
