//! `serve` and `demo`.

use super::support::{Running, Scratch, get, port, post};

#[test]
fn serves_and_ends_on_sigterm() {
    let shop = Scratch::with_shop();
    let (server, port) = Running::serve(&shop, &[]);
    assert!(get(port, "/healthz").starts_with("HTTP/1.1 200 "));
    assert!(get(port, "/readyz").starts_with("HTTP/1.1 200 "));
    let answer = post(port, "", "{ author(order_by: {id: asc}) { name books { title } } }");
    let data = r#"{"data":{"author":[{"name":"Ann","books":[{"title":"Wells"}]},{"name":"Bo","books":[]}]}}"#;
    assert!(answer.ends_with(data), "{answer}");
    assert!(get(port, "/metrics").contains("artesian_build_info"));
    server.signal("TERM");
    let (status, logs) = server.end();
    assert_eq!(status.code(), Some(0), "{logs}");
    for expected in
        ["starting", "sqlite:shop.db", "tables=2", "changes: ", "console: ", "startup_ms="]
    {
        assert!(logs.contains(expected), "no {expected:?} in\n{logs}");
    }
    assert!(!logs.contains("WARN"), "{logs}");
}

#[test]
fn ends_on_ctrl_c_while_a_socket_is_open() {
    let shop = Scratch::with_shop();
    let (server, port) = Running::serve(&shop, &[]);
    let endpoint = format!("ws://127.0.0.1:{port}/graphql");
    let args = ["subscribe", "{ author { id } }", "--endpoint", &endpoint];
    let live = ["subscribe", "subscription { author { id } }", "--endpoint", &endpoint];
    assert!(shop.run(&args).out.starts_with("{\"data\":"));
    let mut client = Running::start(&mut shop.artesian(&live));
    client.line();
    server.signal("INT");
    assert_eq!(server.end().0.code(), Some(0));
    let (status, logs) = client.end();
    assert_eq!(status.code(), Some(1));
    assert!(logs.contains("closed the connection: 10"), "{logs}");
}

#[test]
fn the_admin_secret_is_asked_for_and_never_logged() {
    let shop = Scratch::with_shop();
    let mut command = shop.artesian(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        "sqlite:shop.db",
        "--log-format",
        "json",
        "--log-level",
        "trace",
    ]);
    let mut server = Running::start(command.env("HASURA_GRAPHQL_ADMIN_SECRET", "hush-hush"));
    let line = server.log("listening on");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap()["level"], "INFO");
    let port = port(&line);
    assert!(post(port, "", "{ author { id } }").contains("access-denied"));
    let secret = "x-hasura-admin-secret: hush-hush\r\n";
    assert!(post(port, secret, "{ author { id } }").contains("{\"id\":1}"));
    let endpoint = format!("http://127.0.0.1:{port}/graphql");
    let query = ["query", "{ author { id } }", "--endpoint", &endpoint];
    assert_eq!(shop.run(&query).code, Some(1));
    let with_secret = [&query[..], &["--admin-secret", "hush-hush"]].concat();
    assert_eq!(shop.run(&with_secret).code, Some(0));
    let live = ["subscribe", "subscription { author { id } }", "--count", "1"];
    let live = [&live[..], &["--admin-secret", "hush-hush", "--endpoint", &endpoint]].concat();
    let ended = shop.run(&live);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    server.signal("INT");
    server.log("shutting down");
    // The second signal does not wait for the window.
    server.signal("INT");
    let (_, logs) = server.end();
    assert!(!logs.contains("hush-hush"), "{logs}");
}

#[test]
fn an_open_door_is_told() {
    let shop = Scratch::with_shop();
    let serve = ["serve", "--listen", "0.0.0.0:0", "--database-url", "sqlite:shop.db"];
    let mut server = Running::start(&mut shop.artesian(&serve));
    server.log("listening on");
    assert!(server.logs.contains("no authentication is set"), "{}", server.logs);
    let mut command = shop.artesian(&serve);
    let mut server = Running::start(command.env("ARTESIAN_ADMIN_SECRET", "x"));
    server.log("listening on");
    assert!(!server.logs.contains("no authentication is set"), "{}", server.logs);
}

#[test]
fn metadata_decides_what_is_served() {
    let shop = Scratch::with_shop();
    shop.write("metadata/version.yaml", "version: 3\n");
    shop.write(
        "metadata/databases/databases.yaml",
        "- name: default\n  kind: sqlite\n  configuration:\n    connection_info:\n      \
         database_url:\n        from_env: SHOP\n  tables: \"!include default/tables/tables.yaml\"\n",
    );
    shop.write(
        "metadata/databases/default/tables/tables.yaml",
        "- table: {name: author, schema: main}\n  configuration: {custom_name: Writer}\n  \
         select_permissions:\n    - role: user\n      permission: {columns: [name], filter: {}}\n",
    );
    // The database is named by the metadata.
    let args = ["serve", "--listen", "127.0.0.1:0", "--metadata", "metadata"];
    let mut server = Running::start(shop.artesian(&args).env("SHOP", "sqlite:shop.db"));
    let port = port(&server.log("listening on"));
    assert!(post(port, "", "{ Writer { id name } }").contains("Ann"));
    assert!(post(port, "", "{ book { id } }").contains("validation-failed"));
    let user = "x-hasura-role: user\r\n";
    assert!(post(port, user, "{ Writer { name } }").contains("Ann"));
    assert!(post(port, user, "{ Writer { id } }").contains("validation-failed"));

    let unset = shop.run(&args);
    assert_eq!(unset.code, Some(2));
    assert!(unset.err.contains("environment variable SHOP is not set"), "{}", unset.err);
}

#[test]
fn a_database_that_is_away_is_tried_again_and_then_given_up() {
    let scratch = Scratch::new();
    // A port that nobody listens on.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://app:hu%73h-hush@127.0.0.1:{free}/shop");
    let args = ["serve", "--database-url", &url, "--database-connect-timeout", "700ms"];
    let ended = scratch.run(&args);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("trying again in 250 ms"), "{}", ended.err);
    assert!(ended.err.contains("could not be reached within"), "{}", ended.err);
    assert!(ended.err.contains(&format!("postgres://app@127.0.0.1:{free}/shop")), "{}", ended.err);
    assert!(!ended.err.contains("hush") && !ended.err.contains("hu%73h"), "{}", ended.err);

    // It can be interrupted meanwhile.
    let args = ["serve", "--database-url", &url, "--database-connect-timeout", "10m"];
    let mut server = Running::start(&mut scratch.artesian(&args));
    server.log("trying again");
    server.signal("TERM");
    assert_eq!(server.end().0.code(), Some(0));

    for args in
        [["check", "--database-url", &url].as_slice(), &["query", "{ a }", "--database-url", &url]]
    {
        let ended = scratch.run(args);
        assert_eq!(ended.code, Some(1));
        let all = format!("{}{}", ended.out, ended.err);
        assert!(all.contains(&format!("app@127.0.0.1:{free}")) && !all.contains("hush"), "{all}");
    }
}

#[test]
fn a_port_that_is_taken_is_told() {
    let shop = Scratch::with_shop();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = shop.run(&["serve", "--listen", &address, "--database-url", "sqlite:shop.db"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("Another process listens there"), "{}", ended.err);
}

#[test]
fn the_demo_lives_and_cleans_up() {
    let scratch = Scratch::new();
    let mut command = scratch.artesian(&["demo", "--port", "0", "--speed", "50"]);
    let mut demo = Running::start(command.env("TMPDIR", scratch.root()));
    let mut url = String::new();
    while !url.contains("Console") {
        url = demo.line();
    }
    let endpoint = format!("http://127.0.0.1:{}/graphql", port(&url));
    let live = "subscription { orders(order_by: {updated_at: desc}, limit: 3) { id status } }";
    let ended = scratch.run(&["subscribe", live, "--count", "3", "--endpoint", &endpoint]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let results: Vec<&str> = ended.out.lines().collect();
    assert_eq!(results.len(), 3);
    assert!(results[0] != results[1] && results[1] != results[2]);
    demo.signal("INT");
    let (status, logs) = demo.end();
    assert_eq!(status.code(), Some(0), "{logs}");
    assert_eq!(std::fs::read_dir(scratch.root()).unwrap().count(), 0, "files are left");
}

#[test]
fn the_demo_can_be_kept() {
    let scratch = Scratch::new();
    for _ in 0..2 {
        let args = ["demo", "--port", "0", "--speed", "0", "--path", "town.db"];
        let mut demo = Running::start(&mut scratch.artesian(&args));
        while !demo.line().contains("Ctrl-C") {}
        demo.signal("TERM");
        assert_eq!(demo.end().0.code(), Some(0));
        assert!(scratch.path("town.db").exists());
    }
}
