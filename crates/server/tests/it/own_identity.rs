//! Operations that bring their own payload of `connection_init`, as a Mercurius gateway's do.

use artesian_server::{
    AuthConfig, CompatProfile, LimitsConfig, ServerConfig, WebSocketConfig,
    auth::{
        Mode,
        config::{HookMethod, WebhookConfig},
    },
};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    service::{Reply, Service},
    support::{
        self, TestServer,
        http::request,
        socket::{LEGACY, MODERN, Socket},
        start_with,
    },
};

const BOTH: [&str; 2] = [MODERN, LEGACY];
const SECRET: &str = "x-hasura-admin-secret";

fn config() -> ServerConfig {
    let websocket =
        WebSocketConfig { compat: vec![CompatProfile::Mercurius], ..WebSocketConfig::default() };
    ServerConfig { websocket, ..support::config() }
}

async fn asking(hook: &Service) -> TestServer {
    let mode = Mode::Webhook(WebhookConfig::new(&hook.url(), HookMethod::Get).unwrap());
    start_with(ServerConfig { auth: AuthConfig { mode, ..AuthConfig::default() }, ..config() })
        .await
}

fn user(id: &str) -> Value {
    json!({"X-Hasura-Role": "user", "X-Hasura-User-Id": id})
}

/// As the gateway writes it.
async fn ask(socket: &mut Socket, id: &str, query: &str, init: Value) {
    let kind = if socket.protocol == LEGACY { "start" } else { "subscribe" };
    socket
        .send(json!({
            "id": id,
            "type": kind,
            "payload": {"query": query, "variables": {}},
            "extensions": [{"type": "connectionInit", "payload": init}],
        }))
        .await;
}

/// Takes the error that ends an operation, and gives the only one of its list.
async fn error(socket: &mut Socket, id: &str) -> Value {
    let mut message = socket.next().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!(id)), "{message}");
    assert_eq!(message["payload"].as_array().map(Vec::len), Some(1), "{message}");
    message["payload"][0].take()
}

#[tokio::test]
async fn each_operation_runs_as_who_it_says() {
    let server = start_with(config()).await;
    for protocol in BOTH {
        let mut socket = server.connect(protocol, &[("x-hasura-tenant", "t")]).await;
        socket.init(json!({"X-Hasura-Role": "gateway", "X-Hasura-User-Id": "g"})).await;
        let rows = [
            (Some(user("1")), json!({"x-hasura-role": "user", "x-hasura-user-id": "1"})),
            (Some(user("2")), json!({"x-hasura-role": "user", "x-hasura-user-id": "2"})),
            // Who says nothing is not the gateway.
            (Some(json!({})), json!({"x-hasura-role": "admin"})),
            (Some(Value::Null), json!({"x-hasura-role": "admin"})),
            (None, json!({"x-hasura-role": "gateway", "x-hasura-user-id": "g"})),
        ];
        for (n, (init, mut expected)) in rows.into_iter().enumerate() {
            // The headers of the upgrade count for all of them.
            expected["x-hasura-tenant"] = "t".into();
            let id = n.to_string();
            match init {
                Some(init) => ask(&mut socket, &id, "identity", init).await,
                None => socket.subscribe(&id, "identity").await,
            }
            assert_eq!(socket.result(&id).await["data"]["session"], expected);
            socket.completed(&id).await;
        }
    }
}

#[tokio::test]
async fn without_the_mode_the_list_is_nothing() {
    let server = start_with(support::config()).await;
    let mut socket = server.connect(MODERN, &[]).await;
    socket.init(user("1")).await;
    ask(&mut socket, "1", "identity", user("2")).await;
    assert_eq!(socket.result("1").await["data"]["session"]["x-hasura-user-id"], "1");
}

#[tokio::test]
async fn one_waits_until_its_client_is_known_and_the_others_go_on() {
    for protocol in BOTH {
        let hook = Service::start(Reply::json(&user("gateway"))).await;
        let server = asking(&hook).await;
        let mut socket = server.connect(protocol, &[]).await;
        socket.init(json!({"headers": {"authorization": "gateway"}})).await;
        hook.say(Reply::json(&user("1")));
        let gate = hook.hold();
        ask(&mut socket, "1", "identity", json!({"headers": {"authorization": "1"}})).await;
        hook.requests(2).await;
        assert_eq!(hook.last().0.headers["authorization"], "1");
        ask(&mut socket, "2", "hang 2", json!({"headers": {"authorization": "2"}})).await;
        socket.subscribe("3", "identity").await;
        assert_eq!(socket.result("3").await["data"]["session"]["x-hasura-user-id"], "gateway");
        socket.completed("3").await;
        // Stopped before anybody knew whose it is, so it never runs; its end is told all the same.
        hook.requests(3).await;
        socket.stop("2").await;
        socket.completed("2").await;
        gate.notify_one();
        gate.notify_one();
        assert_eq!(socket.result("1").await["data"]["session"]["x-hasura-user-id"], "1");
        socket.completed("1").await;
        assert_eq!(server.fake.count("run 2"), 0);
    }
}

#[tokio::test]
async fn a_refusal_is_that_operations() {
    let auth = AuthConfig::with_secrets(vec!["s".into()]);
    let server = start_with(ServerConfig { auth, ..config() }).await;
    for protocol in BOTH {
        let mut socket = server.connect(protocol, &[]).await;
        socket.init(json!({SECRET: "s"})).await;
        for (init, text) in [
            (
                json!({}),
                "Forbidden: x-hasura-admin-secret/x-hasura-access-key required, but not found",
            ),
            (
                json!({SECRET: "no"}),
                "Forbidden: invalid \"x-hasura-admin-secret\"/\"x-hasura-access-key\"",
            ),
        ] {
            ask(&mut socket, "1", "hang 1", init).await;
            let error = error(&mut socket, "1").await;
            assert_eq!(
                (&error["message"], &error["extensions"]["code"]),
                (&json!(text), &json!("access-denied"))
            );
            // The gateway sends it back.
            socket.send(json!({"id": "1", "type": "error", "payload": [error]})).await;
        }
        ask(&mut socket, "1", "identity", json!({SECRET: "s", "x-hasura-role": "user"})).await;
        assert_eq!(socket.result("1").await["data"]["role"], "user");
        socket.completed("1").await;
    }
    assert_eq!(server.fake.log(), Vec::<String>::new());
}

#[tokio::test]
async fn a_webhook_that_fails_is_no_refusal() {
    let hook = Service::start(Reply::json(&user("gateway"))).await;
    let server = asking(&hook).await;
    let mut socket = server.socket(MODERN).await;
    hook.say(Reply::Say(500, Vec::new(), String::new()));
    ask(&mut socket, "1", "identity", json!({"headers": {"authorization": "1"}})).await;
    let error = error(&mut socket, "1").await;
    assert!(error["message"].as_str().unwrap().starts_with("Invalid response"), "{error}");
    hook.say(Reply::json(&user("1")));
    ask(&mut socket, "1", "identity", json!({"headers": {"authorization": "1"}})).await;
    assert_eq!(socket.result("1").await["data"]["session"]["x-hasura-user-id"], "1");
}

#[tokio::test]
async fn limits_of_an_identity_are_those_of_its_own() {
    let limits = LimitsConfig { operations_per_identity: 1, ..LimitsConfig::default() };
    let server = start_with(ServerConfig { limits, ..config() }).await;
    for protocol in BOTH {
        let mut socket = server.connect(protocol, &[]).await;
        socket.init(user("gateway")).await;
        for id in ["1", "2"] {
            ask(&mut socket, id, &format!("live {id}"), user(id)).await;
            socket.result(id).await;
        }
        ask(&mut socket, "3", "live 3", user("1")).await;
        let refused = error(&mut socket, "3").await;
        assert_eq!(refused["extensions"]["limit"], "operations_per_identity");
        socket.stop("1").await;
        socket.completed("1").await;
        ask(&mut socket, "3", "live 3", user("1")).await;
        socket.result("3").await;
    }
}

async fn sockets(server: &TestServer, method: Method, query: &str) -> Value {
    let reply = server.send(request(method, &format!("/v1/sockets{query}"), &[], "")).await;
    assert_eq!(reply.status, StatusCode::OK, "{:?}", reply.body);
    reply.json()
}

#[tokio::test]
async fn the_administrator_sees_and_ends_it_alone() {
    for protocol in BOTH {
        let server = start_with(config()).await;
        let mut socket = server.connect(protocol, &[]).await;
        socket.init(user("gateway")).await;
        for id in ["1", "2"] {
            ask(&mut socket, id, &format!("live {id}"), user(id)).await;
            socket.result(id).await;
        }
        let all = sockets(&server, Method::GET, "").await;
        let rows: Vec<_> = all["sockets"].as_array().unwrap().iter().collect();
        let column = |name| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
        assert_eq!(column("kind"), ["socket", "operation", "operation"]);
        assert_eq!(column("user"), ["gateway", "1", "2"]);
        assert_eq!(column("transport"), [protocol; 3]);
        assert_eq!(column("operations"), [2, 1, 1]);
        assert_eq!(sockets(&server, Method::DELETE, "?user=1").await["closed"], 1);
        let ended = error(&mut socket, "1").await;
        assert_eq!(ended["message"], "Forbidden: closed by the administrator");
        server.fake.happened("drop 1").await;
        server.fake.publish("2", "{\"data\":2}");
        assert_eq!(socket.result("2").await["data"], 2);
        socket.stop("2").await;
        socket.completed("2").await;
        assert_eq!(sockets(&server, Method::GET, "").await["total"], 1);
    }
}

#[tokio::test]
async fn it_ends_with_what_let_it_in() {
    let secrets = |secrets: [&str; 2]| ServerConfig {
        auth: AuthConfig::with_secrets(secrets.map(str::to_owned).into()),
        ..config()
    };
    for protocol in BOTH {
        let server = start_with(secrets(["old", "kept"])).await;
        let mut socket = server.connect(protocol, &[]).await;
        socket.init(json!({SECRET: "kept"})).await;
        for (id, secret) in [("1", "old"), ("2", "kept")] {
            ask(&mut socket, id, &format!("live {id}"), json!({SECRET: secret})).await;
            socket.result(id).await;
        }
        server.control.prepare(secrets(["new", "kept"])).unwrap().commit();
        let ended = error(&mut socket, "1").await;
        assert_eq!(ended["message"], "Forbidden: the credentials are no longer accepted");
        server.fake.publish("2", "{\"data\":2}");
        assert_eq!(socket.result("2").await["data"], 2);
    }
}

#[tokio::test]
async fn it_expires_alone() {
    for protocol in BOTH {
        let hook = Service::start(Reply::json(&user("gateway"))).await;
        let server = asking(&hook).await;
        let mut socket = server.connect(protocol, &[]).await;
        socket.init(json!({"headers": {"authorization": "gateway"}})).await;
        // The life of an answer is in whole seconds, and real ones.
        let mut short = user("1");
        short["Cache-Control"] = "max-age=1".into();
        hook.say(Reply::json(&short));
        ask(&mut socket, "1", "live 1", json!({"headers": {"authorization": "1"}})).await;
        socket.result("1").await;
        let ended = error(&mut socket, "1").await;
        assert_eq!(ended["message"], "the credentials have expired");
        server.fake.happened("drop 1").await;
        socket.subscribe("2", "identity").await;
        assert_eq!(socket.result("2").await["data"]["session"]["x-hasura-user-id"], "gateway");
    }
}

#[tokio::test]
async fn fresh_credentials_of_the_socket_change_only_what_is_the_sockets() {
    let server = start_with(config()).await;
    let mut socket = server.connect(MODERN, &[]).await;
    socket.init(user("gateway")).await;
    ask(&mut socket, "1", "live 1", user("1")).await;
    socket.result("1").await;
    let fresh = json!({"headers": user("other")});
    socket.send(json!({"type": "ping", "payload": fresh})).await;
    assert_eq!(socket.next().await, json!({"type": "pong", "payload": fresh}));
    server.fake.publish("1", "{\"data\":1}");
    assert_eq!(socket.result("1").await["data"], 1);
    let all = sockets(&server, Method::GET, "").await;
    assert_eq!(
        (&all["sockets"][0]["user"], &all["sockets"][1]["user"]),
        (&json!("other"), &json!("1"))
    );
}

#[tokio::test]
async fn it_goes_with_the_socket() {
    let server = start_with(config()).await;
    for protocol in BOTH {
        let mut socket = server.connect(protocol, &[]).await;
        socket.init(user("gateway")).await;
        ask(&mut socket, "1", &format!("live {protocol}"), user("1")).await;
        socket.result("1").await;
        socket.close().await;
        server.fake.happened(&format!("drop {protocol}")).await;
        assert_eq!(sockets(&server, Method::GET, "?user=1").await["total"], 0);
    }
}
