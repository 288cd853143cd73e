//! What is asked of a service.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::RemoteError;

/// Which kind of operation a document's chosen operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Reads; may be repeated.
    Query,
    /// Writes; is never repeated once it may have been sent.
    Mutation,
    /// Gives any number of results.
    Subscription,
}

/// An operation for a service. Equal operations are equal in every byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operation {
    kind: Kind,
    query: Arc<str>,
    operation_name: Option<Arc<str>>,
    variables: Option<Bytes>,
    extensions: Option<Bytes>,
}

impl Operation {
    /// An operation without name, variables and extensions.
    pub fn new(kind: Kind, query: impl Into<Arc<str>>) -> Self {
        Self { kind, query: query.into(), operation_name: None, variables: None, extensions: None }
    }

    /// Names the operation of the document.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.operation_name = Some(name.into());
        self
    }

    /// Adds variables: a JSON object as text.
    ///
    /// # Errors
    /// [`RemoteError::Request`] if it is none.
    pub fn with_variables(mut self, variables: Bytes) -> Result<Self, RemoteError> {
        self.variables = Some(object(variables, "the variables")?);
        Ok(self)
    }

    /// Adds extensions: a JSON object as text.
    ///
    /// # Errors
    /// [`RemoteError::Request`] if it is none.
    pub fn with_extensions(mut self, extensions: Bytes) -> Result<Self, RemoteError> {
        self.extensions = Some(object(extensions, "the extensions")?);
        Ok(self)
    }

    /// The kind of operation.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The request as JSON: the body of a POST, the payload of `subscribe`.
    ///
    /// # Errors
    /// [`RemoteError::Request`], which parts that were checked before never cause.
    pub fn to_json(&self) -> Result<Bytes, RemoteError> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Request<'a> {
            query: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            operation_name: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            variables: Option<&'a RawValue>,
            #[serde(skip_serializing_if = "Option::is_none")]
            extensions: Option<&'a RawValue>,
        }
        let raw = |bytes: &'_ Option<Bytes>| -> Result<Option<Box<RawValue>>, RemoteError> {
            bytes.as_deref().map(serde_json::from_slice).transpose().map_err(RemoteError::request)
        };
        let (variables, extensions) = (raw(&self.variables)?, raw(&self.extensions)?);
        let request = Request {
            query: &self.query,
            operation_name: self.operation_name.as_deref(),
            variables: variables.as_deref(),
            extensions: extensions.as_deref(),
        };
        serde_json::to_vec(&request).map(Bytes::from).map_err(RemoteError::request)
    }

    /// The request as a query string (GraphQL over HTTP, "GET").
    pub(crate) fn to_query_string(&self) -> String {
        let mut text = String::from("query=");
        percent_encode(self.query.as_bytes(), &mut text);
        let parts = [
            ("operationName", self.operation_name.as_deref().map(str::as_bytes)),
            ("variables", self.variables.as_deref()),
            ("extensions", self.extensions.as_deref()),
        ];
        for (name, value) in parts {
            if let Some(value) = value {
                text.push('&');
                text.push_str(name);
                text.push('=');
                percent_encode(value, &mut text);
            }
        }
        text
    }
}

/// RFC 3986, section 2.3: what is unreserved stays as it is.
fn percent_encode(bytes: &[u8], text: &mut String) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(*byte));
            }
            _ => {
                let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
                text.push('%');
                text.push(digit(byte >> 4));
                text.push(digit(byte & 15));
            }
        }
    }
}

/// A text that is a JSON object; `what` names it.
pub(crate) fn object(text: Bytes, what: &str) -> Result<Bytes, RemoteError> {
    match serde_json::from_slice::<&RawValue>(&text) {
        Ok(raw) if raw.get().starts_with('{') => Ok(text),
        _ => Err(RemoteError::request(format_args!("{what} must be a JSON object"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use artesian_protocol::http::decode_get;

    use super::*;

    fn example() -> Operation {
        Operation::new(Kind::Query, "query Q($x: Int) { a(x: $x) } # \"é\" & + %")
            .with_name("Q")
            .with_variables(Bytes::from_static(br#"{ "x": 1.50 }"#))
            .unwrap()
    }

    #[test]
    fn json() {
        let json = example().to_json().unwrap();
        let expected = r##"{"query":"query Q($x: Int) { a(x: $x) } # \"é\" & + %","operationName":"Q","variables":{ "x": 1.50 }}"##;
        assert_eq!(json, expected);
        let bare = Operation::new(Kind::Mutation, "mutation { a }").to_json().unwrap();
        assert_eq!(bare, r#"{"query":"mutation { a }"}"#);
    }

    #[test]
    fn our_server_reads_the_query_string() {
        let operation = example().with_extensions(Bytes::from_static(b"{\"a\":[]}")).unwrap();
        let read = decode_get(&operation.to_query_string()).unwrap();
        assert_eq!(read.query.as_deref(), Some(&*operation.query));
        assert_eq!(read.operation_name.as_deref(), Some("Q"));
        assert_eq!(serde_json::to_string(&read.variables).unwrap(), r#"{"x":1.50}"#);
        assert!(read.extensions.unwrap().contains_key("a"));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "[]", "null", "{", "{} {}", "\"{}\"", "{\"a\":\"\u{1}\"}"] {
            let operation = Operation::new(Kind::Query, "{ a }");
            let refused = operation.with_variables(Bytes::copy_from_slice(text.as_bytes()));
            assert!(matches!(refused, Err(RemoteError::Request(_))), "{text}");
        }
    }
}
