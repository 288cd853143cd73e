//! From a parameter's text to the value that SQLite binds.

use artesian_database::BackendError;
use artesian_sql::{ParamType, ParamValue};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};

use crate::error::{datatype_mismatch, internal};

/// Binds every parameter of a prepared statement.
pub(crate) fn bind(
    statement: &mut rusqlite::Statement<'_>,
    types: &[ParamType],
    values: &[ParamValue],
) -> Result<(), BackendError> {
    if types.len() != values.len() {
        return Err(internal("a statement got a wrong number of parameter values"));
    }
    statement.clear_bindings();
    // A parameter that the statement does not mention has no place to be bound to.
    let places = statement.parameter_count();
    for (index, (ty, value)) in types.iter().zip(values).enumerate().take(places) {
        let bound = sql_value(&ty.name, value.as_deref())
            .map_err(|why| datatype_mismatch(format!("parameter {}: {why}", index + 1)))?;
        statement
            .raw_bind_parameter(index + 1, bound)
            .map_err(|e| crate::error::backend_error(&e))?;
    }
    Ok(())
}

/// The value, or what is wrong with it.
fn sql_value<'a>(ty: &str, text: Option<&'a str>) -> Result<ToSqlOutput<'a>, String> {
    let Some(text) = text else {
        return Ok(ToSqlOutput::Owned(Value::Null));
    };
    let owned = |value| Ok(ToSqlOutput::Owned(value));
    match ty {
        "TEXT" => Ok(borrowed(text)),
        "INTEGER" => {
            owned(Value::Integer(boolean(text).or_else(|| text.parse().ok()).ok_or_else(|| {
                if float(text).is_some_and(|f| f.fract() == 0.0) {
                    format!("\"{}\" is out of range for a 64-bit integer", shown(text))
                } else {
                    format!("\"{}\" is not an integer", shown(text))
                }
            })?))
        }
        "REAL" => owned(Value::Real(
            float(text).ok_or_else(|| format!("\"{}\" is not a number", shown(text)))?,
        )),
        "NUMERIC" => {
            if let Ok(integer) = text.parse() {
                owned(Value::Integer(integer))
            } else if let Some(real) = float(text) {
                owned(Value::Real(real))
            } else {
                Ok(borrowed(text))
            }
        }
        "BOOLEAN" => owned(Value::Integer(
            boolean(text).ok_or_else(|| format!("\"{}\" is not true or false", shown(text)))?,
        )),
        "BLOB" => owned(Value::Blob(
            bytes(text).ok_or_else(|| format!("\"{}\" is not hexadecimal", shown(text)))?,
        )),
        other => Err(format!("it has the type {other}, which SQLite does not know")),
    }
}

fn borrowed(text: &str) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()))
}

fn boolean(text: &str) -> Option<i64> {
    match text {
        "true" | "t" | "1" => Some(1),
        "false" | "f" | "0" => Some(0),
        _ => None,
    }
}

/// A finite number written with digits: Rust also reads `inf` and `nan`.
fn float(text: &str) -> Option<f64> {
    if !text.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|f: &f64| f.is_finite())
}

/// Hexadecimal, with or without PostgreSQL's `\x` before it.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x").unwrap_or(text).as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks_exact(2).map(|pair| hex_byte(pair[0], pair[1])).collect()
}

/// The byte that two hexadecimal digits stand for.
pub(crate) fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let nibble = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some(nibble(high)? << 4 | nibble(low)?)
}

/// A value for a message: not all of a long one.
fn shown(text: &str) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(ty: &str, text: &str) -> Result<Value, String> {
        sql_value(ty, Some(text)).map(|v| match v {
            ToSqlOutput::Owned(v) => v,
            ToSqlOutput::Borrowed(v) => v.try_into().unwrap(),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn values_are_bound_by_type() {
        assert_eq!(value("INTEGER", "-5"), Ok(Value::Integer(-5)));
        assert_eq!(value("INTEGER", "true"), Ok(Value::Integer(1)));
        assert_eq!(value("BOOLEAN", "false"), Ok(Value::Integer(0)));
        assert_eq!(value("REAL", "1e3"), Ok(Value::Real(1000.0)));
        assert_eq!(value("TEXT", "1"), Ok(Value::Text("1".into())));
        assert_eq!(value("BLOB", "\\x00fF"), Ok(Value::Blob(vec![0, 255])));
        assert_eq!(value("BLOB", ""), Ok(Value::Blob(vec![])));
        assert_eq!(value("NUMERIC", "7"), Ok(Value::Integer(7)));
        assert_eq!(value("NUMERIC", "7.5"), Ok(Value::Real(7.5)));
        assert_eq!(value("NUMERIC", "nan"), Ok(Value::Text("nan".into())));
    }

    #[test]
    fn wrong_values_are_named() {
        for (ty, text, message) in [
            ("INTEGER", "abc", "\"abc\" is not an integer"),
            ("INTEGER", "1.5", "\"1.5\" is not an integer"),
            (
                "INTEGER",
                "9223372036854775808",
                "\"9223372036854775808\" is out of range for a 64-bit integer",
            ),
            ("REAL", "inf", "\"inf\" is not a number"),
            ("BOOLEAN", "yes", "\"yes\" is not true or false"),
            ("BLOB", "0", "\"0\" is not hexadecimal"),
            ("BLOB", "+1", "\"+1\" is not hexadecimal"),
            ("DATE", "x", "it has the type DATE, which SQLite does not know"),
        ] {
            assert_eq!(value(ty, text), Err(message.to_owned()));
        }
    }
}
