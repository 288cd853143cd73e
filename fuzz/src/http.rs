//! GraphQL over HTTP: negotiation, decoding, the rule against forgery.
//!
//! * A request that was decoded is the same after it was written and decoded again.
//! * A type is chosen only if the client named it or a wildcard; `Accept` may be split.
//! * A stricter rule against forgery refuses what a laxer one does, and a GET with a foreign content
//!   type passes none.
//! * Refusals have a status of their kind and a body that is JSON.

use artesian_protocol::http::{
    Accepts, CsrfRule, GraphQLRequest, HttpError, JsonMedia, Media, StatusProfile, StreamMedia,
    decode_get, decode_post,
};
use serde_json::{Map, Value, json};

/// Head and body, with an empty line between. The first line is method, `?` and query string; the
/// others are headers.
pub fn run(input: &[u8]) {
    let at = input.windows(2).position(|pair| pair == b"\n\n").unwrap_or(input.len());
    let (head, body) = (&input[..at], input.get(at + 2..).unwrap_or_default());
    let Ok(head) = std::str::from_utf8(head) else {
        return;
    };
    let mut lines = head.split('\n');
    let (method, query) = lines.next().unwrap_or_default().split_once('?').unwrap_or(("GET", ""));
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
    let values = |name: &'static str| {
        headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    };
    accept(&values("accept").collect::<Vec<_>>());
    forgery(method, &headers);
    get(query);
    post(values("content-type").next(), body);
}

fn accept(values: &[&str]) {
    let accepts = Accepts::parse(values.iter().copied());
    let named = |word: &str| values.iter().any(|v| v.to_ascii_lowercase().contains(word));
    let blank = values.iter().all(|value| value.trim().is_empty());
    let (single, stream) = (accepts.for_single_result(), accepts.for_subscription());
    assert_eq!(accepts.is_empty(), single.is_none());
    match single {
        Some(Media::Json(JsonMedia::GraphqlResponseJson)) => {
            assert!(named("graphql-response+json") || named("*"));
        }
        Some(Media::Json(JsonMedia::ApplicationJson)) => {
            assert!(blank || named("json") || named("*"))
        }
        Some(Media::Stream(only)) => assert_eq!(Some(only), stream),
        None => assert_eq!(stream, None),
    }
    if let Some(Media::Json(media)) = single {
        assert_eq!(accepts.for_errors(), media);
    }
    match stream {
        Some(StreamMedia::EventStream) => assert!(blank || named("event-stream") || named("*")),
        Some(StreamMedia::Multipart) => assert!(named("multipart") && named("subscriptionspec")),
        None => {}
    }
    // RFC 9110, section 5.3: one list in several headers. Blank headers say nothing.
    let whole = values.join(",");
    if !whole.contains('"') && !blank {
        let parts = Accepts::parse(whole.split(',').filter(|part| !part.trim().is_empty()));
        if whole.split(',').any(|part| !part.trim().is_empty()) {
            assert_eq!(Accepts::parse([whole.as_str()]), parts);
            assert_eq!(accepts, parts);
        }
    }
}

fn forgery(method: &str, headers: &[(&str, &str)]) {
    let check = |rule: CsrfRule| {
        let result = rule.check(method, headers.iter().map(|(n, v)| (*n, v.as_bytes())));
        if let Err(error) = &result {
            refusal(error);
        }
        result.is_ok()
    };
    let (strict, post, off) =
        (check(CsrfRule::Strict), check(CsrfRule::PostOnly), check(CsrfRule::Off));
    assert!((!strict || post) && (!post || off), "a stricter rule lets more through");
    let simple = ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded"];
    let foreign = |(name, value): &(&str, &str)| {
        name.eq_ignore_ascii_case("content-type") && simple.contains(value)
    };
    if headers.iter().any(foreign) {
        assert!(method != "GET" || !off, "a GET with a foreign content type");
        let special = |(name, _): &(&str, &str)| {
            name.contains('-') && !name.eq_ignore_ascii_case("content-type")
        };
        assert!(!strict || headers.iter().any(special), "a simple request");
    }
}

fn get(query: &str) {
    let request = match decode_get(query) {
        Ok(request) => request,
        Err(error) => return refusal(&error),
    };
    complete(&request);
    let text = |map: &Option<Map<String, Value>>| {
        map.as_ref().map(|map| serde_json::to_string(map).expect("JSON"))
    };
    let pairs = [
        ("query", request.query.clone()),
        ("documentId", request.document_id.clone()),
        ("operationName", request.operation_name.clone()),
        ("variables", text(&request.variables)),
        ("extensions", text(&request.extensions)),
    ];
    let encoded: Vec<String> = pairs
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", percent_encode(&value?))))
        .collect();
    assert_eq!(decode_get(&encoded.join("&")).as_ref(), Ok(&request));
    // The same request in a body.
    assert_eq!(decode_post(Some("application/json"), &body(&request)), Ok(request));
}

fn post(content_type: Option<&str>, bytes: &[u8]) {
    match decode_post(content_type, bytes) {
        Ok(request) => {
            assert!(content_type.is_some_and(|t| t.to_ascii_lowercase().contains("json")));
            complete(&request);
            assert_eq!(decode_post(Some("application/json"), &body(&request)), Ok(request));
        }
        Err(error) => refusal(&error),
    }
}

/// There is something to run.
fn complete(request: &GraphQLRequest) {
    let persisted = || request.extensions.as_ref()?.get("persistedQuery");
    let named = request.document_id.is_some() || persisted().is_some();
    assert!(request.query.is_some() || named);
}

fn body(request: &GraphQLRequest) -> Vec<u8> {
    let GraphQLRequest { query, document_id, operation_name, variables, extensions } = request;
    let request = json!({
        "query": query, "documentId": document_id, "operationName": operation_name,
        "variables": variables, "extensions": extensions,
    });
    serde_json::to_vec(&request).expect("JSON")
}

fn refusal(error: &HttpError) {
    let body: Value = serde_json::from_slice(&error.body()).expect("JSON");
    assert_eq!(body["errors"][0]["extensions"]["code"], error.code());
    for profile in [StatusProfile::Hasura, StatusProfile::Spec] {
        let status = profile.error_status(error);
        assert!([400, 403, 405, 406, 415, 422].contains(&status), "{status}");
    }
}

fn percent_encode(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        _ => format!("%{byte:02x}"),
    };
    text.bytes().map(encode).collect()
}
