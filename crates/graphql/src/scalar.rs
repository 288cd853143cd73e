//! Which values a scalar takes.
//!
//! The messages are those that Hasura's clients know, e.g. "expected a 32-bit integer for type
//! 'Int', but found a string".

use serde_json::Value as Json;

/// The rule by which values of a scalar are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScalarKind {
    /// A 32-bit integer.
    Int,
    /// A 32-bit integer that is not negative (`limit`).
    NonNegativeInt,
    /// A 64-bit integer that is not negative, as a number or a string (`offset`).
    NonNegativeBigInt,
    /// A 64-bit integer, as a number or a string.
    BigInt,
    /// A 64-bit integer, as a number only.
    Long,
    /// A number.
    Float,
    /// A number, or a string that the database takes for one.
    Numeric,
    /// Text.
    String,
    /// A truth value.
    Boolean,
    /// Text or an integer.
    Id,
    /// Any JSON value, kept as it is (`json`, `jsonb`).
    Json,
    /// A string; numbers and truth values are taken in their text form. The database checks the
    /// rest (`uuid`, `timestamptz`, …).
    Text,
}

impl ScalarKind {
    /// Checks a value (not null) for a type of that name. The message says what was expected and
    /// what was found.
    pub fn check(self, ty: &str, value: &Json) -> Result<(), String> {
        if self.accepts(value) {
            return Ok(());
        }
        Err(format!("expected {} for type '{ty}', but found {}", self.expected(), describe(value)))
    }

    fn accepts(self, value: &Json) -> bool {
        let whole = |n: &serde_json::Number| integer(&n.to_string());
        match (self, value) {
            (Self::Json, _)
            | (Self::Float, Json::Number(_))
            | (Self::Numeric, Json::Number(_) | Json::String(_))
            | (Self::BigInt | Self::String | Self::Id, Json::String(_))
            | (Self::Boolean, Json::Bool(_))
            | (Self::Text, Json::String(_) | Json::Number(_) | Json::Bool(_)) => true,
            (Self::Int, Json::Number(n)) => whole(n).is_some_and(fits_i32),
            (Self::NonNegativeInt, Json::Number(n)) => {
                whole(n).is_some_and(|i| i >= 0 && fits_i32(i))
            }
            (Self::NonNegativeBigInt, Json::Number(n)) => {
                whole(n).is_some_and(|i| i >= 0 && fits_i64(i))
            }
            (Self::NonNegativeBigInt, Json::String(s)) => s.parse::<i64>().is_ok_and(|i| i >= 0),
            (Self::BigInt | Self::Long, Json::Number(n)) => whole(n).is_some_and(fits_i64),
            (Self::Id, Json::Number(n)) => whole(n).is_some(),
            _ => false,
        }
    }

    /// What is expected, in words.
    pub fn expected(self) -> &'static str {
        match self {
            Self::Int => "a 32-bit integer",
            Self::NonNegativeInt => "a non-negative 32-bit integer",
            Self::NonNegativeBigInt => "a non-negative 64-bit integer",
            Self::BigInt | Self::Long => "a 64-bit integer",
            Self::Float => "a float",
            Self::Numeric => "a number",
            Self::String | Self::Text => "a string",
            Self::Boolean => "a boolean",
            Self::Id => "an ID",
            Self::Json => "a JSON value",
        }
    }
}

/// The integer that a JSON number's text stands for, `1.0` and `1e3` included.
fn integer(text: &str) -> Option<i128> {
    if let Ok(i) = text.parse::<i128>() {
        return Some(i);
    }
    let float: f64 = text.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "guarded: below 2^53 and whole")]
    (float.fract() == 0.0 && float.abs() < 9.0e15).then_some(float as i128)
}

fn fits_i32(i: i128) -> bool {
    i32::try_from(i).is_ok()
}

fn fits_i64(i: i128) -> bool {
    i64::try_from(i).is_ok()
}

/// What a JSON value is, in words.
pub fn describe(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(n) if n.to_string().contains(['.', 'e', 'E']) => "a float",
        Json::Number(_) => "an integer",
        Json::String(_) => "a string",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_are_not_negative_and_not_strings() {
        let kind = ScalarKind::NonNegativeInt;
        assert_eq!(kind.check("Int", &json!(3)), Ok(()));
        assert_eq!(
            kind.check("Int", &json!("3")),
            Err("expected a non-negative 32-bit integer for type 'Int', but found a string".into())
        );
        assert!(kind.check("Int", &json!(-1)).is_err());
        assert!(kind.check("Int", &json!(2_147_483_648_i64)).is_err());
    }

    #[test]
    fn whole_floats_are_integers() {
        assert_eq!(integer("1e3"), Some(1000));
        assert_eq!(integer("1.0"), Some(1));
        assert_eq!(integer("1.5"), None);
        assert_eq!(integer("170141183460469231731687303715884105728"), None);
        assert!(ScalarKind::Int.check("Int", &json!(1.5)).is_err());
    }
}
