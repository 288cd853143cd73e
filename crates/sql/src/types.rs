//! From database types to GraphQL scalars: names, checks, and which operators apply.

use artesian_graphql::{Name, scalar::ScalarKind, schema::TypeRef};

use crate::catalog::{ColumnType, Dialect, TypeKind};

/// What a type can do, for the choice of operators and aggregates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TypeClass {
    /// Text with pattern operators.
    Text,
    /// Numbers: sums and averages.
    Number,
    /// Truth values.
    Boolean,
    /// `jsonb`: containment and key operators.
    Jsonb,
    /// `json`: no operators but null tests.
    Json,
    /// Arrays.
    Array,
    /// `ltree`.
    Ltree,
    /// Values of an enum table.
    EnumTable,
    /// Anything else that compares.
    Other,
}

/// How a column's type appears in GraphQL and travels as a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalarType {
    /// The GraphQL scalar (of the element, for arrays).
    pub name: Name,
    /// How values of it are checked.
    pub kind: ScalarKind,
    /// What it can do.
    pub class: TypeClass,
    /// The type to cast parameters to, quoted: `"pg_catalog"."int4"`; or SQLite's binding.
    pub cast: String,
    /// For arrays: the element's cast.
    pub element_cast: Option<String>,
    /// `min` and `max` exist.
    pub orderable: bool,
    /// The type's own name, for special cases (`uuid`, `money`).
    pub base: String,
}

impl ScalarType {
    /// The type of a column.
    pub fn of(dialect: Dialect, ty: &ColumnType) -> Self {
        let base = ty.without_domains();
        if let TypeKind::Array(element) = &base.kind {
            let inner = Self::of(dialect, element);
            let cast = match inner.element_cast {
                // Arrays of domains over arrays are arrays of the same element to us.
                Some(ref deeper) => format!("{deeper}[]"),
                None => format!("{}[]", inner.cast),
            };
            return Self {
                class: TypeClass::Array,
                element_cast: Some(inner.element_cast.unwrap_or(inner.cast)),
                cast,
                orderable: true,
                ..inner
            };
        }
        let (name, kind, class) = Self::scalar(base);
        let orderable = match class {
            TypeClass::Text | TypeClass::Number | TypeClass::Ltree => true,
            TypeClass::Other => {
                matches!(base.kind, TypeKind::Enum(_)) || HAS_MIN_MAX.contains(&&*base.name)
            }
            _ => false,
        };
        Self {
            name: name.into(),
            kind,
            class,
            cast: match dialect {
                Dialect::Postgres => {
                    format!("{}.{}", quote(&base.schema), quote(&base.name))
                }
                Dialect::Sqlite => sqlite_binding(&base.name).to_owned(),
            },
            element_cast: None,
            orderable,
            base: base.name.clone(),
        }
    }

    /// A built-in type by its name.
    pub fn builtin(dialect: Dialect, name: &str) -> Self {
        Self::of(dialect, &ColumnType::base(name))
    }

    fn scalar(base: &ColumnType) -> (&str, ScalarKind, TypeClass) {
        if matches!(base.kind, TypeKind::Composite | TypeKind::Range | TypeKind::Enum(_)) {
            return (&base.name, ScalarKind::Text, TypeClass::Other);
        }
        match base.name.as_str() {
            "int4" => ("Int", ScalarKind::Int, TypeClass::Number),
            "int2" => ("smallint", ScalarKind::Int, TypeClass::Number),
            "int8" => ("bigint", ScalarKind::BigInt, TypeClass::Number),
            "float4" => ("Float", ScalarKind::Float, TypeClass::Number),
            "float8" => ("float8", ScalarKind::Numeric, TypeClass::Number),
            "numeric" => ("numeric", ScalarKind::Numeric, TypeClass::Number),
            "text" | "varchar" => ("String", ScalarKind::String, TypeClass::Text),
            "bool" => ("Boolean", ScalarKind::Boolean, TypeClass::Boolean),
            "citext" | "bpchar" | "name" => (&base.name, ScalarKind::Text, TypeClass::Text),
            "json" => ("json", ScalarKind::Json, TypeClass::Json),
            "jsonb" => ("jsonb", ScalarKind::Json, TypeClass::Jsonb),
            "ltree" => ("ltree", ScalarKind::Text, TypeClass::Ltree),
            other => (other, ScalarKind::Text, TypeClass::Other),
        }
    }

    /// The type of a field that holds such a value.
    pub fn output(&self, nullable: bool) -> TypeRef {
        let named = TypeRef::Named(self.name.clone());
        let ty = if self.class == TypeClass::Array { named.non_null().list() } else { named };
        if nullable { ty } else { ty.non_null() }
    }

    /// A check of input that differs from the scalar's own: an integer of SQLite has 64 bits,
    /// whatever its column is declared as.
    pub fn own_check(&self, dialect: Dialect) -> Option<ScalarKind> {
        (dialect == Dialect::Sqlite && self.kind == ScalarKind::Int).then_some(ScalarKind::Long)
    }

    /// The name of the input object that compares it.
    pub fn comparison(&self) -> String {
        if self.class == TypeClass::Array {
            format!("{}_array_comparison_exp", self.name)
        } else {
            format!("{}_comparison_exp", self.name)
        }
    }

    /// Whether JSON gives it as a string when numbers are to be strings.
    pub fn is_big_number(&self) -> bool {
        matches!(self.base.as_str(), "int8" | "numeric" | "float8")
    }

    /// Whether sums and averages are offered.
    pub fn is_number(&self) -> bool {
        self.class == TypeClass::Number
    }
}

/// Types of class Other for which `min` and `max` exist (`uuid` by way of text).
const HAS_MIN_MAX: [&str; 17] = [
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "interval",
    "money",
    "inet",
    "cidr",
    "oid",
    "tid",
    "uuid",
    "pg_lsn",
    "bpchar",
    "xid8",
    "citext",
    "name",
];

/// A quoted identifier, the same in PostgreSQL and SQLite.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// How a value of a type is bound in SQLite.
fn sqlite_binding(base: &str) -> &'static str {
    match base {
        "int2" | "int4" | "int8" => "INTEGER",
        "float4" | "float8" => "REAL",
        "numeric" => "NUMERIC",
        "bool" => "BOOLEAN",
        "bytea" => "BLOB",
        _ => "TEXT",
    }
}
