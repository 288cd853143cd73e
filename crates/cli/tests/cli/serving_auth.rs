//! `serve` with tokens and webhooks.

use serde_json::json;

use super::{
    checking_auth::{jwk, signed},
    service::{Reply, Service},
    support::{Running, Scratch, get, post},
    tokens::{LONG_SECRET, claims, token},
};

const QUERY: &str = "{ author { id } }";

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\nx-hasura-role: editor\r\n")
}

/// Without metadata other roles than the administrator's see no fields, and that is how they are told
/// from strangers.
#[track_caller]
fn is_let_in(answer: &str) {
    assert!(answer.contains("\"validation-failed\""), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_come_late_are_waited_for() {
    let service = Service::start(Reply::Say(503, vec![], String::new())).await;
    let shop = Scratch::with_shop();
    let url = format!("{}jwks?code=hush-hush", service.url());
    let jwt = json!({ "jwk_url": url }).to_string();
    let (mut server, port) = Running::serve(&shop, &["--jwt-secret", &jwt]);
    let expected = format!("authentication: tokens (keys of {}jwks)", service.url());
    assert!(server.logs.contains(&expected), "{}", server.logs);
    service.requests(1).await;
    assert!(get(port, "/healthz").starts_with("HTTP/1.1 200 "));
    if !server.logs.contains("the answer was 503") {
        server.log("the answer was 503 Service Unavailable; the next attempt is in 1 s");
    }
    assert!(server.logs.contains("WARN"), "{}", server.logs);
    // Nobody gets in meanwhile, and least of all as the administrator.
    assert!(post(port, "", QUERY).contains("in JWT authentication mode"));
    let early = post(port, &bearer(&signed("r", json!({}))), QUERY);
    assert!(early.contains("their keys are not available"), "{early}");
    service.say(Reply::json(&json!({"keys": [jwk("r")]})));
    loop {
        let asked = service.count();
        let answer = post(port, &bearer(&signed("r", json!({}))), QUERY);
        if !answer.contains("their keys are not available") {
            is_let_in(&answer);
            break;
        }
        service.requests(asked + 1).await;
    }
    assert!(post(port, &bearer(&signed("x", json!({}))), QUERY).contains("its key is unknown"));
    server.signal("TERM");
    let (_, logs) = server.end();
    assert!(!logs.contains("hush"), "{logs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_logged_at_any_level() {
    let answer = json!({"x-hasura-role": "editor", "x-hasura-secret": "hush-variable"});
    let service = Service::start(Reply::json(&answer)).await;
    let jwt = json!({"type": "HS256", "key": LONG_SECRET}).to_string();
    let hook = format!("{}who?code=hush-query", service.url());
    let token = token("HS256", &claims(json!({})));
    for (args, mode) in [
        (["--jwt-secret", &jwt], "admin secret, tokens (a key for HS256)"),
        (["--auth-hook", &hook], "admin secret, webhook (GET http://127.0.0.1:"),
    ] {
        let shop = Scratch::with_shop();
        let more = ["--admin-secret", "hush-admin", "--log-level", "trace"];
        let (server, port) = Running::serve(&shop, &[&args[..], &more].concat());
        let expected = format!("authentication: {mode}");
        assert!(server.logs.contains(&expected), "{}", server.logs);
        let cookies = "cookie: session=hush-cookie\r\nx-hasura-user-id: hush-id\r\n";
        is_let_in(&post(port, &format!("{}{cookies}", bearer(&token)), QUERY));
        let admin = post(port, "x-hasura-admin-secret: hush-admin\r\n", QUERY);
        assert!(admin.contains("{\"id\":1}"), "{admin}");
        let wrong = "x-hasura-admin-secret: hush-wrong\r\n";
        assert!(post(port, wrong, QUERY).contains("access-denied"));
        service.say(Reply::Say(500, vec![], "hush-body".into()));
        post(port, &bearer("hush.hush.hush"), QUERY);
        service.say(Reply::json(&answer));
        server.signal("TERM");
        let (_, logs) = server.end();
        assert!(logs.contains("DEBUG"), "{logs}");
        assert!(!logs.contains("hush"), "{logs}");
        assert!(!logs.contains(LONG_SECRET) && !logs.contains(&token), "{logs}");
    }
}

#[test]
fn what_the_server_refuses_ends_it() {
    let shop = Scratch::with_shop();
    let serve = |args: &[&str]| {
        let all = [&["serve", "--listen", "127.0.0.1:0", "--database-url", "sqlite:shop.db"], args];
        shop.run(&all.concat())
    };
    for (args, expected) in [
        (&["--unauthorized-role", "anonymous"][..], "an unauthorized role needs an admin secret"),
        (&["--unauthorized-role", "admin", "--admin-secret", "x"], "must not be admin"),
        (&["--auth-hook", "http://h/", "--unauthorized-role", "r"], "exclude each other"),
    ] {
        let ended = serve(args);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains(expected), "{}", ended.err);
    }
}

#[test]
fn a_door_that_tokens_close_is_not_open() {
    let shop = Scratch::with_shop();
    shop.write("trusted.json", "{}");
    let jwt = json!({"type": "HS256", "key": LONG_SECRET}).to_string();
    let trusted = ["--trusted-documents", "trusted.json", "--trusted-documents-mode", "only"];
    let all = ["--listen", "0.0.0.0:0"];
    let serve = |more: &[&str]| {
        let args =
            [&["serve", "--database-url", "sqlite:shop.db"], &all[..], &trusted, more].concat();
        let mut server = Running::start(&mut shop.artesian(&args));
        server.log("listening on");
        std::mem::take(&mut server.logs)
    };
    let open = serve(&[]);
    for expected in [
        "authentication: none: every client is the administrator",
        "no authentication is set and 0.0.0.0:0",
        "but no authentication is set: every client",
    ] {
        assert!(open.contains(expected), "no {expected:?} in\n{open}");
    }
    let closed = serve(&["--jwt-secret", &jwt]);
    assert!(!closed.contains("no authentication is set"), "{closed}");
}
