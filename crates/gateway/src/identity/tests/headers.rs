use serde_json::json;

use super::{super::IdentityError, Client, pairs, rules, shown};

#[test]
fn only_what_is_named_is_sent_on() {
    let rules = rules(
        &json!({"forward": ["x-a", {"from": "x-token", "to": "authorization"}, "authorization"]}),
        &json!({}),
    );
    let client = Client::default().header("x-a", "1").header("x-b", "2").header("cookie", "s=1");
    assert_eq!(shown(&client.request(&rules).unwrap()), pairs(&[("x-a", "1")]));
    // The first rule whose header was sent counts, whatever the order at the client.
    let both = client.header("authorization", "late").header("x-token", "early");
    let sent = both.request(&rules).unwrap();
    assert_eq!(shown(&sent), pairs(&[("authorization", "early"), ("x-a", "1")]));
    assert_eq!(shown(&both.subscription(&rules).unwrap()), shown(&sent));
    assert!(Client::default().request(&rules).unwrap().headers().is_empty());
}

#[test]
fn all_is_all_of_the_clients_own() {
    let rules = rules(
        &json!({"forward": "*", "set": {"x-gateway": "g", "x-user": "{{session.x-hasura-user-id}}"}}),
        &json!({}),
    );
    let mut client = Client::default().header("authorization", "t").header("x-a", "1");
    for name in [
        "host",
        "connection",
        "upgrade",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "content-type",
        "content-length",
        "content-language",
        "accept",
        "accept-encoding",
        "accept-language",
        "cookie",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "expect",
        "proxy-authorization",
        "if-none-match",
        "range",
        "x-hasura-admin-secret",
        "x-hasura-access-key",
        "x-artesian-admin-secret",
        "x-graphql-event-stream-token",
        // Nobody can take the gateway's place.
        "x-gateway",
        "x-user",
    ] {
        client = client.header(name, "forged");
    }
    let sent = client.request(&rules).unwrap();
    assert_eq!(shown(&sent), pairs(&[("authorization", "t"), ("x-a", "1")]));
    assert_eq!(shown(&client.subscription(&rules).unwrap()), shown(&sent));
    let known = client.session("x-hasura-user-id", "7").request(&rules).unwrap();
    assert!(shown(&known).contains(&("x-user".to_owned(), "7".to_owned())));
}

#[test]
fn a_secret_goes_where_a_rule_names_it() {
    let rules = rules(&json!({"forward": ["x-hasura-admin-secret"]}), &json!({}));
    let client = Client::default().header("x-hasura-admin-secret", "s");
    assert_eq!(client.request(&rules).unwrap().headers().len(), 1);
}

#[test]
fn templates_are_filled_or_their_header_is_left_out() {
    let rules = rules(
        &json!({"set": {
            "x-user": "{{session.x-hasura-user-id}}",
            "x-tenant": "{{claims.tenant.id}}-{{ claims[\"https://a.b/c\"].d }}",
            "x-second": "{{claims.list.1}}",
            "x-object": "{{claims.tenant}}",
            "x-auth": "Bearer {{connection_init.token}}",
            "x-agent": "{{headers.User-Agent}}",
            "x-fixed": "fixed",
        }}),
        &json!({}),
    );
    assert!(Client::default().request(&rules).unwrap().headers().is_empty());
    let client = Client::default()
        .session("x-hasura-user-id", "ü 7")
        .claims(&json!({"tenant": {"id": 1.50}, "https://a.b/c": {"d": true}, "list": ["a", "b"]}))
        .init(r#"{"token": "t"}"#)
        .header("user-agent", "u");
    let expected = [
        ("x-agent", "u"),
        ("x-auth", "Bearer t"),
        ("x-object", r#"{"id":1.5}"#),
        ("x-second", "b"),
        ("x-tenant", "1.5-true"),
        ("x-user", "ü 7"),
    ];
    assert_eq!(shown(&client.request(&rules).unwrap()), pairs(&expected));
    for claims in [json!({"tenant": {"id": null}}), json!({"tenant": "id"}), json!([1]), json!(7)] {
        let client = Client::default().claims(&claims);
        let sent = shown(&client.request(&rules).unwrap());
        assert!(!sent.iter().any(|(name, _)| name == "x-tenant"), "{claims}");
    }
}

#[test]
fn what_no_header_can_carry_is_refused() {
    let rules = rules(
        &json!({
            "forward": ["x-a"],
            "set": {"x-user": "{{session.x-hasura-user-id}}", "x-auth": "{{connection_init.t}}"},
        }),
        &json!({}),
    );
    for evil in ["a\r\nx-admin: 1", "a\nb", "a\0", "\u{7f}", "a\rb"] {
        let error =
            Client::default().session("x-hasura-user-id", evil).request(&rules).unwrap_err();
        assert_eq!(error, IdentityError::IllegalValue("x-user".parse().unwrap()));
        for member in ["t", "x-a"] {
            let payload = json!({ member: evil }).to_string();
            assert!(Client::default().init(&payload).request(&rules).is_err(), "{payload}");
        }
    }
    let long = "x".repeat(super::super::MAX_HEADER_BYTES + 1);
    let error = Client::default().session("x-hasura-user-id", &long).request(&rules).unwrap_err();
    assert_eq!(error, IdentityError::TooLong("x-user".parse().unwrap()));
    assert!(!error.to_string().contains("xxx"));
}

#[test]
fn a_header_that_came_twice_goes_once_or_not_at_all() {
    let rules = rules(&json!({"forward": ["authorization", "x-a"]}), &json!({}));
    let one = Client::default().header("x-a", "1").header("x-a", "1").header("x-a", "2");
    assert_eq!(shown(&one.request(&rules).unwrap()), pairs(&[("x-a", "1, 2")]));
    let twice = Client::default().header("authorization", "a").header("authorization", "b");
    let error = twice.request(&rules).unwrap_err();
    assert_eq!(error, IdentityError::TwoValues("authorization".to_owned()));
    let same = Client::default().header("authorization", "a").header("authorization", "a");
    assert_eq!(same.request(&rules).unwrap().headers().len(), 1);
}

#[test]
fn cookies_are_passed_on_by_name() {
    let named = rules(&json!({"cookies": ["session", "other"]}), &json!({}));
    let client = Client::default()
        .header("cookie", "a=1; session=s=1 ;session=s=1; Session=x")
        .header("cookie", "b; other=\"o\"; =; sessions=2");
    let sent = shown(&client.request(&named).unwrap());
    assert_eq!(sent, pairs(&[("cookie", "session=s=1; other=\"o\"")]));
    assert_eq!(shown(&client.subscription(&named).unwrap()), sent);
    let all = rules(&json!({"cookies": "*"}), &json!({}));
    let sent = shown(&client.request(&all).unwrap());
    let expected = "a=1; session=s=1; Session=x; other=\"o\"; sessions=2";
    assert_eq!(sent, pairs(&[("cookie", expected)]));
    let twice = Client::default().header("cookie", "session=a; session=b; x=1; x=2");
    assert!(matches!(twice.request(&named), Err(IdentityError::TwoValues(_))));
    assert_eq!(shown(&twice.request(&all).unwrap()).len(), 1);
    assert!(
        Client::default().header("cookie", "a=1").request(&named).unwrap().headers().is_empty()
    );
    // Who forwards all headers does not forward cookies.
    let headers = rules(&json!({"forward": "*"}), &json!({}));
    assert!(client.request(&headers).unwrap().headers().is_empty());
}

#[test]
fn a_browsers_headers_are_in_its_payload() {
    let forward = json!({"forward": ["authorization", {"from": "x-n", "to": "n"}]});
    let named = rules(&forward, &json!({}));
    let socket = rules(&forward, &json!({"protocol": "graphql-transport-ws"}));
    for payload in [
        r#"{"Authorization": "new", "x-n": 7}"#,
        r#"{"headers": {"authorization": "new", "X-N": 7}, "authorization": "old"}"#,
        r#"{"Headers": {"authorization": "new"}, "x-n": 7, "x-other": 1}"#,
    ] {
        // Authentication takes the payload before the upgrade's header: they must not differ.
        let client = Client::default().header("authorization", "old").init(payload);
        let sent = shown(&client.request(&named).unwrap());
        assert_eq!(sent, pairs(&[("authorization", "new"), ("n", "7")]), "{payload}");
        // A subscription has the payload as such; where it is not known whether there is a place for it,
        // the headers too.
        let sent = client.subscription(&named).unwrap();
        assert_eq!(shown(&sent), pairs(&[("authorization", "new"), ("n", "7")]));
        assert_eq!(sent.init_payload(), client.init_payload.as_ref());
        let sent = client.subscription(&socket).unwrap();
        assert_eq!(shown(&sent), pairs(&[("authorization", "old")]));
        assert_eq!(sent.init_payload(), client.init_payload.as_ref());
    }
    let sse = rules(&json!({"forward": ["authorization"]}), &json!({"protocol": "sse"}));
    let client = Client::default().init(r#"{"authorization": "new"}"#);
    let sent = client.subscription(&sse).unwrap();
    assert_eq!((shown(&sent), sent.init_payload()), (pairs(&[("authorization", "new")]), None));
    // Only `headers` are headers where nobody names any.
    let all = rules(&json!({"forward": "*"}), &json!({}));
    let payload =
        r#"{"lazy": true, "headers": {"X-A": "1", "x-hasura-admin-secret": "s", "host": "h"}}"#;
    let client = Client::default().header("x-a", "2").header("x-b", "3").init(payload);
    assert_eq!(shown(&client.request(&all).unwrap()), pairs(&[("x-a", "1"), ("x-b", "3")]));
    let two = Client::default().init(r#"{"headers": {"X-A": "1", "x-a": "2"}}"#);
    assert!(matches!(two.request(&all), Err(IdentityError::TwoValues(_))));
}
