//! `subscribe`.

use super::support::{Running, Scratch};

const LIVE: &str = "subscription { author(order_by: {id: asc}) { id name } }";

#[test]
fn a_pipe_gets_a_line_for_every_change_by_another_process() {
    let shop = Scratch::with_shop();
    let args = ["subscribe", LIVE, "--database-url", "sqlite:shop.db"];
    let mut client = Running::start(&mut shop.artesian(&args));
    let first = r#"{"data":{"author":[{"id":1,"name":"Ann"},{"id":2,"name":"Bo"}]}}"#;
    assert_eq!(client.line(), first);
    shop.sql("UPDATE author SET name = 'Anna' WHERE id = 1");
    assert_eq!(client.line(), first.replace("Ann", "Anna"));
    // A commit that changes nothing of the result is not heard of; the next one is.
    shop.sql("INSERT INTO book VALUES (7, 'Springs', 1)");
    shop.sql("DELETE FROM author WHERE id = 2");
    assert_eq!(client.line(), r#"{"data":{"author":[{"id":1,"name":"Anna"}]}}"#);
    client.signal("INT");
    assert_eq!(client.end().0.code(), Some(0));
}

#[test]
fn a_query_is_followed_too_and_polling_does_as_well() {
    let shop = Scratch::with_shop();
    let query = "query ($id: Int!) { author_by_pk(id: $id) { name } }";
    let args = [
        "subscribe",
        query,
        "--variables",
        "{\"id\": 2}",
        "--changes",
        "poll",
        "--live-queries-multiplexed-refetch-interval",
        "20ms",
        "--database-url",
        "sqlite:shop.db",
    ];
    let mut client = Running::start(&mut shop.artesian(&args));
    assert_eq!(client.line(), r#"{"data":{"author_by_pk":{"name":"Bo"}}}"#);
    shop.sql("DELETE FROM author WHERE id = 2");
    assert_eq!(client.line(), r#"{"data":{"author_by_pk":null}}"#);
}

#[test]
fn every_protocol_follows_a_server() {
    let shop = Scratch::with_shop();
    let (_server, port) = Running::serve(&shop, &[]);
    for (number, protocol) in
        ["auto", "graphql-transport-ws", "graphql-ws", "sse"].iter().enumerate()
    {
        let scheme = if number % 2 == 0 { "ws" } else { "http" };
        let endpoint = format!("{scheme}://127.0.0.1:{port}/graphql");
        let args = ["subscribe", LIVE, "--endpoint", &endpoint, "--protocol", protocol];
        let mut client = Running::start(&mut shop.artesian(&args));
        client.line();
        let name = format!("Ann {number}");
        shop.sql(&format!("UPDATE author SET name = '{name}' WHERE id = 1"));
        assert!(client.line().contains(&name), "{protocol}");
        client.signal("TERM");
        assert_eq!(client.end().0.code(), Some(0), "{protocol}");
    }
}

#[test]
fn without_websockets_auto_takes_an_event_stream() {
    let shop = Scratch::with_shop();
    let (_server, port) = Running::serve(&shop, &["--enable-websockets=false"]);
    let endpoint = format!("http://127.0.0.1:{port}/graphql");
    let args = ["subscribe", LIVE, "--endpoint", &endpoint, "--count", "1"];
    let ended = shop.run(&args);
    assert_eq!((ended.code, ended.out.lines().count()), (Some(0), 1), "{ended:?}");
    let only = [&args[..], &["--protocol", "graphql-ws"]].concat();
    let ended = shop.run(&only);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("answered"), "{ended:?}");
}

#[test]
fn roles_travel_with_every_protocol() {
    let shop = Scratch::with_shop();
    let (_server, port) = Running::serve(&shop, &[]);
    let endpoint = format!("http://127.0.0.1:{port}/graphql");
    for protocol in ["graphql-transport-ws", "graphql-ws", "sse"] {
        let args = ["subscribe", LIVE, "--endpoint", &endpoint, "--protocol", protocol];
        let ended = shop.run(&[&args[..], &["--role", "nobody"]].concat());
        assert_eq!(ended.code, Some(1), "{protocol}: {ended:?}");
        let answer: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(answer["errors"][0]["extensions"]["code"], "validation-failed", "{protocol}");
    }
}

#[test]
fn mistakes_are_told_on_standard_error() {
    let shop = Scratch::with_shop();
    let database = ["--database-url", "sqlite:shop.db"];
    let run = |args: &[&str]| shop.run(&[&["subscribe"], args, &database].concat());
    let ended = run(&["subscription { author { nope } }"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    assert!(ended.err.contains("validation-failed at $.selectionSet.author"), "{}", ended.err);
    let ended = shop.run(&["subscribe", LIVE, "--endpoint", "127.0.0.1:80"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = shop.run(&["subscribe", LIVE, "--endpoint", &format!("http://{nobody}/")]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains(&format!("http://{nobody}/ cannot be reached")), "{}", ended.err);
}
