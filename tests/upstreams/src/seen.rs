//! What the service was told of a client.

use serde_json::Value;

use crate::wire::Request;

/// The word for nothing.
pub const NOTHING: &str = "-";

/// What the service was told of a client with one operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Headers of the request, upgrade or stream.
    pub headers: Vec<(String, String)>,
    /// The payload of `connection_init`.
    pub init: Value,
    /// The payload in the extension `connectionInit` of the operation.
    pub operation: Value,
}

impl Seen {
    /// What a request tells.
    pub fn of(request: &Request) -> Self {
        Self { headers: request.headers.clone(), init: Value::Null, operation: Value::Null }
    }

    /// The values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Everything by which clients are told apart: the header `authorization` as often as it is there,
    /// `token` of the payload of `connection_init`, and that of the operation.
    pub fn who(&self) -> String {
        let header = match self.all("authorization") {
            none if none.is_empty() => NOTHING.to_owned(),
            some => some.join(","),
        };
        who(&header, token(&self.init), token(&self.operation))
    }
}

/// The name of who is known by these.
pub fn who(header: &str, init: &str, operation: &str) -> String {
    format!("{header}|{init}|{operation}")
}

/// The token in a payload.
pub fn token(payload: &Value) -> &str {
    payload["token"].as_str().unwrap_or(NOTHING)
}
