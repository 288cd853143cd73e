//! From HTTP to a [`GraphQLRequest`] (GraphQL over HTTP, sections "GET" and "POST").

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::media;
use super::request::{GraphQLRequest, Parameter, RequestError};
use crate::json;

/// Why a request cannot be executed, with what the reply needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The body's media type or charset is not supported: 415.
    #[error("{0}")]
    UnsupportedMediaType(&'static str),
    /// The body is compressed: 415.
    #[error("unsupported content-encoding: send the body as it is")]
    UnsupportedEncoding,
    /// The request itself is wrong: 400, or 422 for a well-formed JSON of the wrong shape in
    /// [`StatusProfile::Spec`](super::StatusProfile::Spec).
    #[error(transparent)]
    Request(#[from] RequestError),
    /// No response type that we can produce is acceptable: 406.
    #[error("none of the media types in the Accept header can be produced")]
    NotAcceptable,
    /// The method is neither GET nor POST: 405.
    #[error("the method is not supported: use POST or GET")]
    MethodNotAllowed,
    /// A GET request asked for a mutation (section "GET": must not): 405.
    #[error("mutations are not allowed over GET: use POST")]
    MutationOverGet,
    /// The request could have been sent by a foreign web page: 403, see
    /// [`CsrfRule`](super::CsrfRule).
    #[error(
        "this request could have been forged by another site: send `content-type: application/json` \
         or a non-empty `graphql-require-preflight` header"
    )]
    PossibleForgery,
}

impl HttpError {
    /// A stable code for `extensions.code`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnsupportedMediaType(_) | Self::UnsupportedEncoding => "UNSUPPORTED_MEDIA_TYPE",
            Self::Request(RequestError::Batch) => "BATCH_NOT_SUPPORTED",
            Self::Request(_) => "BAD_REQUEST",
            Self::NotAcceptable => "NOT_ACCEPTABLE",
            Self::MethodNotAllowed | Self::MutationOverGet => "METHOD_NOT_ALLOWED",
            Self::PossibleForgery => "POSSIBLE_CSRF",
        }
    }

    /// The body of the reply: `{"errors":[…]}`.
    pub fn body(&self) -> Bytes {
        let error = json::coded_error(&self.to_string(), self.code());
        Bytes::from(format!("{{\"errors\":[{error}]}}"))
    }

    /// Headers that belong to the reply (`Allow` with 405: RFC 9110, section 15.5.6;
    /// `Accept-Encoding` with 415: section 15.5.16).
    pub fn headers(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::MethodNotAllowed => &[("allow", "GET, POST")],
            Self::MutationOverGet => &[("allow", "POST")],
            // RFC 9110, section 12.5.3: what a request's body may be encoded with.
            Self::UnsupportedEncoding => &[("accept-encoding", "identity")],
            _ => &[],
        }
    }
}

/// Decodes a POST request. Only `application/json` in UTF-8 is supported.
pub fn decode_post(content_type: Option<&str>, body: &[u8]) -> Result<GraphQLRequest, HttpError> {
    check_content_type(content_type)?;
    Ok(GraphQLRequest::from_json(body)?)
}

/// Checks the type of a body, which can be done before it is read.
pub fn check_content_type(content_type: Option<&str>) -> Result<(), HttpError> {
    let Some(content_type) = content_type.and_then(media::parse) else {
        return Err(HttpError::UnsupportedMediaType(
            "the content-type header must be application/json",
        ));
    };
    if !content_type.is("application", "json") {
        return Err(HttpError::UnsupportedMediaType(
            "unsupported content-type: send application/json",
        ));
    }
    match content_type.parameter("charset") {
        None => {}
        Some(charset) if charset.eq_ignore_ascii_case("utf-8") => {}
        Some(charset) if charset.eq_ignore_ascii_case("utf8") => {}
        Some(_) => {
            return Err(HttpError::UnsupportedMediaType("unsupported charset: send UTF-8"));
        }
    }
    Ok(())
}

/// Checks the values of all `Content-Encoding` headers. Nothing is decompressed, so there is no
/// limit that could be passed by it (CVE-2024-28101).
pub fn check_content_encoding<'a>(
    values: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(), HttpError> {
    let plain = |coding: &[u8]| {
        let coding = coding.trim_ascii();
        coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
    };
    let all_plain = values.into_iter().all(|value| value.split(|b| *b == b',').all(plain));
    if all_plain { Ok(()) } else { Err(HttpError::UnsupportedEncoding) }
}

/// The first parameter of that name in a query string without its leading `?`; `None` if it is not
/// there, is empty, or is not properly encoded.
pub fn query_parameter(query_string: &str, name: &str) -> Option<String> {
    let pairs = query_string.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs
        .filter(|(given, _)| percent_decode(given).is_ok_and(|given| given == name))
        .map(|(_, value)| value)
        .next()?;
    percent_decode(value).ok().filter(|value| !value.is_empty())
}

/// All parameters of a query string without its leading `?`, decoded, in their order.
///
/// # Errors
/// If one is not properly encoded.
pub fn query_parameters(query_string: &str) -> Result<Vec<(String, String)>, RequestError> {
    let pairs = query_string.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((percent_decode(name)?, percent_decode(value)?))
        })
        .collect()
}

/// Decodes the query string of a GET request, without its leading `?`. `variables` and `extensions`
/// are JSON. An empty `operationName`, `variables` or `extensions` counts as absent.
pub fn decode_get(query_string: &str) -> Result<GraphQLRequest, HttpError> {
    let mut request = GraphQLRequest::default();
    let mut seen = [false; 5];
    let mut id = None;
    for pair in query_string.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // What is not ours need not be well-formed.
        let Ok(name) = percent_decode(name) else {
            continue;
        };
        let (at, parameter) = match name.as_str() {
            "query" => (0, Parameter::Query),
            "operationName" => (1, Parameter::OperationName),
            "variables" => (2, Parameter::Variables),
            "extensions" => (3, Parameter::Extensions),
            "documentId" => (4, Parameter::DocumentId),
            "id" => {
                id = percent_decode(value).ok();
                continue;
            }
            _ => continue,
        };
        if let Some(seen) = seen.get_mut(at)
            && std::mem::replace(seen, true)
        {
            return Err(RequestError::Duplicate(parameter).into());
        }
        let value = percent_decode(value)?;
        match parameter {
            Parameter::Query => request.query = Some(value),
            Parameter::DocumentId => request.document_id = Some(value),
            Parameter::OperationName => {
                request.operation_name = Some(value).filter(|v| !v.is_empty());
            }
            Parameter::Variables => request.variables = map(&value, parameter)?,
            Parameter::Extensions => request.extensions = map(&value, parameter)?,
        }
    }
    Ok(request.checked(id)?)
}

fn map(text: &str, parameter: Parameter) -> Result<Option<Map<String, Value>>, RequestError> {
    if text.is_empty() {
        return Ok(None);
    }
    let malformed = |e: serde_json::Error| RequestError::ParameterJson(parameter, e.to_string());
    let raw: &RawValue = serde_json::from_str(text).map_err(malformed)?;
    serde_json::from_str(raw.get()).map_err(|error| {
        // Nested too deeply, or half of a surrogate pair.
        if error.is_data() { RequestError::WrongType(parameter) } else { malformed(error) }
    })
}

/// `application/x-www-form-urlencoded` (WHATWG URL, section 5.1), but strict: a malformed escape
/// and invalid UTF-8 are errors.
fn percent_decode(text: &str) -> Result<String, RequestError> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => plain.push(b' '),
            b'%' => {
                let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
                let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
                    return Err(RequestError::BadEscape);
                };
                plain.push((high * 16 + low) as u8);
            }
            _ => plain.push(byte),
        }
    }
    String::from_utf8(plain).map_err(|_| RequestError::BadEscape)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const BODY: &[u8] = br#"{"query":"{a}"}"#;

    #[test]
    fn all_parameters_are_given_in_their_order() {
        let found = query_parameters("user=a%26b+c&&role&user=%C3%A9").unwrap();
        let expected = [("user", "a&b c"), ("role", ""), ("user", "é")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(query_parameters("").unwrap(), []);
        for bad in ["a=%", "a=%4", "%zz=1", "a=%ff"] {
            assert_eq!(query_parameters(bad), Err(RequestError::BadEscape), "{bad}");
        }
    }

    #[test]
    fn content_types() {
        for good in [
            "application/json",
            "APPLICATION/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json; charset=utf8; x=y",
        ] {
            assert!(decode_post(Some(good), BODY).is_ok(), "{good}");
        }
        for bad in [
            None,
            Some(""),
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("multipart/form-data; boundary=x"),
            Some("application/graphql"),
            Some("application/json; charset=utf-16"),
            Some("application/json; charset=iso-8859-1"),
        ] {
            let error = decode_post(bad, BODY).unwrap_err();
            assert!(matches!(error, HttpError::UnsupportedMediaType(_)), "{bad:?}");
        }
    }

    #[test]
    fn query_strings() {
        let request = decode_get(
            "query=query+Q%28%24n%3AInt%29%7Ba%7D&variables=%7B%22n%22%3A1%7D&operationName=Q&x=%zz&extensions=",
        )
        .unwrap();
        assert_eq!(request.query.as_deref(), Some("query Q($n:Int){a}"));
        assert_eq!(request.operation_name.as_deref(), Some("Q"));
        assert_eq!(request.variables.unwrap().len(), 1);
        assert!(request.extensions.is_none());

        use Parameter::*;
        let rows = [
            ("", RequestError::MissingQuery),
            ("query=a&query=b", RequestError::Duplicate(Query)),
            ("query=a&variables=[]", RequestError::WrongType(Variables)),
            ("query=a&extensions=1", RequestError::WrongType(Extensions)),
            ("query=%", RequestError::BadEscape),
            ("query=%4", RequestError::BadEscape),
            ("query=%+1", RequestError::BadEscape),
            ("query=%ff", RequestError::BadEscape),
        ];
        for (text, error) in rows {
            assert_eq!(decode_get(text), Err(HttpError::Request(error)), "{text}");
        }
        let deep = format!("query=a&variables={{%22a%22:{}1{}}}", "[".repeat(200), "]".repeat(200));
        for text in ["query=a&variables={", "query=a&variables={%22a%22:%22\\ud800%22}", &deep] {
            let error = decode_get(text);
            let Err(HttpError::Request(RequestError::ParameterJson(Variables, _))) = error else {
                panic!("{text}: {error:?}")
            };
        }
        assert!(decode_get("query=a&variables=null").unwrap().variables.is_none());
    }

    #[test]
    fn content_encodings() {
        let check = |values: &[&str]| check_content_encoding(values.iter().map(|v| v.as_bytes()));
        for good in [&[][..], &[""], &["identity"], &["Identity", " identity , identity"]] {
            assert_eq!(check(good), Ok(()), "{good:?}");
        }
        for bad in [&["gzip"][..], &["identity", "br"], &["identity, gzip"], &["x-unknown"]] {
            assert_eq!(check(bad), Err(HttpError::UnsupportedEncoding), "{bad:?}");
        }
    }

    #[test]
    fn single_parameters() {
        let rows = [
            ("token=a", Some("a")),
            ("x=1&token=a%20b&token=c", Some("a b")),
            ("t%6Fken=a", Some("a")),
            ("token=", None),
            ("token", None),
            ("tokens=a", None),
            ("token=%zz", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(query_parameter(text, "token").as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn bodies_are_json() {
        for error in [
            HttpError::NotAcceptable,
            HttpError::PossibleForgery,
            HttpError::MutationOverGet,
            HttpError::Request(RequestError::MalformedJson("\"quote\"".into())),
        ] {
            let body: Value = serde_json::from_slice(&error.body()).unwrap();
            assert_eq!(body["errors"][0]["message"], error.to_string());
            assert_eq!(body["errors"][0]["extensions"]["code"], error.code());
        }
        assert_eq!(HttpError::MutationOverGet.headers(), [("allow", "POST")]);
    }
}
