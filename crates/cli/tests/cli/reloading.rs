//! Configuration and metadata that change while `serve` runs.

use serde_json::{Value, json};

use super::support::{Running, Scratch, get, post};

/// Metadata in which a role sees these columns of the authors with ids from 1 to `most`.
fn metadata(columns: &[&str], most: u32) -> String {
    let permission = json!({"columns": columns, "filter": {"id": {"_lte": most}}});
    json!({"version": 3, "sources": [{
        "name": "default", "kind": "sqlite",
        "tables": [
            {"table": "author",
             "select_permissions": [{"role": "user", "permission": permission}]},
            {"table": "book"},
        ],
        "configuration": {"connection_info": {"database_url": "sqlite:shop.db"}},
    }]})
    .to_string()
}

const CONFIG: &str = "sources:
  - metadata: metadata.json
server:
  listen: 127.0.0.1:0
  admin_secret: first
  shutdown_window: 0
  reload_interval: 20ms
";

struct Shop {
    scratch: Scratch,
    server: Running,
    port: u16,
}

impl Shop {
    fn serve(config: &str) -> Self {
        let scratch = Scratch::with_shop();
        scratch.write("artesian.yaml", config);
        scratch.write("metadata.json", &metadata(&["id", "name"], 2));
        let mut server = Running::start(&mut scratch.artesian(&["serve"]));
        let port = super::support::port(&server.log("listening on http://"));
        Self { scratch, server, port }
    }

    fn follow(&self, query: &str) -> Running {
        let endpoint = format!("ws://127.0.0.1:{}/graphql", self.port);
        let user = r#"{"x-hasura-role": "user", "x-hasura-admin-secret": "first"}"#;
        let args = ["subscribe", query, "--endpoint", &endpoint, "--init-payload", user];
        Running::start(&mut self.scratch.artesian(&args))
    }

    fn is_admin(&self, secret: &str) -> bool {
        let secret = format!("x-hasura-admin-secret: {secret}\r\n");
        post(self.port, &secret, "{ author { id } }").contains("\"data\"")
    }

    fn sample(&self, name: &str) -> f64 {
        let text = get(self.port, "/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.trim().parse().unwrap())
    }
}

fn authors(line: &str) -> Value {
    serde_json::from_str::<Value>(line).unwrap()["data"]["author"].take()
}

#[test]
fn sighup_narrows_permissions_of_what_runs() {
    let mut shop = Shop::serve(&format!("{CONFIG}  reload: signal\n"));
    let mut names = shop.follow("subscription { author(order_by: {id: asc}) { name } }");
    let mut ids = shop.follow("subscription { author(order_by: {id: asc}) { id } }");
    assert_eq!(authors(&names.line()), json!([{"name": "Ann"}, {"name": "Bo"}]));
    assert_eq!(authors(&ids.line()), json!([{"id": 1}, {"id": 2}]));

    shop.scratch.write("metadata.json", &metadata(&["id"], 1));
    shop.server.signal("HUP");
    shop.server.log("the new settings are in force");
    assert_eq!(authors(&ids.line()), json!([{"id": 1}]));
    let error = names.line();
    assert!(error.contains("field 'name' not found in type: 'author'"), "{error}");
    assert_eq!(names.end().0.code(), Some(1));

    // The other socket is still there, and sees what it may see.
    shop.scratch.sql("INSERT INTO author VALUES (0, 'Zoe'), (3, 'Cy')");
    assert_eq!(authors(&ids.line()), json!([{"id": 0}, {"id": 1}]));
    assert_eq!(shop.sample("artesian_reloads_total{result=\"ok\"}"), 1.0);
}

#[test]
fn a_changed_file_is_taken_and_a_faulty_one_is_not() {
    let mut shop = Shop::serve(CONFIG);
    let mut ids = shop.follow("subscription { author(order_by: {id: asc}) { id } }");
    assert_eq!(authors(&ids.line()), json!([{"id": 1}, {"id": 2}]));
    let started = shop.sample("artesian_reload_last_success_time_seconds");
    let refusals = [
        ("artesian.yaml", CONFIG.replace("admin_secret", "admin_sekret"), "admin_sekret"),
        (
            "artesian.yaml",
            CONFIG.replace("  admin_secret: first\n", ""),
            "no authentication any more",
        ),
        ("artesian.yaml", CONFIG.replace("first", "' first'"), "visible ASCII"),
        ("metadata.json", "{\"version\": 3,".to_owned(), "metadata.json:1:"),
        ("metadata.json", "[]".to_owned(), "metadata is an object"),
    ];
    for (number, (file, text, message)) in refusals.iter().enumerate() {
        let good = std::fs::read_to_string(shop.scratch.path(file)).unwrap();
        shop.scratch.write(file, text);
        let line = shop.server.log("are refused");
        assert!(line.contains(message), "{line}");
        shop.scratch.write(file, &good);
        shop.server.log("are in force");
        assert!(shop.is_admin("first"));
        let count = shop.sample("artesian_reloads_total{result=\"refused\"}");
        assert_eq!(count, f64::from(u32::try_from(number).unwrap() + 1));
    }
    std::fs::remove_file(shop.scratch.path("artesian.yaml")).unwrap();
    let line = shop.server.log("are refused");
    assert!(line.contains("artesian.yaml cannot be read"), "{line}");

    // Written beside it and renamed, as editors do.
    let config = CONFIG.replace("127.0.0.1:0", "127.0.0.1:1")
        + "log:\n  level: debug\nlimits:\n  depth: 1\n";
    shop.scratch.write("artesian.yaml.new", &config);
    let rename =
        |from, to| std::fs::rename(shop.scratch.path(from), shop.scratch.path(to)).unwrap();
    rename("artesian.yaml.new", "artesian.yaml");
    let line = shop.server.log("need a restart to change");
    assert!(line.ends_with("need a restart to change: listen"), "{line}");
    let line = shop.server.log("are in force");
    for name in ["log-level", "max-depth"] {
        assert!(line.contains(name), "{line}");
    }
    assert!(shop.sample("artesian_reload_last_success_time_seconds") > started);
    // Of what runs, the limit ends what exceeds it.
    let error = ids.line();
    assert!(error.contains("nested deeper than 1"), "{error}");

    // A secret that is none any more lets nobody in, and keeps nobody in.
    let config = config.replace("depth: 1", "depth: 9");
    shop.scratch.write("artesian.yaml", &config);
    shop.server.log("are in force");
    let mut ids = shop.follow("subscription { author(order_by: {id: asc}) { id } }");
    assert_eq!(authors(&ids.line()), json!([{"id": 1}, {"id": 2}]));
    shop.scratch.write("artesian.yaml", &config.replace("first", "another"));
    let line = shop.server.log("are in force");
    assert!(line.contains("admin-secret"), "{line}");
    let (_, told) = ids.end();
    assert!(told.contains("4403 Forbidden"), "{told}");
    assert!(!shop.is_admin("first"));
    shop.server.signal("TERM");
    let (_, logs) = shop.server.end();
    assert!(logs.contains("DEBUG"), "{logs}");
    assert!(!logs.contains("another"), "{logs}");
}

#[test]
fn trusted_documents_come_from_files_and_change_with_them() {
    let config = format!("{CONFIG}documents:\n  trusted: trusted.json\n  trusted_mode: only\n");
    let scratch = Scratch::with_shop();
    scratch.write("artesian.yaml", &config);
    let mut document: Value = serde_json::from_str(&metadata(&["id", "name"], 2)).unwrap();
    document["query_collections"] = json!([{"name": "mine", "definition": {"queries": [
        {"name": "names", "query": "query Names { author { name } }"}]}}]);
    document["allowlist"] = json!([{"collection": "mine", "scope": {"global": true}}]);
    scratch.write("metadata.json", &document.to_string());
    let first = "subscription Ids { author { id } }";
    scratch.write("trusted.json", &json!({"ids": first}).to_string());
    let mut server = Running::start(&mut scratch.artesian(&["serve"]));
    let port = super::support::port(&server.log("listening on http://"));
    let mut shop = Shop { scratch, server, port };
    let ask = |shop: &Shop, query: &str| {
        let user = "x-hasura-admin-secret: first\r\nx-hasura-role: user\r\n";
        post(shop.port, user, query).contains("\"data\"")
    };
    let mut ids = shop.follow(first);
    assert_eq!(authors(&ids.line()), json!([{"id": 1}, {"id": 2}]));
    let mut other = shop.follow("subscription { author { name } }");
    assert!(other.line().contains("query is not allowed"));
    assert!(!ask(&shop, "query Names { author { name } }"));
    assert!(shop.is_admin("first"), "the administrator runs anything");

    // The allow list counts once it is switched on, and the file still does.
    shop.scratch.write("artesian.yaml", &format!("{config}  allowlist: true\n"));
    shop.server.log("are in force");
    assert!(ask(&shop, "query Names { author { name __typename } }"));
    assert!(!ask(&shop, "query Names { author { id } }"));
    shop.scratch.sql("DELETE FROM author WHERE id = 2");
    assert_eq!(authors(&ids.line()), json!([{"id": 1}]));

    // What is trusted no more does not go on.
    shop.scratch.write("trusted.json", "{}");
    assert!(ids.line().contains("query is not allowed"));
    shop.server.log("are in force");
    shop.scratch.write("trusted.json", "{\"x\": \"{\"}");
    let line = shop.server.log("are refused");
    assert!(line.contains("trusted.json: the document x"), "{line}");
}

#[test]
fn who_switches_it_off_keeps_what_was_read() {
    let mut shop = Shop::serve(&format!("{CONFIG}  reload: off\n"));
    shop.scratch.write("artesian.yaml", &CONFIG.replace("first", "second"));
    shop.server.signal("HUP");
    shop.server.log("nothing is read again");
    assert!(shop.is_admin("first"));
}
