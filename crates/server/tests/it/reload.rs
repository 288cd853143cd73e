//! Settings that change while the server serves.

use artesian_server::{AuthConfig, ConfigError, Cors, ServerConfig};
use http::Method;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::{
    self,
    http::{post, request},
    socket::{LEGACY, MODERN},
    start_with,
};

const SECRET: &str = "x-hasura-admin-secret";

fn config(secret: &str) -> ServerConfig {
    ServerConfig { auth: AuthConfig::with_secrets(vec![secret.to_owned()]), ..support::config() }
}

#[tokio::test]
async fn another_secret_holds_for_everything_and_who_came_by_the_old_one_has_to_go() {
    let secrets = |secrets: [&str; 2]| ServerConfig {
        auth: AuthConfig::with_secrets(secrets.map(str::to_owned).into()),
        ..support::config()
    };
    let server = start_with(secrets(["old", "kept"])).await;
    let old = [(SECRET, "old")];
    let mut running = server.connect(MODERN, &old).await;
    running.init(Value::Null).await;
    running.subscribe("1", "hang a").await;
    let mut staying = server.connect(LEGACY, &[(SECRET, "kept")]).await;
    staying.init(Value::Null).await;
    let events = [(SECRET, "old"), ("accept", "text/event-stream")];
    let events = support::http::open(server.address, post("live a", &events)).await;
    server.fake.happened("run a").await;
    // Open already, but not acknowledged.
    let mut opening = server.connect(LEGACY, &old).await;
    // An HTTP connection that stays.
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut http, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut ask = async |secret: &str| {
        let response = http.send_request(post("identity", &[(SECRET, secret)])).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        body["data"]["role"] == "admin"
    };
    assert!(ask("old").await);

    server.control.prepare(secrets(["new", "kept"])).unwrap().commit();
    assert!(!ask("old").await);
    assert!(ask("new").await);
    opening.send_init(Value::Null).await;
    assert_eq!(opening.next().await["type"], "connection_error");
    let reason = "Forbidden: the credentials are no longer accepted";
    assert_eq!(running.closed().await, (4403, reason.to_owned()));
    // The stream is cut off, not completed.
    assert!(events.into_body().collect().await.is_err());
    staying.subscribe("2", "identity").await;
    assert_eq!(staying.result("2").await["data"]["role"], "admin");
    staying.completed("2").await;
}

#[tokio::test]
async fn settings_hold_for_new_requests_and_sockets() {
    let server = start_with(support::config()).await;
    let mut socket = server.socket(MODERN).await;
    let origin = [("origin", "https://app.example.com")];
    let allowed =
        |reply: support::http::Reply| reply.header("access-control-allow-origin").to_owned();
    assert_eq!(allowed(server.send(post("identity", &origin)).await), "*");
    let mut other = support::config();
    other.console = false;
    other.cors = Cors::List(vec!["https://app.example.com".to_owned()]);
    other.max_body_bytes = 10;
    other.websocket.max_operations = 1;
    server.control.prepare(other).unwrap().commit();
    assert_eq!(
        allowed(server.send(request(Method::GET, "/graphql?query=identity", &origin, "")).await),
        "https://app.example.com"
    );
    assert_eq!(server.get("/").await.status, 404);
    assert_eq!(server.post("identity").await.status, 413);
    // The old socket keeps what it began with; a new one does not.
    for id in ["1", "2"] {
        socket.subscribe(id, "hang a").await;
    }
    socket.nothing_more().await;
    let mut socket = server.socket(MODERN).await;
    for id in ["1", "2"] {
        socket.subscribe(id, "hang a").await;
    }
    let refused = socket.next().await;
    assert_eq!((&refused["id"], &refused["type"]), (&json!("2"), &json!("error")), "{refused}");
}

#[tokio::test]
async fn what_cannot_be_used_changes_nothing() {
    let server = start_with(config("old")).await;
    let refused = server.control.prepare(config("")).err();
    assert_eq!(
        refused,
        Some(ConfigError::Auth(artesian_server::auth::ConfigError::EmptyAdminSecret))
    );
    let mut bad = config("new");
    bad.cors = Cors::List(vec!["nonsense".to_owned()]);
    assert!(matches!(server.control.prepare(bad), Err(ConfigError::BadOrigin(_))));
    let reply = server.send(post("identity", &[(SECRET, "old")])).await;
    assert_eq!(reply.json()["data"]["role"], "admin");
}
