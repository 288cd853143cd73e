//! The rules of docs/protocols.md, "Bytes": what goes in and out, byte by byte.

use crate::support::{TestServer, start};

/// A response as it came, without chunks.
struct Answer {
    status: u16,
    /// Lines of the head in lower case.
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let found = self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found.unwrap_or_default()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

async fn ask(server: &TestServer, head: &str, body: &[u8]) -> Answer {
    let head = format!("{head}\r\nHost: localhost\r\nConnection: close\r\n");
    let length = match head.starts_with("POST") {
        true => format!("Content-Length: {}\r\n\r\n", body.len()),
        false => "\r\n".to_owned(),
    };
    let answer = server.raw(&[head.as_bytes(), length.as_bytes(), body].concat()).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let head = head.to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = match head.contains("transfer-encoding: chunked") {
        true => dechunk(body.as_bytes()),
        false => body.as_bytes().to_vec(),
    };
    Answer { status, head, body }
}

fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        rest = &rest[end + 2..];
        body.extend_from_slice(&rest[..size]);
        assert_eq!(&rest[size..size + 2], b"\r\n");
        rest = &rest[size + 2..];
        if size == 0 {
            assert!(rest.is_empty());
            return body;
        }
    }
}

const POST: &str = "POST /graphql HTTP/1.1";
const JSON: &str = "Content-Type: application/json";
const IDENTITY: &[u8] = br#"{"query":"raw x"}"#;
const RESULT: &str = "{\"data\":0}";

#[tokio::test]
async fn what_goes_in() {
    let server = start().await;
    let body = std::str::from_utf8(IDENTITY).unwrap();
    let typed = |media: &str| format!("{POST}\r\nContent-Type: {media}");
    let json = typed("application/json");
    let with = |line: &str| format!("{json}\r\n{line}");
    let get = |query: &str| format!("GET /graphql?{query} HTTP/1.1");
    let variables = br#"{"query":"variables","variables":{"a":"1"},"extensions":{"x":{}},"y":[1]}"#;
    let bom = [b"\xef\xbb\xbf", IDENTITY].concat();
    let utf16: Vec<u8> = body.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let both = with(JSON);
    let rows: Vec<(String, &[u8], u16, &str)> = vec![
        // Types and charsets. Nothing is decoded but UTF-8 (CVE-2026-23897).
        (json.clone(), IDENTITY, 200, RESULT),
        (typed("Application/JSON ; Charset=\"UTF-8\""), IDENTITY, 200, RESULT),
        (typed("application/json;charset=utf8"), IDENTITY, 200, RESULT),
        (typed("application/json;charset="), IDENTITY, 415, "invalid-headers"),
        (typed("application/json;charset=utf-16"), &utf16, 415, "invalid-headers"),
        (typed("application/json;charset=utf-7"), IDENTITY, 415, "invalid-headers"),
        (typed("application/json;charset=utf-32le"), IDENTITY, 415, "invalid-headers"),
        (typed("application/json;charset=shift_jis"), IDENTITY, 415, "invalid-headers"),
        (typed("application/json;charset=iso-8859-1"), IDENTITY, 415, "invalid-headers"),
        (typed("application/json;charset=x-user-defined"), IDENTITY, 415, "invalid-headers"),
        (typed("application/json;charset"), IDENTITY, 415, "invalid-headers"),
        (json.clone(), &utf16, 400, "invalid-json"),
        (POST.to_owned(), IDENTITY, 415, "invalid-headers"),
        (typed(""), IDENTITY, 415, "invalid-headers"),
        (both, IDENTITY, 415, "invalid-headers"),
        (with("Content-Type: text/plain"), IDENTITY, 415, "invalid-headers"),
        (typed("application/graphql"), b"raw x", 415, "invalid-headers"),
        (typed("application/graphql-response+json"), IDENTITY, 415, "invalid-headers"),
        (typed("application/json-patch+json"), IDENTITY, 415, "invalid-headers"),
        (typed("text/json"), IDENTITY, 415, "invalid-headers"),
        (typed("application/x-www-form-urlencoded"), b"query=raw+x", 415, "invalid-headers"),
        (typed("multipart/form-data; boundary=x"), b"--x--", 415, "invalid-headers"),
        // Codings.
        (with("Content-Encoding: identity"), IDENTITY, 200, RESULT),
        (with("Content-Encoding: gzip"), b"\x1f\x8b", 415, "invalid-headers"),
        (with("Content-Encoding: zstd"), IDENTITY, 415, "invalid-headers"),
        // Bodies.
        (json.clone(), &bom, 200, RESULT),
        (json.clone(), b"", 400, "invalid-json"),
        (json.clone(), b"\xef\xbb\xbf", 400, "invalid-json"),
        (json.clone(), b" \r\n\t", 400, "invalid-json"),
        (json.clone(), b"\"raw x\"", 400, "parse-failed"),
        (json.clone(), b"null", 400, "parse-failed"),
        (json.clone(), b"raw x", 400, "invalid-json"),
        (json.clone(), b"{\"query\":\"raw x\",\"query\":\"raw y\"}", 400, "parse-failed"),
        (json.clone(), b"{\"query\":\"raw x\"}{}", 400, "invalid-json"),
        (json.clone(), b"{\"query\":\"raw x\",}", 400, "invalid-json"),
        (json.clone(), b"{'query':'raw x'}", 400, "invalid-json"),
        (json.clone(), variables, 200, "{\"variables\":{\"a\":\"1\"}"),
        (json.clone(), b"{\"query\":\"raw x\",\"variables\":\"{}\"}", 400, "parse-failed"),
        (json.clone(), b"{\"query\":\"raw x\",\"extensions\":[]}", 400, "parse-failed"),
        (
            json.clone(),
            b"{\"query\":\"raw x\",\"variables\":null,\"operationName\":null}",
            200,
            RESULT,
        ),
        // What the URL of a POST says does not count.
        (json.replace("/graphql", "/graphql?query=mutation&variables=1"), IDENTITY, 200, RESULT),
        // GET: variables and extensions are JSON in their parameters.
        (get("query=raw+x"), b"", 200, RESULT),
        (get("query=raw%20x&variables=&extensions=%7B%7D&operationName="), b"", 200, RESULT),
        (
            get("query=variables&variables=%7B%22a%22:%221%22%7D"),
            b"",
            200,
            "{\"variables\":{\"a\":\"1\"}",
        ),
        (get("query=raw+x&variables=%22%7B%7D%22"), b"", 400, "parse-failed"),
        (get("query=raw+x&variables=a"), b"", 400, "parse-failed"),
        (get("query=raw+x&query=raw+x"), b"", 400, "parse-failed"),
        (get("query=raw+x%ff"), b"", 400, "parse-failed"),
        (get("query=raw+x&other=%ff&&="), b"", 200, RESULT),
        (get("QUERY=raw+x"), b"", 400, "parse-failed"),
        (get(""), b"", 400, "parse-failed"),
        (format!("{}\r\n{JSON}", get("query=raw+x")), b"", 200, RESULT),
        (
            format!("{}\r\nContent-Type: text/plain", get("query=raw+x")),
            b"",
            415,
            "invalid-headers",
        ),
    ];
    for (head, body, status, expected) in rows {
        let answer = ask(&server, &head, body).await;
        let shown = format!("{head} {:?}: {:?}", String::from_utf8_lossy(body), answer.text());
        assert_eq!(answer.status, status, "{shown}");
        assert!(answer.text().contains(expected), "{shown}");
        assert_eq!(answer.header("content-type"), "application/json; charset=utf-8", "{shown}");
    }
    // What a body may be encoded with is told (RFC 9110, section 12.5.3).
    let packed = ask(&server, &with("Content-Encoding: br"), b"").await;
    assert_eq!(packed.header("accept-encoding"), "identity");
}

#[tokio::test]
async fn methods() {
    let server = start().await;
    let rows = [
        ("GET /graphql?query=mutation HTTP/1.1", 405, "post"),
        ("HEAD /graphql?query=raw HTTP/1.1", 405, "get, post, options"),
        ("PUT /graphql HTTP/1.1", 405, "get, post, options"),
        ("OPTIONS /graphql HTTP/1.1", 204, "get, post, options"),
        ("OPTIONS /v1/graphql HTTP/1.1\r\nOrigin: https://a.b", 204, "get, post, options"),
        ("OPTIONS /graphql/stream HTTP/1.1", 204, "get, post, put, delete, options"),
        ("PATCH /v1/graphql/stream HTTP/1.1", 405, "get, post, put, delete, options"),
        ("HEAD /graphql/stream HTTP/1.1", 405, "get, post, put, delete, options"),
    ];
    for (head, status, allow) in rows {
        let answer = ask(&server, head, b"").await;
        assert_eq!((answer.status, answer.header("allow")), (status, allow), "{head}");
        assert_eq!(head.starts_with("HEAD") || status == 204, answer.body.is_empty(), "{head}");
    }
    assert_eq!(server.fake.log(), Vec::<String>::new());
}

#[tokio::test]
async fn what_comes_out() {
    let server = start().await;
    // White space of results is not ours.
    server.fake.publish("odd", "{\"data\":\r\n0}");
    let sse = "text/event-stream";
    let parts = "multipart/mixed;subscriptionSpec=1.0";
    let part =
        |json: &str| format!("\r\n--graphql\r\ncontent-type: application/json\r\n\r\n{json}");
    let end = "\r\n--graphql--\r\n";
    let rows = [
        ("raw odd", "application/json", "{\"data\":\r\n0}".to_owned()),
        // Lines end with LF, the JSON is one line, `complete` has an empty `data`.
        (
            "raw odd",
            sse,
            ":\n\nevent: next\ndata: {\"data\":  0}\n\nevent: complete\ndata:\n\n".into(),
        ),
        (
            "events 2",
            sse,
            ":\n\nevent: next\ndata: {\"data\":1}\n\nevent: next\ndata: {\"data\":2}\n\n\
             event: complete\ndata:\n\n"
                .into(),
        ),
        ("events 0", sse, ":\n\nevent: complete\ndata:\n\n".into()),
        // No heartbeat first, `application/json`, a closing boundary.
        ("events 1", parts, part("{\"payload\":{\"data\":1}}") + end),
        (
            "events 2",
            parts,
            part("{\"payload\":{\"data\":1}}") + &part("{\"payload\":{\"data\":2}}") + end,
        ),
        ("events 0", parts, end.to_owned()),
        ("raw x", parts, part("{\"payload\":{\"data\":0}}") + end),
    ];
    for (query, accept, expected) in rows {
        let body = serde_json::json!({ "query": query }).to_string();
        let head = format!("{POST}\r\n{JSON}\r\nAccept: {accept}\r\nAccept-Encoding: gzip, br");
        let answer = ask(&server, &head, body.as_bytes()).await;
        assert_eq!((answer.status, answer.text()), (200, expected.as_str()), "{query} {accept}");
        // Compressed streams have been swallowed by proxies that wait for a block.
        assert_eq!(answer.header("content-encoding"), "", "{}", answer.head);
        let (media, cache, buffering) = match accept {
            "application/json" => ("application/json; charset=utf-8", "no-store", ""),
            _ if accept == sse => ("text/event-stream", "no-cache, no-transform", "no"),
            _ => (
                "multipart/mixed;boundary=\"graphql\";subscriptionspec=1.0",
                "no-cache, no-transform",
                "no",
            ),
        };
        assert_eq!(answer.header("content-type"), media);
        assert_eq!(answer.header("cache-control"), cache);
        assert_eq!(answer.header("x-accel-buffering"), buffering);
    }
}

#[tokio::test]
async fn weights_of_accept() {
    let server = start().await;
    let (plain, new) = ("application/json", "application/graphql-response+json");
    let (sse, parts) = ("text/event-stream", "multipart/mixed");
    let spec = "multipart/mixed;subscriptionSpec=1.0";
    // (Accept, type of a query's answer, type of a subscription's answer)
    let rows: Vec<(String, &str, &str)> = vec![
        ("*/*".into(), plain, plain),
        (format!("{plain};q=0.5, {new}"), new, new),
        (format!("{plain}, {new};q=0.5"), plain, plain),
        (format!("{plain};q=0, */*"), new, new),
        (format!("{new};q=0.000, application/*"), plain, plain),
        (format!("{sse};q=0.1, {plain};q=0.9"), plain, sse),
        (format!("{sse}, {spec}"), sse, sse),
        (format!("{sse};q=0.8, {spec};q=0.9, {plain};q=0.1"), plain, parts),
        (format!("{sse};q=0, {spec}"), parts, parts),
        // A malformed weight counts as none at all.
        (format!("{plain};q=nonsense"), plain, plain),
    ];
    for (accept, single, stream) in rows {
        for (query, expected) in [("raw x", single), ("events 1", stream)] {
            let body = serde_json::json!({ "query": query }).to_string();
            let head = format!("{POST}\r\n{JSON}\r\nAccept: {accept}");
            let answer = ask(&server, &head, body.as_bytes()).await;
            let media = answer.header("content-type").split(';').next();
            assert_eq!(media, Some(expected), "{query} {accept}");
        }
    }
    for accept in [format!("{plain};q=0"), "*/*;q=0".into(), "image/*".into(), "multipart/*".into()]
    {
        let head = format!("{POST}\r\n{JSON}\r\nAccept: {accept}");
        assert_eq!(ask(&server, &head, IDENTITY).await.status, 406, "{accept}");
    }
}
