//! Responses, as the text that they came as.

mod marker;

use bytes::Bytes;
use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::subscription::COPIED;

/// A GraphQL response. Its parts are slices of the text that arrived: they are checked to be
/// well-formed JSON once, and never taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The whole response: a JSON object.
    pub text: Bytes,
    /// `data`, which may be `null`; `None` if it is absent.
    pub data: Option<Bytes>,
    /// `errors`: a JSON array that is not empty.
    pub errors: Option<Bytes>,
    /// `extensions`, unless absent or `null`.
    pub extensions: Option<Bytes>,
}

/// Why a text is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoResponse {
    /// No JSON.
    NotJson,
    /// JSON without `data` and `errors`, or with parts of the wrong kind.
    NotGraphQL,
}

#[derive(Default)]
struct Members<'a> {
    data: Option<&'a RawValue>,
    errors: Option<&'a RawValue>,
    extensions: Option<&'a RawValue>,
    repeated: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Members::default();
                while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    let value: &'de RawValue = map.next_value()?;
                    let place = match &*name {
                        "data" => &mut members.data,
                        "errors" => &mut members.errors,
                        "extensions" => &mut members.extensions,
                        _ => continue,
                    };
                    // Readers differ in which one counts.
                    members.repeated |= place.replace(value).is_some();
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Read)
    }
}

impl Response {
    /// Reads a response, such as the payload of [`Event::Next`](crate::Event::Next). A byte order mark
    /// is left out. `null` and an empty list as `errors` count as absent. `None` if there is neither
    /// `data` nor `errors`, or the text is no JSON.
    pub fn parse(text: &Bytes) -> Option<Self> {
        Self::read(text).ok()
    }

    /// The same with the reason.
    pub(crate) fn read(text: &Bytes) -> Result<Self, NoResponse> {
        let text = match text.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) => text.slice_ref(rest),
            None => text.clone(),
        };
        let members: Members<'_> = serde_json::from_slice(&text).map_err(|error| {
            if error.is_data() { NoResponse::NotGraphQL } else { NoResponse::NotJson }
        })?;
        let is = |raw: &&RawValue, first| raw.get().starts_with(first);
        let errors = members.errors.filter(|raw| raw.get() != "null" && !is_empty_list(raw));
        let extensions = members.extensions.filter(|raw| raw.get() != "null");
        let malformed = members.repeated
            || errors.is_some_and(|raw| !is(&raw, '['))
            || extensions.is_some_and(|raw| !is(&raw, '{'))
            || members.data.is_some_and(|raw| raw.get() != "null" && !is(&raw, '{'))
            || members.data.is_none() && errors.is_none();
        if malformed {
            return Err(NoResponse::NotGraphQL);
        }
        let part = |raw: &RawValue| text.slice_ref(raw.get().as_bytes());
        Ok(Self {
            data: members.data.map(part),
            errors: errors.map(part),
            extensions: extensions.map(part),
            text: text.slice_ref(text.trim_ascii()),
        })
    }

    /// Whether there is a result, be it `null`: the operation was executed.
    pub fn is_executed(&self) -> bool {
        self.data.is_some()
    }

    /// The same in memory of its own if it is small, so that it does not keep the buffer alive that it
    /// was read into.
    pub(crate) fn compact(self) -> Self {
        if self.text.len() >= COPIED {
            return self;
        }
        let copy = Bytes::copy_from_slice(&self.text);
        let part = |part: Option<Bytes>| {
            let part = part?;
            let start = (part.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
            let end = start.checked_add(part.len()).filter(|end| *end <= copy.len());
            Some(end.map_or(part, |end| copy.slice(start..end)))
        };
        Self {
            data: part(self.data),
            errors: part(self.errors),
            extensions: part(self.extensions),
            text: copy,
        }
    }
}

fn is_empty_list(raw: &RawValue) -> bool {
    let inner = raw.get().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| inner.trim_ascii().is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> Result<Response, NoResponse> {
        Response::read(&Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn parts_are_slices() {
        let text = Bytes::from_static(
            b" {\"errors\":[{\"message\":\"x\"}], \"data\" : {\"n\": 1.50} ,\"extensions\":{\"a\":1},\"hasNext\":true}\n",
        );
        let response = Response::parse(&text).unwrap();
        assert_eq!(response.data.as_deref(), Some(&b"{\"n\": 1.50}"[..]));
        assert_eq!(response.errors.as_deref(), Some(&b"[{\"message\":\"x\"}]"[..]));
        assert_eq!(response.extensions.as_deref(), Some(&b"{\"a\":1}"[..]));
        assert!(response.text.starts_with(b"{") && response.text.ends_with(b"}"));
        let within = |part: &Bytes| {
            let start = text.as_ptr() as usize;
            (start..start + text.len()).contains(&(part.as_ptr() as usize))
        };
        assert!(within(response.data.as_ref().unwrap()) && within(&response.text));
    }

    #[test]
    fn what_is_kept_is_small() {
        let large = Bytes::from(vec![b' '; 100_000]);
        let mut buffer = large.to_vec();
        let text = br#"{"data":{"n":1},"errors":[{}],"extensions":{"a":1}}"#;
        buffer.extend_from_slice(text);
        let buffer = Bytes::from(buffer);
        let response = Response::parse(&buffer.slice(100_000..)).unwrap();
        let compact = response.clone().compact();
        assert_eq!(compact, response);
        drop(response);
        assert!(buffer.is_unique(), "nothing of the buffer is left");
        let response = Response::parse(&Bytes::from([&buffer[..9000], text].concat())).unwrap();
        assert_eq!(response.clone().compact(), response);
    }

    #[test]
    fn what_is_a_response() {
        for (text, executed) in [
            (r#"{"data":null}"#, true),
            (r#"{"data":{},"errors":null,"extensions":null}"#, true),
            (r#"{"data":{},"errors":[ ]}"#, true),
            (r#"{"errors":[{"message":"x"}]}"#, false),
            ("\u{feff}{\"data\":{}}", true),
            (r#"{"d\u0061ta":{}}"#, true),
        ] {
            assert_eq!(parse(text).unwrap().is_executed(), executed, "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        use NoResponse::*;
        for (text, error) in [
            ("", NotJson),
            ("<html>", NotJson),
            ("{\"data\":{}", NotJson),
            ("{\"data\":{}} x", NotJson),
            ("{\"data\":{\"a\":\"\u{1}\"}}", NotJson),
            ("{}", NotGraphQL),
            ("[]", NotGraphQL),
            ("null", NotGraphQL),
            ("{\"data\":1}", NotGraphQL),
            ("{\"error\":\"x\"}", NotGraphQL),
            ("{\"errors\":[]}", NotGraphQL),
            ("{\"errors\":\"x\",\"data\":{}}", NotGraphQL),
            ("{\"data\":{},\"data\":{}}", NotGraphQL),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
        assert_eq!(Response::read(&Bytes::from_static(b"{\"data\":{\"\xff\":1}}")), Err(NotJson));
    }
}
