//! A compiled operation: SQL text with typed parameters and what it depends on.

use std::sync::Arc;

use crate::catalog::{Dialect, QualifiedName};

/// The text form of a parameter's value in the database's own input syntax; `None` is NULL.
pub type ParamValue = Option<Arc<str>>;

/// One SQL statement that answers a whole operation.
///
/// The statement returns one row with one text column: the JSON object of the root fields,
/// e.g. `{"orders": [ … ], "town": { … }}`.
///
/// Two statements are equal if their SQL text and parameter types are: that is the identity of a
/// live-query plan.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The dialect it is printed in.
    pub dialect: Dialect,
    /// The text with `$1…$n` (PostgreSQL, each inside a cast to its type) or `?1…?n` (SQLite).
    pub sql: Arc<str>,
    /// The same statement for many parameter sets at once (PostgreSQL only; empty for SQLite):
    /// parameters are `$1::text[]…$n::text[]`, or typed arrays, one element per parameter set, and
    /// `$n+1::int4` is their count. Returns rows `(i int4, result text)`, `i` counting from 1.
    /// Statements without parameters need no such form.
    pub batch_sql: Arc<str>,
    /// Types of the parameters, in order.
    pub param_types: Arc<[ParamType]>,
    /// The tables and views it reads, permission filters included.
    pub reads: Arc<[QualifiedName]>,
    /// It calls functions whose answer can change without a write to `reads`.
    pub volatile: bool,
}

impl PartialEq for Statement {
    fn eq(&self, other: &Self) -> bool {
        self.sql == other.sql && self.param_types == other.param_types
    }
}

impl Eq for Statement {}

impl std::hash::Hash for Statement {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.sql.hash(state);
    }
}

/// The type of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ParamType {
    /// PostgreSQL: the cast that stands in the statement, e.g. `"pg_catalog"."int4"` or
    /// `"pg_catalog"."int4"[]`. SQLite: how the value is bound: `INTEGER`, `REAL`, `TEXT`, `BLOB`
    /// (hex text) or `NUMERIC` (INTEGER if it looks like one, else REAL, else TEXT).
    pub name: String,
    /// PostgreSQL: in `batch_sql` the parameter's array has this element type; either the same
    /// type, or `text` for types that are arrays themselves.
    pub batch_element: String,
}
