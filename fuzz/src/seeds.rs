//! The first inputs of every target, made of our own tests: the scripts of the sessions, the
//! documents of the binder. `cargo run --example seeds` writes them to `corpus/`.

mod auth;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use artesian_protocol::Message;
use artesian_protocol::ws::{Opcode, OutFrame};

use crate::frames::{CLIENT, DEFLATE, SMALL};
use crate::graphql::SEPARATOR;

/// The most files of a target.
const MOST: usize = 56;

/// Target to inputs. `crates` is the workspace's folder of that name.
///
/// # Errors
/// A file of tests cannot be read.
pub fn all(crates: &Path) -> io::Result<BTreeMap<&'static str, Vec<Vec<u8>>>> {
    let read = |path: &str| std::fs::read_to_string(crates.join(path));
    let scripts = |files: &[&str], first: &str| -> io::Result<Vec<Vec<u8>>> {
        let mut all = Vec::new();
        let client = files.iter().all(|file| file.starts_with("client/"));
        let expected: &[&str] = if client { &CLIENT_EXPECTS } else { &SERVER_EXPECTS };
        for file in files {
            let text = read(&format!("protocol/tests/{file}"))?;
            all.extend(raw_strings(&text).iter().map(|script| inputs(first, script, expected)));
        }
        Ok(varied(all))
    };
    let mut client = scripts(&["client/transport_ws.rs"], "")?;
    client.extend(scripts(&["client/legacy.rs"], "legacy\n")?);
    client.truncate(MOST);
    Ok(BTreeMap::from([
        ("frames", frames()),
        (
            "server_transport_ws",
            scripts(
                &["transport_ws_scripts.rs", "compat_scripts.rs", "operation_init_scripts.rs"],
                "",
            )?,
        ),
        (
            "server_legacy",
            scripts(&["legacy_scripts.rs", "compat_scripts.rs", "operation_init_scripts.rs"], "")?,
        ),
        ("client", client),
        ("http", http()),
        ("origins", auth::origins()),
        ("credentials", auth::credentials()),
        ("tokens", auth::tokens()),
        ("streams", streams()),
        (
            "graphql",
            graphql(
                &read("graphql/tests/binding.rs")?,
                read("graphql/tests/introspection.graphql")?,
            ),
        ),
    ]))
}

// --- sessions -------------------------------------------------------------------------------------

/// The contents of all `r#"…"#` that span several lines.
fn raw_strings(text: &str) -> Vec<&str> {
    text.split("r#\"\n").skip(1).filter_map(|rest| Some(rest.split_once("\"#")?.0)).collect()
}

/// Words of the scripts that say what is expected.
const SERVER_EXPECTS: [&str; 8] =
    ["<", "auth", "again", "fresh", "start", "stop", "wsping", "close"];
const CLIENT_EXPECTS: [&str; 9] =
    ["<", "acked", "next", "error", "complete", "lost", "wsping", "close", "ignored"];

/// A script without what it expects.
fn inputs(first: &str, script: &str, expected: &[&str]) -> Vec<u8> {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty());
    let word = |line: &&str| line.split(' ').next().unwrap_or_default().to_owned();
    let lines: Vec<&str> = lines.filter(|line| !expected.contains(&&*word(line))).collect();
    format!("{first}{}", lines.join("\n")).into_bytes()
}

/// Those that have something that none before has: a pair of kinds of lines that follow each other.
fn varied(scripts: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let kind = |line: &str| -> String {
        // Names of members and types matter, ids and numbers do not.
        line.split('"').filter(|part| part.chars().all(|c| c.is_alphabetic() || c == '_')).collect()
    };
    let (mut seen, mut kept) = (BTreeSet::new(), Vec::new());
    for script in scripts {
        let text = String::from_utf8_lossy(&script).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let mut pairs: Vec<(String, String)> =
            lines.windows(2).map(|pair| (kind(pair[0]), kind(pair[1]))).collect();
        pairs.extend(lines.iter().map(|l| (l.split(' ').next().unwrap_or("").to_owned(), kind(l))));
        let before = seen.len();
        seen.extend(pairs);
        if seen.len() > before && kept.len() < MOST {
            kept.push(script);
        }
    }
    kept
}

// --- frames ---------------------------------------------------------------------------------------

fn frames() -> Vec<Vec<u8>> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let fin = 0x80;
    // A frame with any first byte, as a client or a server sends it.
    let frame = |client: bool, first: u8, payload: &[u8]| {
        let body = Message::whole(payload.to_vec());
        let frame =
            if client { OutFrame::masked(Opcode::Text, &body, KEY) } else { OutFrame::text(body) };
        let mut bytes = frame.to_bytes().to_vec();
        bytes[0] = first;
        bytes
    };
    let long = "ä水𝄞x".repeat(20);
    // "Hello", and twice (RFC 7692, sections 7.2.3.1 and 7.2.3.2).
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let twice = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x02, 0x13, 0x00, 0x00];
    let rows: Vec<Vec<(u8, &[u8])>> = vec![
        vec![(fin | 1, b"Hello"), (fin | 2, b"\xff\x00"), (fin | 8, b"\x03\xe8bye")],
        vec![(fin | 9, b"ping"), (fin | 10, b""), (fin | 8, b"")],
        vec![(1, b"Hel"), (fin | 9, b"p"), (0, b""), (fin, b"lo"), (fin | 1, b"next")],
        vec![(1, b"\xe6\xb0"), (fin, b"\xb4")],
        vec![(1, b"\xe6\xb0"), (fin, b"a")],
        vec![(2, b"\xe6\xb0"), (fin, b"a")],
        vec![(fin | 1, b"\xed\xa0\x80")],
        vec![(fin | 1, b"\xf4\x90\x80\x80")],
        vec![(fin | 1, &long.as_bytes()[..125])],
        vec![(fin | 1, long.as_bytes()), (fin | 9, &[7; 125])],
        vec![(1, long.as_bytes()), (fin, long.as_bytes())],
        vec![(1, b"a"), (0, b"b"), (0, b"c"), (0, b"d"), (fin, b"e")],
        vec![(fin | 8, b"\x03")],
        vec![(fin | 8, b"\x03\xed"), (fin | 1, b"after")],
        vec![(fin | 8, b"\x0b\xb8\xff")],
        vec![(fin, b"")],
        vec![(1, b"a"), (fin | 1, b"b")],
        vec![(fin | 0x40 | 1, b"rsv")],
        vec![(fin | 3, b"")],
        vec![(9, b"fragmented")],
        vec![(fin | 0x40 | 1, &hello), (fin | 1, b"plain"), (fin | 0x40 | 2, &twice)],
        vec![(0x40 | 2, &hello[..3]), (fin | 9, b"p"), (fin, &hello[3..])],
        vec![(fin | 0x40 | 1, b"\x00\x05\x00\xfa\xffHello\x00")],
    ];
    let mut all = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        let deflate = if row.iter().any(|(first, _)| first & 0x40 != 0) { DEFLATE } else { 0 };
        for (client, flags) in [(true, 0), (false, CLIENT)] {
            let small = if i % 2 == 1 { SMALL } else { 0 };
            let mut input = vec![flags | deflate | small, (i * 7) as u8];
            row.iter().for_each(|(first, payload)| input.extend(frame(client, *first, payload)));
            all.push(input);
        }
    }
    // Lengths that are too long, or not in their shortest form.
    for head in [
        &[0x82, 126, 0, 125][..],
        &[0x82, 127, 0, 0, 0, 0, 0, 0, 255, 255],
        &[0x82, 127, 0, 0, 0, 0, 0, 16, 0, 0],
        &[0x82, 127, 0, 0, 0, 0, 0, 16, 0, 1],
        &[0x82, 127, 128, 0, 0, 0, 0, 0, 0, 0],
    ] {
        all.push([&[CLIENT, 1][..], head].concat());
    }
    all
}

// --- streams --------------------------------------------------------------------------------------

fn streams() -> Vec<Vec<u8>> {
    const EVENTS: [&str; 9] = [
        ":\n\nevent: next\ndata: {\"data\":{}}\n\nevent: complete\ndata:\n\n",
        "event: next\r\ndata: {}\r\n\r\nevent: complete\r\n\r\n",
        "event: next\rdata: {}\r\revent: complete\rdata\r\r",
        "\u{feff}data: 1\ndata:2\ndata\n\n",
        "retry: 250\nid: 7\nunknown: 1\ndata : x\n\n",
        "event: a\nevent: b\n\ndata: \n\n\n\n",
        "data: 0123456789012345678901234567890123456789012345678901234567\n\n",
        "data: 01234567890123456789012345678901234567890123456789012345678\n\n",
        "data: 0123456789012345678901234567890\ndata: 012345678901234567890123456789012\n\n",
    ];
    const PARTS: [&str; 10] = [
        "\r\n--b\r\ncontent-type: application/json\r\n\r\n{\"payload\":{}}\r\n--b--\r\n",
        "--b\n\n{\"a\":\"}\\\"\"}\n--b\n\n{}\n\n--b--",
        "preamble\r\n--b \t\r\n\r\n{\n \"a\": 1\n} junk\r\n--b--epilogue",
        "--b\r\n\r\n{\"a\":\"x\r\n--b\r\n\r\n<html>\r\n--b\r\n\r\n[1]\r\n--b--",
        "--b\r\n\r\n--b\r\n\r\n\r\n--b\r\n{}\r\n--b--",
        "--b\r\n\r\n1\r\n--bb",
        "--b-x",
        "--b\r\n\r\n{\"a\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}",
        "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0",
        "multipart/mixed; x=\"a;b\"; boundary=c",
    ];
    let events = EVENTS.iter().map(|text| [&[0, 7], text.as_bytes()].concat());
    events.chain(PARTS.iter().map(|text| [&[1, 5], text.as_bytes()].concat())).collect()
}

// --- HTTP -----------------------------------------------------------------------------------------

fn http() -> Vec<Vec<u8>> {
    const ACCEPTS: [&str; 14] = [
        "*/*",
        "application/json",
        "application/graphql-response+json, application/json;q=0.9",
        "application/graphql-response+json;charset=utf-8, application/json;charset=utf-8",
        "text/event-stream",
        "application/graphql-response+json, application/graphql+json, application/json, \
         text/event-stream, multipart/mixed",
        "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json",
        "multipart/mixed;boundary=\"graphql\";subscriptionSpec=\"1.0\", application/json;q=0",
        "multipart/mixed;deferSpec=20220824,application/graphql-response+json,application/json",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
        "application/*;q=0.5, text/*;q=0.501, application/json;q=0",
        "*/*;q=0, text/event-stream;q=0.001",
        "application/json;profile=\"a,b;c=\\\"d\\\"\";q=1.000",
        ", ,application/json;,;q=",
    ];
    const BODIES: [&str; 9] = [
        r#"{"documentId":"sha256:ab","id":"x","variables":{}}"#,
        r#"{"query":"{a}"}"#,
        r#" {"query":"query A($n:Int){a}","operationName":"A","variables":{"n":1.50,"b":12345678901234567890},"extensions":{"x":null},"more":[1]}"#,
        r#"{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}"#,
        r#"[{"query":"{a}"}]"#,
        r#"{"query":7,"variables":[]}"#,
        r#"{"query":"{a}","query":"{b}"}"#,
        r#"{"query":"\ud834\udd1e \ud800"}"#,
        "\u{feff}{\"query\":\"{a}\",\"variables\":null}",
    ];
    const QUERIES: [&str; 8] = [
        "documentId=sha256%3Aab&id=x",
        "query=%7Ba%7D",
        "query=query+Q(%24n:Int)%7Ba%7D&variables=%7B%22n%22%3A1%7D&operationName=Q&x=%zz&extensions=",
        "query=a&query=b",
        "query=a&variables=[]&extensions={",
        "query=%f",
        "query=%ff",
        "extensions=%7B%22persistedQuery%22:%7B%22version%22:1%7D%7D&operationName=",
    ];
    const HEADERS: [&str; 7] = [
        "content-type: application/json",
        "content-type: application/json; charset=\"UTF-8\"",
        "content-type: text/plain\nGraphQL-Require-Preflight: 1",
        "content-type: application/x-www-form-urlencoded",
        "content-type: application/json\ncontent-type: text/plain",
        "sec-fetch-site: same-origin\norigin: https://a.example",
        "x-apollo-operation-name: A\napollo-require-preflight: ",
    ];
    let of = |list: &[&'static str], i: usize| list[i % list.len()];
    (0..42)
        .map(|i| {
            let method = if i % 3 == 0 { "POST" } else { "GET" };
            let (query, accept) = (of(&QUERIES, i), of(&ACCEPTS, i));
            let (headers, body) = (of(&HEADERS, i + i / 7), of(&BODIES, i));
            format!("{method}?{query}\naccept: {accept}\n{headers}\n\n{body}").into_bytes()
        })
        .collect()
}

// --- GraphQL --------------------------------------------------------------------------------------

/// The documents in the binder's tests, and a few with variables.
fn graphql(tests: &str, introspection: String) -> Vec<Vec<u8>> {
    let mut documents = BTreeSet::new();
    for literal in tests.split('"').map(|part| part.trim_end_matches('\\')) {
        let begins = ["{ ", "query", "subscription ", "fragment ", "mutation "];
        if begins.iter().any(|b| literal.starts_with(b)) && literal.ends_with('}') {
            documents.insert(literal.to_owned());
        }
    }
    let step = documents.len().div_ceil(MOST - 6).max(1);
    let mut all: Vec<String> = documents.into_iter().step_by(step).collect();
    for (query, variables) in [
        ("query ($x: Int = 5) { author(limit: $x) { id } }", r#"{"x":7}"#),
        (
            "query ($w: author_bool_exp) { author(where: $w) { id others { id } } }",
            r#"{"w":{"_and":[{"id":{"_in":[1,2]}},{"_not":{"id":{"_colour":"red"}}}]}}"#,
        ),
        (
            "query ($i: [Int!], $b: Boolean!) { author(where: {id: {_in: $i}}) { id @skip(if: $b) } }",
            r#"{"i":[1],"b":true}"#,
        ),
        (
            "query a { author { ...f ... on author { name } } } fragment f on author { friends(limit: 1) { id } }",
            "{}",
        ),
        ("{ author(where: {id: {_json: {a: [1, \"\"\"b\"\"\", {c: null}]}}}) { x: id } }", "null"),
    ] {
        all.push(format!("{query}{SEPARATOR}{variables}"));
    }
    all.push(introspection);
    all.into_iter().map(String::into_bytes).collect()
}
