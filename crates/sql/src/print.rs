//! From the typed form to SQL text.

mod postgres;
mod sqlite;

use crate::{
    catalog::Dialect,
    ir::{Json, Order},
    statement::ParamType,
};

/// Prints the statement that yields the JSON object of an operation.
pub fn single(dialect: Dialect, root: &Json, params: &[ParamType]) -> String {
    match dialect {
        Dialect::Postgres => postgres::single(root, params),
        Dialect::Sqlite => sqlite::single(root),
    }
}

/// Prints the same for many parameter sets at once; empty if the dialect has no such form.
pub fn batch(dialect: Dialect, root: &Json, params: &[ParamType]) -> String {
    match dialect {
        Dialect::Postgres if !params.is_empty() => postgres::batch(root, params),
        _ => String::new(),
    }
}

/// A quoted string constant. Only names and constants of ours go through here, never values.
fn literal(text: &str) -> String {
    // A backslash needs no escape with standard_conforming_strings, which is on since 9.1.
    format!("'{}'", text.replace('\'', "''"))
}

/// Joins with a separator.
fn join<T>(
    items: impl IntoIterator<Item = T>,
    separator: &str,
    f: impl FnMut(T) -> String,
) -> String {
    items.into_iter().map(f).collect::<Vec<_>>().join(separator)
}

/// `DESC NULLS LAST` and the like. Nulls go where PostgreSQL puts them, in every dialect.
fn direction(order: &Order, sqlite: bool) -> &'static str {
    match (order.descending, order.nulls_first) {
        (false, None) if !sqlite => "",
        (true, None) if !sqlite => " DESC",
        (false, None | Some(false)) => " ASC NULLS LAST",
        (false, Some(true)) => " ASC NULLS FIRST",
        (true, None | Some(true)) => " DESC NULLS FIRST",
        (true, Some(false)) => " DESC NULLS LAST",
    }
}
