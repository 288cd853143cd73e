//! What the declared type of an SQLite column means.
//!
//! SQLite lets a column be declared with any words. The words that people use are mapped to the
//! names of PostgreSQL's types, so that a schema looks the same over both databases; what is left
//! follows SQLite's own rules of type affinity.

use crate::catalog::ColumnType;

/// Declared names, in capitals and without length, and what they are.
const NAMES: &[(&str, &str)] = &[
    ("INT", "int4"),
    ("INTEGER", "int4"),
    ("TINYINT", "int4"),
    ("SMALLINT", "int4"),
    ("MEDIUMINT", "int4"),
    ("INT2", "int4"),
    ("INT4", "int4"),
    ("SERIAL", "int4"),
    ("INT8", "int8"),
    ("INT64", "int8"),
    ("BIGINT", "int8"),
    ("BIGSERIAL", "int8"),
    ("LONG", "int8"),
    ("UNSIGNED INT", "int8"),
    ("UNSIGNED INTEGER", "int8"),
    ("INT UNSIGNED", "int8"),
    ("INTEGER UNSIGNED", "int8"),
    ("BIG INT", "int8"),
    ("UNSIGNED BIG INT", "int8"),
    ("BIGINT UNSIGNED", "int8"),
    ("REAL", "float8"),
    ("FLOAT", "float8"),
    ("FLOAT4", "float8"),
    ("FLOAT8", "float8"),
    ("DOUBLE", "float8"),
    ("DOUBLE PRECISION", "float8"),
    ("NUM", "numeric"),
    ("NUMERIC", "numeric"),
    ("NUMBER", "numeric"),
    ("DECIMAL", "numeric"),
    ("DEC", "numeric"),
    ("MONEY", "numeric"),
    ("BOOL", "bool"),
    ("BOOLEAN", "bool"),
    ("STRING", "text"),
    ("ANY", "text"),
    ("DATE", "date"),
    ("TIME", "time"),
    ("TIME WITHOUT TIME ZONE", "time"),
    ("TIMETZ", "timetz"),
    ("TIME WITH TIME ZONE", "timetz"),
    ("DATETIME", "timestamp"),
    ("TIMESTAMP", "timestamp"),
    ("TIMESTAMP WITHOUT TIME ZONE", "timestamp"),
    ("TIMESTAMPTZ", "timestamptz"),
    ("DATETIMETZ", "timestamptz"),
    ("TIMESTAMP WITH TIME ZONE", "timestamptz"),
    ("INTERVAL", "interval"),
    ("JSON", "jsonb"),
    ("JSONB", "jsonb"),
    ("UUID", "uuid"),
    ("GUID", "uuid"),
    ("UNIQUEIDENTIFIER", "uuid"),
    ("BYTEA", "bytea"),
    ("BINARY", "bytea"),
    ("VARBINARY", "bytea"),
];

/// The type of a column that is declared so. An empty text means that no type is declared.
///
/// Never fails: a name that says nothing gets the type of its affinity. A column without a declared
/// type is `text`, because every value has a text form.
pub fn column_type(declared: &str) -> ColumnType {
    ColumnType::base(type_name(declared))
}

fn type_name(declared: &str) -> &'static str {
    let name = normalised(declared);
    if name.is_empty() {
        return "text";
    }
    match NAMES.iter().find(|(known, _)| *known == name) {
        Some((_, ty)) => ty,
        None => by_affinity(&name),
    }
}

/// Rules 1 to 5 of "Determination Of Column Affinity", in their order.
fn by_affinity(name: &str) -> &'static str {
    let has = |part: &str| name.contains(part);
    if has("INT") {
        "int8"
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        "text"
    } else if has("BLOB") {
        "bytea"
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        "float8"
    } else {
        "numeric"
    }
}

/// Capitals, single spaces, and no `(10, 2)`.
fn normalised(declared: &str) -> String {
    let mut depth = 0_u32;
    let mut bare = String::with_capacity(declared.len());
    for c in declared.chars() {
        match c {
            '(' => {
                depth += 1;
                bare.push(' ');
            }
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => bare.push(c.to_ascii_uppercase()),
            _ => {}
        }
    }
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::column_type;

    #[test]
    fn declared_types_get_the_names_of_postgresql() {
        let cases = [
            ("INTEGER", "int4"),
            ("int", "int4"),
            ("MediumInt", "int4"),
            ("INT(11)", "int4"),
            ("BIGINT", "int8"),
            ("UNSIGNED  BIG INT", "int8"),
            ("INT8", "int8"),
            ("REAL", "float8"),
            ("double precision", "float8"),
            ("DECIMAL(10, 2)", "numeric"),
            ("NUMERIC", "numeric"),
            ("BOOLEAN", "bool"),
            ("TEXT", "text"),
            ("VARCHAR(255)", "text"),
            ("NATIVE CHARACTER(70)", "text"),
            ("CLOB", "text"),
            ("DATE", "date"),
            ("TIME", "time"),
            ("DATETIME", "timestamp"),
            ("TIMESTAMP(3)", "timestamp"),
            ("TIMESTAMP(3) WITH TIME ZONE", "timestamptz"),
            ("timestamptz", "timestamptz"),
            ("JSON", "jsonb"),
            ("UUID", "uuid"),
            ("BLOB", "bytea"),
            ("", "text"),
            ("ANY", "text"),
        ];
        for (declared, name) in cases {
            assert_eq!(column_type(declared).name, name, "{declared}");
            assert_eq!(column_type(declared).schema, "pg_catalog");
        }
    }

    #[test]
    fn other_words_follow_affinity() {
        let cases = [
            ("FLOATING POINT", "int8"),
            ("POINTS", "int8"),
            ("LONGVARCHAR", "text"),
            ("TINYBLOB", "bytea"),
            ("DOUBLEISH", "float8"),
            ("COLOUR", "numeric"),
            ("((((", "text"),
        ];
        for (declared, name) in cases {
            assert_eq!(column_type(declared).name, name, "{declared}");
        }
    }
}
