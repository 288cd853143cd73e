//! The GraphQL request that all transports share (GraphQL over HTTP, "Request Parameters";
//! GraphQL over WebSocket, `subscribe`).

use serde::Deserialize;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// A GraphQL request as a client sent it. Unknown members are ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphQLRequest {
    /// The document. Absent only where `documentId` or `extensions.persistedQuery` stands in for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The name of a document that the server knows (GraphQL over HTTP, "Persisted Documents"). Some
    /// clients call it `id`, which counts if nothing else tells the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_id: Option<String>,
    /// Which operation of the document to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_name: Option<String>,
    /// Values of the variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variables: Option<Map<String, Value>>,
    /// Anything beyond the specification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Map<String, Value>>,
}

/// The parameters of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// `query`
    Query,
    /// `documentId`
    DocumentId,
    /// `operationName`
    OperationName,
    /// `variables`
    Variables,
    /// `extensions`
    Extensions,
}

impl Parameter {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::DocumentId => "documentId",
            Self::OperationName => "operationName",
            Self::Variables => "variables",
            Self::Extensions => "extensions",
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Query => "a string",
            Self::DocumentId | Self::OperationName => "a string or null",
            Self::Variables | Self::Extensions => "an object or null",
        }
    }
}

/// What is wrong with a request's shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The text is not UTF-8.
    #[error("the request is not valid UTF-8")]
    InvalidUtf8,
    /// The text is not JSON.
    #[error("the request is not valid JSON: {0}")]
    MalformedJson(String),
    /// A list of requests.
    #[error("batches of requests are not served here: send one request as a JSON object")]
    Batch,
    /// A list of more requests than are served at once.
    #[error("the batch has more than {0} requests")]
    BatchTooLong(usize),
    /// A list without requests.
    #[error("the batch has no requests")]
    EmptyBatch,
    /// A request of a list is wrong; the first has number 1.
    #[error("request {0} of the batch: {1}")]
    InBatch(usize, Box<RequestError>),
    /// JSON, but no object.
    #[error("the request must be a JSON object")]
    NotAnObject,
    /// No document.
    #[error("`query` is missing")]
    MissingQuery,
    /// A parameter has the wrong type.
    #[error("`{}` must be {}", .0.as_str(), .0.expected())]
    WrongType(Parameter),
    /// A parameter is given as text that should be JSON but is not (GET), is nested
    /// too deeply, or contains half of a surrogate pair.
    #[error("`{}` is not valid JSON: {}", .0.as_str(), .1)]
    ParameterJson(Parameter, String),
    /// A parameter is given twice.
    #[error("`{}` is given more than once", .0.as_str())]
    Duplicate(Parameter),
    /// An escape sequence of the query string is malformed (GET only).
    #[error("the query string is not properly percent-encoded UTF-8")]
    BadEscape,
}

#[derive(Deserialize)]
#[serde(expecting = "a GraphQL request")]
struct Raw<'a> {
    #[serde(borrow, default)]
    query: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "documentId")]
    document_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "operationName")]
    operation_name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    variables: Option<&'a RawValue>,
    #[serde(borrow, default)]
    extensions: Option<&'a RawValue>,
}

impl GraphQLRequest {
    /// Decodes a request from JSON.
    pub fn from_json(text: &[u8]) -> Result<Self, RequestError> {
        let text = std::str::from_utf8(text).map_err(|_| RequestError::InvalidUtf8)?;
        // RFC 8259, section 8.1: a byte order mark may be ignored.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let malformed = |error: serde_json::Error| RequestError::MalformedJson(error.to_string());
        if !text.trim_ascii_start().starts_with('{') {
            // Tells valid JSON of another kind from no JSON.
            let raw: &RawValue = serde_json::from_str(text).map_err(malformed)?;
            return Err(if raw.get().starts_with('[') {
                RequestError::Batch
            } else {
                RequestError::NotAnObject
            });
        }
        let raw: Raw<'_> = serde_json::from_str(text).map_err(|error| match duplicate(&error) {
            Some(parameter) => RequestError::Duplicate(parameter),
            None => malformed(error),
        })?;
        // Whatever else `id` may mean to a client, only a text can be the name of a document.
        let id = raw.id.and_then(|id| serde_json::from_str(id.get()).ok());
        Self {
            query: optional(raw.query, Parameter::Query)?,
            document_id: optional(raw.document_id, Parameter::DocumentId)?,
            operation_name: optional(raw.operation_name, Parameter::OperationName)?,
            variables: optional(raw.variables, Parameter::Variables)?,
            extensions: optional(raw.extensions, Parameter::Extensions)?,
        }
        .checked(id)
    }

    /// The document must be there, or something that names it.
    pub(super) fn checked(mut self, id: Option<String>) -> Result<Self, RequestError> {
        let persisted = self
            .extensions
            .as_ref()
            .is_some_and(|extensions| extensions.contains_key("persistedQuery"));
        if self.query.is_some() || self.document_id.is_some() || persisted {
            return Ok(self);
        }
        self.document_id = id;
        if self.document_id.is_some() { Ok(self) } else { Err(RequestError::MissingQuery) }
    }
}

fn duplicate(error: &serde_json::Error) -> Option<Parameter> {
    let text = error.to_string();
    [
        Parameter::Query,
        Parameter::DocumentId,
        Parameter::OperationName,
        Parameter::Variables,
        Parameter::Extensions,
    ]
    .into_iter()
    .find(|p| text.starts_with(&format!("duplicate field `{}`", p.as_str())))
}

fn optional<'a, T: Deserialize<'a>>(
    raw: Option<&'a RawValue>,
    parameter: Parameter,
) -> Result<Option<T>, RequestError> {
    let Some(raw) = raw else {
        return Ok(None);
    };
    serde_json::from_str(raw.get()).map_err(|error| {
        if error.is_data() {
            RequestError::WrongType(parameter)
        } else {
            // Nested too deeply, or half of a surrogate pair.
            RequestError::ParameterJson(parameter, error.to_string())
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_full_request() {
        let request = GraphQLRequest::from_json(
            br#" {"query":"{a}","operationName":"A","variables":{"n":1.50,"b":12345678901234567890123},
                "extensions":{"x":1},"unknown":[1]}"#,
        )
        .unwrap();
        assert_eq!(request.query.as_deref(), Some("{a}"));
        assert_eq!(request.operation_name.as_deref(), Some("A"));
        // Numbers keep their text.
        let variables = serde_json::to_string(&request.variables.unwrap()).unwrap();
        assert_eq!(variables, r#"{"n":1.50,"b":12345678901234567890123}"#);
        assert_eq!(request.extensions.unwrap().len(), 1);
    }

    #[test]
    fn nulls_are_absent_and_persisted_queries_need_no_document() {
        let request = GraphQLRequest::from_json(
            br#"{"query":"{a}","operationName":null,"variables":null,"extensions":null}"#,
        )
        .unwrap();
        assert!(request.variables.is_none() && request.extensions.is_none());
        let persisted = br#"{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}"#;
        assert!(GraphQLRequest::from_json(persisted).unwrap().query.is_none());
    }

    #[test]
    fn documents_have_names() {
        let id = |text: &str| GraphQLRequest::from_json(text.as_bytes()).map(|r| r.document_id);
        let name = Ok(Some("a".to_owned()));
        assert_eq!(id(r#"{"documentId":"a"}"#), name);
        assert_eq!(id(r#"{"documentId":"a","id":"b","query":null}"#), name);
        assert_eq!(id(r#"{"id":"a"}"#), name);
        // `id` is anything to a client that sends its document.
        assert_eq!(id(r#"{"id":"a","query":"{a}"}"#), Ok(None));
        assert_eq!(id(r#"{"id":7,"query":"{a}"}"#), Ok(None));
        assert_eq!(id(r#"{"id":7}"#), Err(RequestError::MissingQuery));
        let wrong = Err(RequestError::WrongType(Parameter::DocumentId));
        assert_eq!(id(r#"{"documentId":7,"query":"{a}"}"#), wrong);
    }

    #[test]
    fn precise_errors() {
        use Parameter::*;
        use RequestError::*;
        let rows: &[(&[u8], RequestError)] = &[
            (b"[{\"query\":\"{a}\"}]", Batch),
            (b"\"x\"", NotAnObject),
            (b"null", NotAnObject),
            (b"17", NotAnObject),
            (b"{}", MissingQuery),
            (b"{\"query\":null}", MissingQuery),
            (b"{\"qeury\":\"{a}\"}", MissingQuery),
            (b"{\"query\":{}}", WrongType(Query)),
            (b"{\"query\":0}", WrongType(Query)),
            (b"{\"query\":false}", WrongType(Query)),
            (b"{\"query\":[\"a\"]}", WrongType(Query)),
            (b"{\"query\":\"{a}\",\"operationName\":0}", WrongType(OperationName)),
            (b"{\"query\":\"{a}\",\"variables\":\"s\"}", WrongType(Variables)),
            (b"{\"query\":\"{a}\",\"variables\":[]}", WrongType(Variables)),
            (b"{\"query\":\"{a}\",\"extensions\":false}", WrongType(Extensions)),
            (b"{\"query\":\"{a}\",\"query\":\"{b}\"}", Duplicate(Query)),
            (b"{\"query\":\"\xff\"}", InvalidUtf8),
        ];
        for (text, error) in rows {
            let text_shown = String::from_utf8_lossy(text);
            assert_eq!(GraphQLRequest::from_json(text).as_ref(), Err(error), "{text_shown}");
        }
        for text in ["", "{", "{ \"not a JSON", "{\"query\":\"{a}\"} x", "nope"] {
            let got = GraphQLRequest::from_json(text.as_bytes());
            assert!(matches!(got, Err(MalformedJson(_))), "{text}: {got:?}");
        }
        let deep = format!(
            r#"{{"query":"{{a}}","variables":{{"v":{}{}}}}}"#,
            "[".repeat(5000),
            "]".repeat(5000)
        );
        let surrogate = r#"{"query":"\ud800"}"#;
        for text in [deep.as_str(), surrogate] {
            let got = GraphQLRequest::from_json(text.as_bytes());
            assert!(matches!(got, Err(ParameterJson(..))), "{got:?}");
        }
        assert_eq!(
            WrongType(OperationName).to_string(),
            "`operationName` must be a string or null"
        );
    }
}
