//! A webhook.

use std::{sync::Arc, time::Duration};

use artesian_auth::{
    Auth, AuthConfig, AuthError, Mode,
    config::{HookMethod, WebhookConfig},
};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::support::*;

fn auth(service: &Service, method: HookMethod) -> Auth {
    let mut hook = WebhookConfig::new(&service.url(), method).unwrap();
    hook.timeout = Duration::from_millis(300);
    Auth::start(AuthConfig {
        admin_secrets: vec!["root".to_owned()],
        mode: Mode::Webhook(hook),
        unauthorized_role: None,
        ..AuthConfig::default()
    })
    .unwrap()
}

fn user() -> Reply {
    Reply::json(&json!({"X-Hasura-Role": "user", "X-Hasura-User-Id": "7"}))
}

#[tokio::test]
async fn get_passes_headers_on() {
    let service = Service::start(user()).await;
    let auth = auth(&service, HookMethod::Get);
    let sent = [
        ("authorization", "Bearer t"),
        ("cookie", "a=1"),
        ("x-custom", "c"),
        ("x-hasura-role", "editor"),
        ("user-agent", "browser"),
        ("origin", "https://a"),
        ("accept", "x"),
        ("content-type", "application/json"),
        ("sec-websocket-key", "k"),
        ("connection", "upgrade"),
    ];
    let found = ask(&auth, &sent).await.unwrap();
    assert_eq!(&*found.identity.role, "user");
    let (request, body) = service.last();
    assert_eq!((request.method.as_str(), body.len()), ("GET", 0));
    for (name, value) in &sent[..4] {
        assert_eq!(request.headers[*name], value);
    }
    for (name, value) in &sent[4..] {
        assert!(request.headers.get(*name).is_none_or(|found| found != value), "{name}");
    }
    // The secret goes past it, and a wrong one never reaches it.
    assert!(ask(&auth, &[("x-hasura-admin-secret", "root")]).await.unwrap().identity.is_admin());
    let wrong = ask(&auth, &[("x-hasura-admin-secret", "x")]).await.unwrap_err();
    assert_eq!((wrong, service.count()), (AuthError::SecretWrong, 1));
}

#[tokio::test]
async fn post_passes_headers_and_the_request_on() {
    let service = Service::start(user()).await;
    let auth = auth(&service, HookMethod::Post);
    assert!(auth.reads_requests());
    let sent = credentials(&auth, &[("user-agent", "browser"), ("authorization", "Bearer t")]);
    let request = Bytes::from_static(b"{\"query\":\"{a}\"}");
    auth.authenticate(&sent, Some(&request)).await.unwrap();
    let (head, body) = service.last();
    assert_eq!(head.method, "POST");
    assert!(!head.headers.contains_key("authorization"));
    let body: Value = serde_json::from_slice(&body).unwrap();
    let headers = json!({"user-agent": "browser", "authorization": "Bearer t"});
    assert_eq!(body, json!({"headers": headers, "request": {"query": "{a}"}}));
    auth.authenticate(&sent, Some(&Bytes::from_static(b"no json"))).await.unwrap();
    let body: Value = serde_json::from_slice(&service.last().1).unwrap();
    assert_eq!(body["request"], Value::Null);
}

#[tokio::test]
async fn the_request_stays_here_if_that_is_wanted() {
    let service = Service::start(user()).await;
    let mut hook = WebhookConfig::new(&service.url(), HookMethod::Post).unwrap();
    assert!(hook.send_request, "the default");
    hook.send_request = false;
    let config = AuthConfig { mode: Mode::Webhook(hook), ..AuthConfig::default() };
    let auth = Auth::start(config).unwrap();
    assert!(!auth.reads_requests());
    let sent = credentials(&auth, &[("authorization", "Bearer t")]);
    let request = Bytes::from_static(b"{\"query\":\"{a}\"}");
    auth.authenticate(&sent, Some(&request)).await.unwrap();
    let body: Value = serde_json::from_slice(&service.last().1).unwrap();
    assert_eq!(body, json!({"headers": {"authorization": "Bearer t"}}));
}

#[tokio::test]
async fn faults_are_errors_and_never_admin() {
    let admin = json!({"x-hasura-role": "admin"}).to_string();
    let rows = [
        (Reply::Say(401, vec![], admin.clone()), AuthError::HookRefused),
        (Reply::Silence, AuthError::HookFailed),
        (Reply::Say(200, vec![], format!("{admin}{}", " ".repeat(1 << 20))), AuthError::HookFailed),
    ];
    for method in [HookMethod::Get, HookMethod::Post] {
        for (reply, expected) in rows.clone() {
            let service = Service::start(reply).await;
            let error = ask(&auth(&service, method), &[("a", "b")]).await.unwrap_err();
            assert_eq!(error, expected);
        }
        let odd = [
            Reply::Say(500, vec![], admin.clone()),
            Reply::Say(302, vec![("location", "/".into())], admin.clone()),
            Reply::Say(200, vec![], "<html>".into()),
        ];
        for reply in odd {
            let service = Service::start(reply).await;
            let error = ask(&auth(&service, method), &[("a", "b")]).await.unwrap_err();
            assert!(matches!(error, AuthError::HookAnswer(_)), "{error:?}");
        }
    }
    // A port that nobody listens on.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", free.local_addr().unwrap());
    drop(free);
    let gone = Auth::start(AuthConfig {
        mode: Mode::Webhook(WebhookConfig::new(&url, HookMethod::Get).unwrap()),
        ..AuthConfig::default()
    });
    assert_eq!(ask(&gone.unwrap(), &[]).await.unwrap_err(), AuthError::HookFailed);
}

#[tokio::test]
async fn a_burst_of_equal_clients_is_one_question() {
    let service = Service::start(user()).await;
    let gate = service.hold();
    let auth = Arc::new(auth(&service, HookMethod::Get));
    let asked: Vec<_> = (0..1000)
        .map(|n| {
            let auth = auth.clone();
            tokio::spawn(async move {
                // They differ in what names the request.
                let id = n.to_string();
                let sent = [("authorization", "Bearer t"), ("x-request-id", id.as_str())];
                ask(&auth, &sent).await.map(|found| found.identity.role.to_string())
            })
        })
        .collect();
    service.requests(1).await;
    let other = ask(&auth, &[("authorization", "Bearer u")]);
    let release = async {
        service.requests(2).await;
        gate.notify_one();
    };
    let (other, ()) = tokio::join!(other, release);
    other.unwrap();
    for one in asked {
        assert_eq!(one.await.unwrap().unwrap(), "user");
    }
    assert_eq!(service.count(), 2);
    // Nothing is kept that does not say for how long.
    gate.notify_one();
    ask(&auth, &[("authorization", "Bearer t")]).await.unwrap();
    assert_eq!(service.count(), 3);
}

#[tokio::test]
async fn answers_are_kept_as_long_as_they_say() {
    let answer = json!({"x-hasura-role": "user", "cache-control": "max-age=600"});
    let cookie = vec![("set-cookie", "a=1".to_owned())];
    let service = Service::start(Reply::Say(200, cookie, answer.to_string())).await;
    let auth = auth(&service, HookMethod::Get);
    let first = ask(&auth, &[("authorization", "t")]).await.unwrap();
    assert_eq!(first.set_cookies[0], "a=1");
    assert!(first.expires.is_some());
    let second = ask(&auth, &[("authorization", "t")]).await.unwrap();
    assert_eq!((second.set_cookies.len(), second.expires), (0, first.expires));
    assert_eq!(service.count(), 1);
    // Others are asked about on their own.
    service.say(Reply::Say(401, vec![], String::new()));
    for sent in [vec![("authorization", "T")], vec![("authorization", "t"), ("x-a", "1")], vec![]] {
        assert_eq!(ask(&auth, &sent).await.unwrap_err(), AuthError::HookRefused);
    }
}

#[tokio::test]
async fn an_answer_that_expires_on_its_way_does_not_last_forever() {
    // Dates of HTTP have whole seconds.
    let expires = std::time::SystemTime::now() + std::time::Duration::from_millis(1500);
    let date = httpdate::fmt_http_date(expires);
    let expires = httpdate::parse_http_date(&date).unwrap();
    let answer = json!({"x-hasura-role": "user", "expires": date});
    let service = Service::start(Reply::json(&answer)).await;
    let gate = service.hold();
    let hook = WebhookConfig::new(&service.url(), HookMethod::Get).unwrap();
    let config = AuthConfig { mode: Mode::Webhook(hook), ..AuthConfig::default() };
    let auth = Auth::start(config).unwrap();
    let release = async {
        service.requests(1).await;
        while let Ok(left) = expires.duration_since(std::time::SystemTime::now()) {
            tokio::time::sleep(left).await;
        }
        gate.notify_one();
    };
    let (found, ()) = tokio::join!(ask(&auth, &[("authorization", "t")]), release);
    let found = found.unwrap().expires.unwrap();
    assert!(found <= expires + std::time::Duration::from_millis(1), "{found:?} {expires:?}");
}
