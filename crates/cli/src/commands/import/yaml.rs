//! A YAML document that is written, member by member in the order in which they were put.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::error::CliError;

/// A node of a YAML document.
#[derive(Clone, Debug, PartialEq)]
pub enum Yaml {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Number(u64),
    /// A text, as the settings reader is to see it: `${NAME}` stands for a variable.
    Text(String),
    /// A list.
    List(Vec<Yaml>),
    /// Members in their order.
    Map(Vec<(String, Yaml)>),
}

impl Yaml {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A list of texts.
    pub fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(Self::text).collect())
    }

    /// A map that is empty.
    pub fn map() -> Self {
        Self::Map(Vec::new())
    }

    /// Puts a value at a path of keys, making the maps on the way. What is there already is replaced.
    pub fn put(&mut self, path: &[&str], value: Self) {
        let Some((key, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self, Self::Map(_)) {
            *self = Self::map();
        }
        let Self::Map(members) = self else { return };
        if let Some((_, member)) = members.iter_mut().find(|(name, _)| name == key) {
            member.put(rest, value);
            return;
        }
        let mut member = Self::map();
        member.put(rest, value);
        members.push(((*key).to_owned(), member));
    }

    /// A member of a map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(members) = self else { return None };
        members.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The document's text.
    pub fn write(&self) -> Result<String, CliError> {
        // Keys and values keep their lines: a folded text would be another one to a careless reader.
        let options =
            serde_saphyr::ser_options! { folded_wrap_chars: 10_000, compact_list_indent: false };
        serde_saphyr::to_string_with_options(self, options)
            .map_err(|error| CliError::Failed(format!("the YAML cannot be written: {error}")))
    }
}

impl Serialize for Yaml {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Map(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

/// A text that means itself to the settings reader, in which a `$` before `{` or `$` is more.
pub fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn members_stand_in_their_order_and_texts_stay_texts() {
        let mut yaml = Yaml::map();
        yaml.put(&["server", "listen"], Yaml::text("127.0.0.1:8080"));
        yaml.put(&["a"], Yaml::texts(["yes", "12", "${X}", "{{claims.sub}}", "*", "a: b #c"]));
        yaml.put(&["server", "console"], Yaml::Flag(false));
        yaml.put(&["a b"], Yaml::text("type Query {\n  a: Int\n}\n"));
        let text = yaml.write().unwrap();
        let back: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "server": {"listen": "127.0.0.1:8080", "console": false},
            "a": ["yes", "12", "${X}", "{{claims.sub}}", "*", "a: b #c"],
            "a b": "type Query {\n  a: Int\n}\n",
        });
        assert_eq!(back, expected, "{text}");
        assert!(text.find("listen").unwrap() < text.find("console").unwrap(), "{text}");
        assert!(text.contains("|\n  type Query {"), "{text}");
    }

    #[test]
    fn dollars_are_doubled() {
        assert_eq!(literal("a$b${c}"), "a$$b$${c}");
    }
}
