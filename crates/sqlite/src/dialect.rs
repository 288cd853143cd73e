//! PostgreSQL's pattern and JSON operators as SQL functions, so that both databases give the same
//! answers.
//!
//! | function | operator |
//! |---|---|
//! | `pg_like(text, pattern)`, `pg_ilike` | `LIKE`, `ILIKE` with `\` as escape |
//! | `pg_similar(text, pattern)` | `SIMILAR TO` |
//! | `jsonb_contains(document, part)` | `@>` |
//! | `jsonb_has_key(document, key)` | `?` |
//! | `jsonb_has_any(document, keys)`, `jsonb_has_all` | `?\|`, `?&`; keys as a JSON array |

use regex::{Regex, RegexBuilder};
use rusqlite::{
    Connection, Error, Result,
    functions::{Context, FunctionFlags},
    types::ValueRef,
};
use serde_json::Value as Json;

/// Memory that one compiled `SIMILAR TO` pattern may take.
const PATTERN_SIZE: usize = 1 << 20;

/// Registers the functions on a connection.
pub(crate) fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    for (name, fold) in [("pg_like", false), ("pg_ilike", true)] {
        connection.create_scalar_function(name, 2, flags, move |ctx| {
            let (Some(text), Some(pattern)) = (text(ctx, 0), text(ctx, 1)) else {
                return Ok(None);
            };
            let matched = if fold {
                like(&text.to_lowercase(), &pattern.to_lowercase())
            } else {
                like(&text, &pattern)
            };
            matched.map(Some).map_err(failed)
        })?;
    }
    connection.create_scalar_function("pg_similar", 2, flags, |ctx| {
        let Some(text) = text(ctx, 0) else {
            return Ok(None);
        };
        if matches!(ctx.get_raw(1), ValueRef::Null) {
            return Ok(None);
        }
        let regex: std::sync::Arc<Regex> = ctx.get_or_create_aux(1, |pattern| {
            let pattern = value_text(pattern).unwrap_or_default();
            RegexBuilder::new(&similar(&pattern))
                .size_limit(PATTERN_SIZE)
                .dfa_size_limit(PATTERN_SIZE)
                .build()
                .map_err(|_| failed(format!("invalid regular expression: {pattern}")))
        })?;
        Ok(Some(regex.is_match(&text)))
    })?;
    connection.create_scalar_function("jsonb_contains", 2, flags, |ctx| {
        Ok(json(ctx, 0)?.zip(json(ctx, 1)?).map(|(a, b)| contains(&a, &b)))
    })?;
    connection.create_scalar_function("jsonb_has_key", 2, flags, |ctx| {
        Ok(json(ctx, 0)?.zip(text(ctx, 1)).map(|(d, key)| has_key(&d, &key)))
    })?;
    for (name, all) in [("jsonb_has_any", false), ("jsonb_has_all", true)] {
        connection.create_scalar_function(name, 2, flags, move |ctx| {
            Ok(json(ctx, 0)?.zip(json(ctx, 1)?).map(|(d, keys)| {
                let mut keys = keys.as_array().into_iter().flatten().filter_map(Json::as_str);
                if all { keys.all(|k| has_key(&d, k)) } else { keys.any(|k| has_key(&d, k)) }
            }))
        })?;
    }
    Ok(())
}

fn failed(message: String) -> Error {
    Error::UserFunctionError(message.into())
}

fn value_text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(i) => Some(i.to_string()),
        ValueRef::Real(r) => Some(r.to_string()),
        ValueRef::Text(t) | ValueRef::Blob(t) => Some(String::from_utf8_lossy(t).into_owned()),
    }
}

fn text(ctx: &Context<'_>, index: usize) -> Option<String> {
    value_text(ctx.get_raw(index))
}

/// A JSON argument; text that is no JSON matches nothing rather than failing the statement, since
/// SQLite does not keep such text out of a column.
fn json(ctx: &Context<'_>, index: usize) -> Result<Option<Json>> {
    Ok(text(ctx, index).and_then(|t| serde_json::from_str(&t).ok()))
}

/// `LIKE` (PostgreSQL §9.7.1): `%` any run, `_` one character, `\` escapes.
fn like(text: &str, pattern: &str) -> std::result::Result<bool, String> {
    enum Part {
        Run,
        One,
        Char(char),
    }
    let mut parts = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '%' => Part::Run,
            '_' => Part::One,
            '\\' => Part::Char(
                chars
                    .next()
                    .ok_or_else(|| "LIKE pattern must not end with escape character".to_owned())?,
            ),
            c => Part::Char(c),
        });
    }
    let text: Vec<char> = text.chars().collect();
    // Greedy with one point to go back to: the last run. Linear for fixed patterns, quadratic at
    // worst.
    let (mut t, mut p) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match parts.get(p) {
            Some(Part::Run) => {
                back = Some((p + 1, t));
                p += 1;
            }
            Some(Part::One) => {
                t += 1;
                p += 1;
            }
            Some(Part::Char(c)) if *c == text[t] => {
                t += 1;
                p += 1;
            }
            _ => match back {
                Some((after, from)) => {
                    p = after;
                    t = from + 1;
                    back = Some((after, t));
                }
                None => return Ok(false),
            },
        }
    }
    Ok(parts[p..].iter().all(|part| matches!(part, Part::Run)))
}

/// A `SIMILAR TO` pattern (PostgreSQL §9.7.2) as a regular expression.
fn similar(pattern: &str) -> String {
    let mut out = String::from("(?s)^(?:");
    let mut chars = pattern.chars();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                if let Some(next) = chars.next() {
                    out.push_str(&regex::escape(&next.to_string()));
                }
            }
            '[' | ']' => {
                in_class = c == '[';
                out.push(c);
            }
            c if in_class => out.push(c),
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '|' | '*' | '+' | '?' | '{' | '}' | '(' | ')' => out.push(c),
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out.push_str(")$");
    out
}

/// `document @> part` (PostgreSQL §8.14.3).
fn contains(document: &Json, part: &Json) -> bool {
    match (document, part) {
        // An array contains a primitive of its own, at the top only.
        (Json::Array(items), part) if !part.is_array() && !part.is_object() => {
            items.iter().any(|i| same(i, part))
        }
        _ => contains_within(document, part),
    }
}

fn contains_within(document: &Json, part: &Json) -> bool {
    match (document, part) {
        (Json::Object(d), Json::Object(p)) => {
            p.iter().all(|(k, v)| d.get(k).is_some_and(|x| contains_within(x, v)))
        }
        (Json::Array(d), Json::Array(p)) => {
            p.iter().all(|v| d.iter().any(|x| contains_within(x, v)))
        }
        (d, p) => same(d, p),
    }
}

/// Equality of primitives; numbers by value.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(x), Json::Number(y)) => {
            x == y || x.as_f64().zip(y.as_f64()).is_some_and(|(x, y)| x == y)
        }
        (a, b) => !a.is_object() && !a.is_array() && a == b,
    }
}

/// `document ? key`
fn has_key(document: &Json, key: &str) -> bool {
    match document {
        Json::Object(o) => o.contains_key(key),
        Json::Array(items) => items.iter().any(|i| i.as_str() == Some(key)),
        Json::String(s) => s == key,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn like_as_postgres_has_it() {
        for (text, pattern, expected) in [
            ("", "", true),
            ("", "%", true),
            ("abc", "a%", true),
            ("abc", "%c", true),
            ("abc", "_b_", true),
            ("abc", "a_", false),
            ("aXbXc", "%X%X%", true),
            ("mississippi", "%iss%ip%", true),
            ("a%c", r"a\%c", true),
            ("abc", r"a\%c", false),
            ("ABC", "abc", false),
            ("é", "_", true),
        ] {
            assert_eq!(like(text, pattern), Ok(expected), "{text} LIKE {pattern}");
        }
        assert!(like("a", "a\\").is_err());
    }

    #[test]
    fn similar_becomes_a_regex() {
        let matches = |text: &str, pattern: &str| {
            Regex::new(&similar(pattern)).is_ok_and(|r| r.is_match(text))
        };
        assert!(matches("abc", "a(b|x)%"));
        assert!(!matches("abc", "b"));
        assert!(matches("a.c", "a.c"));
        assert!(!matches("abc", "a.c"));
        assert!(matches("aab", "a{2}[a-c]"));
    }

    #[test]
    fn containment() {
        for (a, b, expected) in [
            (json!({"a": 1, "b": 2}), json!({"a": 1}), true),
            (json!({"a": 1}), json!({"a": 2}), false),
            (json!([1, 2, [1, 3]]), json!([[1]]), true),
            (json!(["foo", "bar"]), json!("bar"), true),
            (json!("bar"), json!(["bar"]), false),
            (json!([{"a": [1]}]), json!([{"a": []}]), true),
            (json!(1.0), json!(1), true),
        ] {
            assert_eq!(contains(&a, &b), expected, "{a} @> {b}");
        }
    }
}
