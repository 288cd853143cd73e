//! The typed form of a statement between the GraphQL operation and SQL text.
//!
//! It says what is wanted, not how a dialect writes it: lists, rows, aggregates, tests. Values are
//! always parameters. Each dialect's printer (`print/`) turns it into text.

use crate::catalog::QualifiedName;

/// A relation's name within a statement; printed `t0`, `t1`, …
pub type Alias = u32;

/// An index into the statement's parameters.
pub type ParamIndex = usize;

/// A scalar expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A column of a relation in scope.
    Column(Alias, String),
    /// A parameter.
    Param(ParamIndex),
    /// A constant truth value.
    Bool(bool),
    /// All hold (true if empty).
    And(Vec<Expr>),
    /// One holds (false if empty).
    Or(Vec<Expr>),
    /// It does not hold.
    Not(Box<Expr>),
    /// `IS NULL`, or `IS NOT NULL` if the flag is false.
    IsNull(Box<Expr>, bool),
    /// `IS NULL` if the boolean parameter is true, `IS NOT NULL` if false.
    IsNullParam(Box<Expr>, ParamIndex),
    /// An operator between two expressions.
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// Equals one of the elements of an array parameter (of none, if negated).
    In {
        /// The value.
        value: Box<Expr>,
        /// The array.
        list: ParamIndex,
        /// `NOT IN`
        negated: bool,
        /// Elements are text to be cast to this type (an array type itself).
        cast: Option<String>,
    },
    /// The relation has a row.
    Exists(Box<Relation>),
    /// The expression of the relation's first row, or NULL.
    First(Box<Relation>, Box<Expr>),
    /// An aggregate over the relation.
    Aggregate(Box<Relation>, Aggregate),
    /// A cast to a named type.
    Cast(Box<Expr>, String),
    /// A function call on expressions.
    Call(QualifiedName, Vec<CallArg>),
}

/// An argument of a function call.
#[derive(Clone, Debug, PartialEq)]
pub enum CallArg {
    /// The whole row of a relation, for a parameter that may have a name.
    Row(Alias, Option<String>),
    /// A value for a named parameter.
    Named(String, Expr),
    /// A value by position.
    Positional(Expr),
}

/// An operator of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named as in the dialect: _eq, _neq, …")]
pub enum Operator {
    Eq,
    Neq,
    Gt,
    Lt,
    Gte,
    Lte,
    Like,
    Nlike,
    Ilike,
    Nilike,
    Similar,
    Nsimilar,
    Regex,
    Iregex,
    Nregex,
    Niregex,
    Contains,
    ContainedIn,
    HasKey,
    HasKeysAny,
    HasKeysAll,
    Ancestor,
    AncestorAny,
    Descendant,
    DescendantAny,
    Matches,
    MatchesAny,
    MatchesFulltext,
    JsonStep,
}

/// An aggregate function with its arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// `count`, `sum`, `bool_and`, …
    pub function: String,
    /// `DISTINCT`
    pub distinct: bool,
    /// Its arguments; none for `count(*)`.
    pub args: Vec<Expr>,
}

/// Rows of a table, a view, or a set-returning function.
#[derive(Clone, Debug, PartialEq)]
pub struct Relation {
    /// Where rows come from.
    pub from: From,
    /// Its name in expressions.
    pub alias: Alias,
    /// Which rows.
    pub filter: Expr,
    /// One row for each distinct value of these.
    pub distinct_on: Vec<Expr>,
    /// In which order.
    pub order_by: Vec<Order>,
    /// At most so many (a parameter) …
    pub limit: Option<ParamIndex>,
    /// … and at most so many (a permission).
    pub max_rows: Option<u32>,
    /// After so many.
    pub offset: Option<ParamIndex>,
}

impl Relation {
    /// All rows of a table.
    pub fn table(name: QualifiedName, alias: Alias) -> Self {
        Self {
            from: From::Table(name),
            alias,
            filter: Expr::Bool(true),
            distinct_on: Vec::new(),
            order_by: Vec::new(),
            limit: None,
            max_rows: None,
            offset: None,
        }
    }
}

/// Where a relation's rows come from.
#[derive(Clone, Debug, PartialEq)]
pub enum From {
    /// A table or view.
    Table(QualifiedName),
    /// A set-returning function.
    Function(QualifiedName, Vec<CallArg>),
}

/// An ordering key.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// By this.
    pub by: Expr,
    /// Descending.
    pub descending: bool,
    /// Where nulls go; the dialect's default (PostgreSQL's: last ascending, first descending) if
    /// not given.
    pub nulls_first: Option<bool>,
}

/// A JSON value that the database builds.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// A constant string (`__typename`).
    Text(String),
    /// A parameter that holds JSON text.
    Param(ParamIndex),
    /// A value of a type.
    Value(Expr, Form),
    /// An object of fixed keys.
    Object(Vec<(String, Json)>),
    /// A list with an object for every row.
    List(Box<Relation>, Vec<(String, Json)>),
    /// The object of the first row, or null.
    One(Box<Relation>, Vec<(String, Json)>),
    /// An object of aggregates.
    Aggregates(Box<Relation>, Vec<(String, AggregatePart)>),
}

/// How a value becomes JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As the database has it.
    Plain,
    /// As a string.
    Text,
    /// An array of strings.
    TextArray,
    /// A truth value (SQLite has integers).
    Boolean,
    /// JSON already.
    Json,
    /// Bytes (PostgreSQL's hex form, also from SQLite).
    Bytes,
}

/// A member of an aggregate object.
#[derive(Clone, Debug, PartialEq)]
pub enum AggregatePart {
    /// `__typename`
    Text(String),
    /// The rows themselves, at most `max_rows` of them.
    Nodes {
        /// Members of each row's object.
        row: Vec<(String, Json)>,
        /// At most so many.
        max_rows: Option<u32>,
    },
    /// `aggregate { … }`
    Fields(Vec<(String, AggregateField)>),
}

/// A member of `aggregate { … }`. Columns in it are those of the relation.
#[derive(Clone, Debug, PartialEq)]
pub enum AggregateField {
    /// `__typename`
    Text(String),
    /// One function, e.g. `count`.
    One(Aggregate),
    /// A function over several columns, e.g. `sum { a b }`.
    Group(Vec<(String, AggregateColumn)>),
}

/// A member of `sum { … }`.
#[derive(Clone, Debug, PartialEq)]
pub enum AggregateColumn {
    /// `__typename`
    Text(String),
    /// The function of a column, in a form.
    Value(Aggregate, Form),
}
