//! Values of the reference executor.

use apollo_compiler::{Name, Node, ast::Value as Literal};
use serde_json::{Map, Value, json};

/// A number that depends on all parts.
pub fn hash(parts: &[&str]) -> u64 {
    // FNV-1a with a final mix.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in part.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash ^= hash >> 29;
    hash = hash.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash ^ (hash >> 32)
}

/// A literal as JSON; `None` for a variable that has no value.
pub fn literal(value: &Literal, variables: &Map<String, Value>) -> Option<Value> {
    Some(match value {
        Literal::Null => Value::Null,
        Literal::Enum(name) => json!(name.as_str()),
        Literal::Variable(name) => variables.get(name.as_str())?.clone(),
        Literal::String(text) => json!(text),
        Literal::Float(float) => serde_json::from_str(float.as_str()).unwrap(),
        Literal::Int(int) => serde_json::from_str(int.as_str()).unwrap(),
        Literal::Boolean(value) => json!(value),
        Literal::List(items) => {
            items.iter().map(|v| literal(v, variables).unwrap_or_default()).collect()
        }
        Literal::Object(fields) => {
            let member = |(name, value): &(Name, Node<Literal>)| {
                Some((name.to_string(), literal(value, variables)?))
            };
            Value::Object(fields.iter().filter_map(member).collect())
        }
    })
}
