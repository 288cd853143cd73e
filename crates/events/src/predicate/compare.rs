//! What is equal, and what comes first.
//!
//! Session variables, headers and GraphQL's `ID` are texts where a message has a number, and the other way
//! round, so a string and a number (or a boolean) are compared by what the string says, if it is exactly
//! a JSON number (or `true` or `false`). Numbers are compared exactly, whatever their size.

use std::cmp::Ordering;

use serde_json::Value;

use super::number::Decimal;

/// Whether two values are equal; unknown if one is `null`.
pub(super) fn equal(one: &Value, other: &Value) -> Option<bool> {
    match (one, other) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::String(text), Value::Bool(truth)) | (Value::Bool(truth), Value::String(text)) => {
            Some(text == if *truth { "true" } else { "false" })
        }
        _ => Some(same(one, other, true)),
    }
}

/// Equality within lists and objects, where nothing is converted and `null` is equal to itself. The depth
/// is that of the JSON text, which its parser limits.
fn same(one: &Value, other: &Value, converts: bool) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| same(one, other, false))
        }
        (Value::Object(one), Value::Object(other)) => {
            let is_there = |(name, value): (&String, &Value)| {
                other.get(name).is_some_and(|other| same(value, other, false))
            };
            one.len() == other.len() && one.iter().all(is_there)
        }
        (Value::String(one), Value::String(other)) => one == other,
        (Value::Number(_), Value::Number(_)) => order(one, other) == Some(Ordering::Equal),
        (Value::Number(_), Value::String(_)) | (Value::String(_), Value::Number(_)) => {
            converts && order(one, other) == Some(Ordering::Equal)
        }
        _ => one == other,
    }
}

/// Which of two values comes first: numbers by size, strings by code points. Unknown for all else.
pub(super) fn order(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        (Value::Number(_) | Value::String(_), Value::Number(_) | Value::String(_)) => {
            Some(number(one)?.cmp(&number(other)?))
        }
        _ => None,
    }
}

fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => Decimal::parse(&number.to_string()),
        Value::String(text) => Decimal::parse(text),
        _ => None,
    }
}
