//! The configuration file and the environment, as the binary takes them.

use super::support::{Running, Scratch, http, post};

#[test]
fn an_unknown_key_is_an_error_with_a_suggestion() {
    let shop = Scratch::with_shop();
    shop.write("artesian.yaml", "server:\n  admin_secert: hush\n");
    for command in ["serve", "check"] {
        let ended = shop.run(&[command, "--database-url", "sqlite:shop.db"]);
        let all = format!("{}{}", ended.out, ended.err);
        let expected =
            "artesian.yaml:2:3: unknown key `server.admin_secert`; did you mean `admin_secret`?";
        assert!(all.contains(expected), "{all}");
        assert!(!all.contains("hush"), "{all}");
        assert_eq!(ended.code, Some(if command == "serve" { 2 } else { 1 }));
    }
}

#[test]
fn a_file_elsewhere_brings_its_own_paths() {
    let shop = Scratch::with_shop();
    shop.write(
        "conf/a.yaml",
        "sources:\n  - name: default\n    database: {url: 'sqlite:../${NAME}.db'}\n    \
         metadata: m.json\n",
    );
    shop.write(
        "conf/m.json",
        r#"{"version": 3, "sources": [{"name": "default", "tables": [{"table": "author"}]}]}"#,
    );
    let mut command = shop.artesian(&["schema"]);
    let output = command.env("ARTESIAN_CONFIG", "conf/a.yaml").env("NAME", "shop").output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(text.contains("type author {") && !text.contains("type book {"), "{text}");
    let ended = shop.run(&["schema", "--config", "none.yaml"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("configuration file none.yaml cannot be read"), "{}", ended.err);
}

#[test]
fn a_misspelt_variable_is_told() {
    let shop = Scratch::with_shop();
    let mut command = shop.artesian(&["check", "--database-url", "sqlite:shop.db"]);
    let output = command.env("ARTESIAN_METADTA", "x").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("ARTESIAN_METADTA is not known; did you mean `ARTESIAN_METADATA`?"),
        "{text}"
    );
}

#[test]
fn upgrades_are_refused_where_the_file_says_so() {
    let upgrade = "GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   sec-websocket-protocol: graphql-transport-ws\r\n\r\n";
    let shop = Scratch::with_shop();
    shop.write("artesian.yaml", "server:\n  http_server_options:\n    enable_websockets: false\n");
    let (_server, port) = Running::serve(&shop, &[]);
    let answer = http(port, upgrade);
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("not-supported"), "{answer}");
    assert!(!answer.to_ascii_lowercase().contains("sec-websocket-accept"), "{answer}");
    // Everything else goes on.
    let answer = post(port, "", "{ author_by_pk(id: 1) { name } }");
    assert!(answer.ends_with("{\"data\":{\"author_by_pk\":{\"name\":\"Ann\"}}}"), "{answer}");
}
