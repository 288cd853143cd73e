//! What we add to responses that pass through.

use bytes::Bytes;
use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::Response;

impl Response {
    /// The same with `true` as the member `marker` of `extensions.artesian`, such as
    /// `{"artesian":{"resumed":true}}` in the first result after [`Event::Resumed`](crate::Event::Resumed).
    /// `data` and `errors` are copied and not read; of `extensions` the top level is. What else the
    /// response has at its top level, which the specification does not allow (section 7.1), is left out.
    #[must_use]
    pub fn with_marker(&self, marker: &str) -> Self {
        let parts = [&self.data, &self.errors, &self.extensions];
        let size: usize = parts.into_iter().flatten().map(Bytes::len).sum();
        let mut text = Vec::with_capacity(size.saturating_add(marker.len()).saturating_add(80));
        let mut put = |name: &str, value: &[u8]| {
            text.extend_from_slice(if text.is_empty() { b"{\"" } else { b",\"" });
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(b"\":");
            let start = text.len();
            text.extend_from_slice(value);
            start..text.len()
        };
        let data = self.data.as_deref().map(|data| put("data", data));
        let errors = self.errors.as_deref().map(|errors| put("errors", errors));
        let extensions = put("extensions", &marked(self.extensions.as_deref(), marker));
        text.push(b'}');
        let text = Bytes::from(text);
        Self {
            data: data.map(|range| text.slice(range)),
            errors: errors.map(|range| text.slice(range)),
            extensions: Some(text.slice(extensions)),
            text,
        }
    }
}

/// The members of an object, in their order.
#[derive(Default)]
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

/// These extensions with a marker of ours. A service that is Artesian itself may have put some there.
fn marked(extensions: Option<&[u8]>, marker: &str) -> Vec<u8> {
    const OURS: &str = "artesian";
    let mut ours = Object::default();
    let extensions = extensions.and_then(|text| serde_json::from_slice(text).ok());
    let Object(mut members) = extensions.unwrap_or_default();
    members.retain(|(name, value)| {
        if name == OURS {
            ours = serde_json::from_str(value.get()).unwrap_or_default();
        }
        name != OURS
    });
    ours.0.retain(|(name, _)| name != marker);
    let mut text = vec![b'{'];
    let put = |text: &mut Vec<u8>, name: &str, value: &[u8]| {
        if !text.ends_with(b"{") {
            text.push(b',');
        }
        text.extend_from_slice(serde_json::Value::from(name).to_string().as_bytes());
        text.push(b':');
        text.extend_from_slice(value);
    };
    for (name, value) in members {
        put(&mut text, &name, value.get().as_bytes());
    }
    put(&mut text, OURS, b"{");
    for (name, value) in ours.0 {
        put(&mut text, &name, value.get().as_bytes());
    }
    put(&mut text, marker, b"true");
    text.extend_from_slice(b"}}");
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> Response {
        Response::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn markers() {
        for (before, after) in [
            (
                r#"{"data":{"n": 1.50}}"#,
                r#"{"data":{"n": 1.50},"extensions":{"artesian":{"resumed":true}}}"#,
            ),
            (
                r#"{"extensions":null,"errors":[{"message":"}"}],"data":null,"x":1}"#,
                r#"{"data":null,"errors":[{"message":"}"}],"extensions":{"artesian":{"resumed":true}}}"#,
            ),
            (
                r#"{"errors":[{}],"extensions":{ }}"#,
                r#"{"errors":[{}],"extensions":{"artesian":{"resumed":true}}}"#,
            ),
            (
                r#"{"extensions":{"a\"":[1.0],"b":{}},"data":{}}"#,
                r#"{"data":{},"extensions":{"a\"":[1.0],"b":{},"artesian":{"resumed":true}}}"#,
            ),
            // A service that is Artesian itself.
            (
                r#"{"data":{},"extensions":{"artesian":{"resumed":false,"x":1},"z":2}}"#,
                r#"{"data":{},"extensions":{"z":2,"artesian":{"x":1,"resumed":true}}}"#,
            ),
            (
                r#"{"data":{},"extensions":{"artesian":7}}"#,
                r#"{"data":{},"extensions":{"artesian":{"resumed":true}}}"#,
            ),
        ] {
            let marked = parse(before).with_marker("resumed");
            assert_eq!(marked.text, after);
            assert_eq!(parse(after), marked, "the parts are those of the text");
            assert_eq!(marked.with_marker("resumed").text, after, "once is enough");
        }
        let other = parse(r#"{"data":{}}"#).with_marker("a\"b").with_marker("c");
        assert_eq!(other.extensions.unwrap(), r#"{"artesian":{"a\"b":true,"c":true}}"#);
    }
}
