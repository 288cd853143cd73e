//! `query`, `schema`, `explain`, `check`, and help.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
};

use super::support::{Running, Scratch};

fn with_database<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [args, &["--database-url", "sqlite:shop.db"]].concat()
}

#[test]
fn every_command_has_help_with_examples() {
    let scratch = Scratch::new();
    let root = scratch.run(&["--help"]);
    assert_eq!(root.code, Some(0));
    for command in ["serve", "demo", "check", "schema", "query", "subscribe", "explain", "import"] {
        assert!(root.out.contains(&format!("\n  {command} ")), "{command}: {}", root.out);
        let help = scratch.run(&[command, "--help"]);
        assert_eq!(help.code, Some(0));
        assert!(help.out.contains("Examples:\n  "), "{command}");
        assert!(help.out.contains(&format!("artesian {command}")), "{command}");
    }
    assert_eq!(scratch.run(&[]).code, Some(2));
    let misspelt = scratch.run(&["serv"]);
    assert_eq!(misspelt.code, Some(2));
    assert!(misspelt.err.contains("'serve'"), "{}", misspelt.err);
    assert!(scratch.run(&["--version"]).out.starts_with("artesian "));
}

#[test]
fn a_query_runs_without_a_server() {
    let shop = Scratch::with_shop();
    let ended = shop.run(&with_database(&["query", "{ author_by_pk(id: 1) { name } }"]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.out, "{\"data\":{\"author_by_pk\":{\"name\":\"Ann\"}}}\n");

    shop.write(
        "q.graphql",
        "query A { author { id } } query B($id: Int!) { author_by_pk(id: $id) { id } }",
    );
    shop.write("v.json", "{\"id\": 2}");
    let args = ["query", "@q.graphql", "--operation-name", "B", "--variables", "@v.json"];
    assert_eq!(shop.run(&with_database(&args)).out, "{\"data\":{\"author_by_pk\":{\"id\":2}}}\n");

    let ended =
        shop.run(&with_database(&["query", "{ author(where: {id: {_eq: \"x\"}}) { id } }"]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.out.starts_with("{\"errors\":["), "{}", ended.out);
    let ended = shop.run(&with_database(&["query", "subscription { author { id } }"]));
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("artesian subscribe"), "{}", ended.err);
    let ended = shop.run(&with_database(&["query", "@none.graphql"]));
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("none.graphql cannot be read"), "{}", ended.err);
}

#[test]
fn a_query_asks_a_server() {
    let shop = Scratch::with_shop();
    let (_server, port) = Running::serve(&shop, &[]);
    let endpoint = format!("ws://127.0.0.1:{port}/graphql");
    let query = |text| shop.run(&["query", text, "--endpoint", &endpoint]);
    let ended = query("{ author_by_pk(id: 2) { name } }");
    assert_eq!(ended.out, "{\"data\":{\"author_by_pk\":{\"name\":\"Bo\"}}}\n");
    assert_eq!(query("{ nope }").code, Some(1));
    let elsewhere = format!("http://127.0.0.1:{port}/nowhere");
    let ended = shop.run(&["query", "{ a }", "--endpoint", &elsewhere]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.contains("resource does not exist"), "{ended:?}");
}

#[test]
fn an_answer_that_is_no_graphql_is_told() {
    let scratch = Scratch::new();
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/graphql", proxy.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in proxy.incoming() {
            let (mut stream, mut line) = (stream.unwrap(), String::new());
            let mut request = BufReader::new(stream.try_clone().unwrap());
            while request.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            let body = "nobody is at\u{1b}[2J home";
            let answer =
                format!("HTTP/1.1 502 Bad Gateway\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    for args in [
        ["query", "{ a }", "--endpoint", &endpoint].as_slice(),
        &["subscribe", "{ a }", "--endpoint", &endpoint, "--protocol", "sse"],
        &["subscribe", "{ a }", "--endpoint", &endpoint, "--protocol", "graphql-ws"],
        &["subscribe", "{ a }", "--endpoint", &endpoint],
    ] {
        let ended = scratch.run(args);
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{ended:?}");
        assert!(ended.err.contains("/graphql answered 502"), "{}", ended.err);
        assert!(!ended.err.contains('\u{1b}'), "{}", ended.err);
    }
}

#[test]
fn the_schema_is_printed() {
    let shop = Scratch::with_shop();
    let ended = shop.run(&with_database(&["schema"]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("type author {") && ended.out.contains("author_by_pk("));
    let ended = shop.run(&with_database(&["schema", "--role", "user"]));
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("the role \"user\" sees nothing here"), "{}", ended.err);
}

#[test]
fn an_operation_is_explained() {
    let shop = Scratch::with_shop();
    let operation = "{ author(where: {name: {_eq: \"Ann\"}}) { id books { title } } }";
    let ended = shop.run(&with_database(&["explain", operation]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for expected in ["Statement\n  SELECT", "1 TEXT = \"Ann\"", "main.author", "main.book", "SCAN"]
    {
        assert!(ended.out.contains(expected), "no {expected:?} in\n{}", ended.out);
    }
    let ended = shop.run(&with_database(&["explain", operation, "--json"]));
    let json: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(json["parameters"][0]["value"], "Ann");
    assert_eq!(json["dependencies"], serde_json::json!(["main.author", "main.book"]));
    let ended = shop.run(&with_database(&["explain", "{ __typename }"]));
    assert!(ended.out.contains("no statement is run"), "{ended:?}");
}

#[test]
fn check_says_what_is_wrong() {
    let shop = Scratch::with_shop();
    let ended = shop.run(&with_database(&["check"]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("2 of 2 tables and views can be read"), "{}", ended.out);
    assert!(ended.out.ends_with("0 errors, 0 warnings\n"), "{}", ended.out);

    shop.sql("CREATE TABLE \"bad name\" (id INTEGER PRIMARY KEY)");
    let ended = shop.run(&with_database(&["check", "--listen", "0.0.0.0:1"]));
    assert_eq!(ended.code, Some(0));
    assert!(ended.out.contains("warning "), "{}", ended.out);
    assert!(ended.out.contains("bad name"), "{}", ended.out);
    assert!(ended.out.contains("no authentication is set"), "{}", ended.out);

    shop.write("old.json", "{\"version\": 2, \"tables\": []}");
    for (args, expected) in [
        (
            with_database(&["check", "--metadata", "old.json"]),
            "old.json: the metadata has version 2",
        ),
        (vec!["check", "--database-url", "sqlite:none.db"], "none.db does not exist"),
        (vec!["check"], "no database is given"),
        (vec!["check", "--database-url", "mysql://h/db"], "`mysql` databases are not supported"),
        (with_database(&["check", "--metadata", "none"]), "the metadata none does not exist"),
        (with_database(&["check", "--cors-domain", "nonsense"]), "`nonsense` is no origin"),
    ] {
        let ended = shop.run(&args);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.out.contains(expected), "no {expected:?} in\n{}", ended.out);
        assert!(ended.out.contains("1 error, "), "{}", ended.out);
    }
}
