//! A JSON document of which is known what has been read: what nobody asked for is told in the end.

use std::{cell::RefCell, collections::HashSet};

use serde_json::Value as Json;

/// Keys and indices on the way to a value. An index is written to the key before it: `targets[2]`.
pub type Path = Vec<String>;

/// A JSON document with the places that were read.
pub struct Document {
    /// The file's name, as the user gave it.
    pub file: String,
    json: Json,
    seen: RefCell<HashSet<Path>>,
}

impl Document {
    /// A document nothing of which has been read.
    pub fn new(file: impl Into<String>, json: Json) -> Self {
        Self { file: file.into(), json, seen: RefCell::default() }
    }

    /// The whole of it.
    pub fn root(&self) -> Cursor<'_> {
        Cursor { document: self, path: Path::new(), value: Some(&self.json) }
    }

    /// Everything that says something and was not read. What is empty, zero or `false` says nothing.
    pub fn leftovers(&self) -> Vec<Path> {
        let mut found = Vec::new();
        self.collect(true, &mut Path::new(), &self.json, &mut found);
        found
    }

    /// Everything that says something, read or not.
    pub fn everything(&self) -> Vec<Path> {
        let mut found = Vec::new();
        self.collect(false, &mut Path::new(), &self.json, &mut found);
        found
    }

    fn collect(&self, unread: bool, path: &mut Path, value: &Json, found: &mut Vec<Path>) {
        if unread && self.seen.borrow().contains(path) {
            return;
        }
        match value {
            Json::Object(members) => {
                for (key, value) in members {
                    path.push(key.clone());
                    self.collect(unread, path, value, found);
                    path.pop();
                }
            }
            Json::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    let mut path = indexed(path, index);
                    self.collect(unread, &mut path, value, found);
                }
            }
            value if says_something(value) => found.push(path.clone()),
            _ => {}
        }
    }
}

fn indexed(path: &Path, index: usize) -> Path {
    let mut path = path.clone();
    let last = path.pop().unwrap_or_default();
    path.push(format!("{last}[{index}]"));
    path
}

fn says_something(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => false,
        Json::Bool(true) => true,
        // The time zero of Go.
        Json::String(text) => !text.is_empty() && text != "0001-01-01T00:00:00Z",
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::Array(items) => !items.is_empty(),
        Json::Object(members) => !members.is_empty(),
    }
}

/// A place in a document, whether something is there or not.
#[derive(Clone)]
pub struct Cursor<'a> {
    document: &'a Document,
    path: Path,
    value: Option<&'a Json>,
}

impl<'a> Cursor<'a> {
    /// The place below by keys with points between them.
    pub fn at(&self, path: &str) -> Self {
        path.split('.').fold(self.clone(), |cursor, key| cursor.key(key))
    }

    /// The place below by one key.
    pub fn key(&self, key: &str) -> Self {
        let value = self.value.and_then(|value| value.get(key));
        let mut path = self.path.clone();
        path.push(key.to_owned());
        Self { document: self.document, path, value }
    }

    /// The file.
    pub fn file(&self) -> &'a str {
        &self.document.file
    }

    /// The way here, for people.
    pub fn path(&self) -> String {
        self.path.join(".")
    }

    /// What is here, without counting it as read.
    pub fn peek(&self) -> Option<&'a Json> {
        self.value.filter(|value| !value.is_null())
    }

    /// Whether something is here that says something.
    pub fn is_given(&self) -> bool {
        self.value.is_some_and(says_something)
    }

    /// Counts all that is here as read.
    pub fn take(&self) -> Option<&'a Json> {
        self.document.seen.borrow_mut().insert(self.path.clone());
        self.peek()
    }

    /// A text that is not empty.
    pub fn text(&self) -> Option<&'a str> {
        let text = self.value.and_then(Json::as_str).map(str::trim);
        if text.is_some() {
            self.take();
        }
        text.filter(|text| !text.is_empty())
    }

    /// A switch; `None` if it is not there.
    pub fn flag(&self) -> Option<bool> {
        let flag = self.value.and_then(Json::as_bool);
        if flag.is_some() {
            self.take();
        }
        flag
    }

    /// Whether a switch is on.
    pub fn is_on(&self) -> bool {
        self.flag() == Some(true)
    }

    /// A number.
    pub fn number(&self) -> Option<f64> {
        let number = self.value.and_then(Json::as_f64);
        if number.is_some() {
            self.take();
        }
        number
    }

    /// A number above zero.
    pub fn positive(&self) -> Option<f64> {
        self.number().filter(|number| *number > 0.0)
    }

    /// The items of a list.
    pub fn items(&self) -> Vec<Self> {
        let items = self.value.and_then(Json::as_array);
        let item = |(index, value): (usize, &'a Json)| Self {
            document: self.document,
            path: indexed(&self.path, index),
            value: Some(value),
        };
        items.into_iter().flatten().enumerate().map(item).collect()
    }

    /// The members of an object.
    pub fn members(&self) -> Vec<(&'a str, Self)> {
        let members = self.value.and_then(Json::as_object);
        members.into_iter().flatten().map(|(key, _)| (key.as_str(), self.key(key))).collect()
    }

    /// A list of texts; those that are none are left unread.
    pub fn texts(&self) -> Vec<&'a str> {
        self.items().iter().filter_map(Self::text).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_nobody_read_is_left_over() {
        let json = json!({
            "a": {"b": "x", "c": ["y", {"d": 1, "e": 0}], "f.g": true},
            "h": false, "i": "", "j": null, "k": {}, "l": 7, "m": "0001-01-01T00:00:00Z",
        });
        let document = Document::new("x.json", json);
        let root = document.root();
        assert_eq!(root.at("a.b").text(), Some("x"));
        assert_eq!(root.at("a.c").texts(), ["y"]);
        // Of another kind: it is not taken.
        assert_eq!(root.at("l").text(), None);
        assert_eq!(root.at("none.at.all").flag(), None);
        let left: Vec<String> = document.leftovers().iter().map(|path| path.join(".")).collect();
        assert_eq!(left, ["a.c[1].d", "a.f.g", "l"]);
        root.key("a").take();
        root.key("l").number();
        assert!(document.leftovers().is_empty());
        assert_eq!(document.everything().len(), 5);
    }
}
