use bytes::Bytes;
use serde_json::json;

use super::{Client, rules, shown};

fn text(payload: Option<&Bytes>) -> Option<&str> {
    payload.map(|bytes| std::str::from_utf8(bytes).unwrap())
}

#[test]
fn the_clients_own_goes_as_it_is() {
    let own = "{ \"token\" : \"t\",\"n\":1.50, \"token\":2}";
    let client = Client::default().init(own);
    let sent = client.subscription(&rules(&json!({}), &json!({}))).unwrap();
    assert_eq!((text(sent.init_payload()), sent.operation_payload()), (Some(own), None));
    let extension = rules(&json!({}), &json!({"connection_init": "extension"}));
    let sent = client.subscription(&extension).unwrap();
    assert_eq!((sent.init_payload(), text(sent.operation_payload())), (None, Some(own)));
    let none = rules(&json!({}), &json!({"connection_init": "none"}));
    assert_eq!(client.subscription(&none).unwrap(), artesian_remote::Credentials::none());
    // HTTP has no place for it.
    assert_eq!(client.request(&extension).unwrap(), artesian_remote::Credentials::none());
}

#[test]
fn secrets_of_administrators_stay_here() {
    let plain = rules(&json!({"forward": "*"}), &json!({}));
    let rows = [
        (r#"{"x-hasura-admin-secret":"s","a": 1.50 ,"a":2}"#, r#"{"a":1.50,"a":2}"#),
        (r#"{"X-Hasura-Admin-Secret":"s"}"#, "{}"),
        (
            r#"{"x-hasura-\u0061dmin-secret":"s","b":[{"x-hasura-access-key":1}]}"#,
            r#"{"b":[{"x-hasura-access-key":1}]}"#,
        ),
        (
            r#"{"headers":{"x-hasura-access-key":"s","b":"\u00e9"}}"#,
            r#"{"headers":{"b":"\u00e9"}}"#,
        ),
        (
            r#"{"connectionParams":{"headers":{"x-artesian-admin-secret":"s"}},"c":null}"#,
            r#"{"connectionParams":{"headers":{}},"c":null}"#,
        ),
        (r#" {"headers":{}} "#, r#" {"headers":{}} "#),
    ];
    for (own, expected) in rows {
        let sent = Client::default().init(own).subscription(&plain).unwrap();
        assert_eq!(text(sent.init_payload()), Some(expected), "{own}");
    }
    let named = rules(&json!({"forward": ["x-hasura-admin-secret"]}), &json!({}));
    let own = r#"{"x-hasura-admin-secret":"s"}"#;
    let sent = Client::default().init(own).subscription(&named).unwrap();
    assert_eq!(text(sent.init_payload()), Some(own));
}

#[test]
fn a_template_takes_its_place() {
    let rules = rules(
        &json!({}),
        &json!({"payload": {
            "token": "{{connection_init.token}}", "user": "u-{{session.x-hasura-user-id}}",
            "all": "{{connection_init}}", "tenant": {"id": "{{claims.tenant}}", "n": 1.50},
            "list": ["{{headers.x-a}}", true, null],
        }}),
    );
    let client = Client::default()
        .init(r#"{"token": {"deep": [1.50]}, "x": 1}"#)
        .session("x-hasura-user-id", "7")
        .claims(&json!({"tenant": 12}))
        .header("x-a", "a");
    let expected = concat!(
        r#"{"token":{"deep":[1.50]},"user":"u-7","all":{"token":{"deep":[1.50]},"x":1},"#,
        r#""tenant":{"id":12,"n":1.5},"list":["a",true,null]}"#
    );
    assert_eq!(text(client.subscription(&rules).unwrap().init_payload()), Some(expected));
    // Nobody's words are nobody's: not the gateway's, and not those of who came before.
    let nobody = Client::default().subscription(&rules).unwrap();
    assert_eq!(text(nobody.init_payload()), Some(r#"{"tenant":{"n":1.5},"list":[true,null]}"#));
}

#[test]
fn headers_take_the_place_of_a_payload_that_there_is_not() {
    let headers =
        json!({"forward": ["Authorization", {"from": "x-a", "to": "x-b"}], "cookies": ["c"]});
    let client =
        Client::default().header("authorization", "t\"").header("x-a", "1").header("cookie", "c=1");
    let expected = r#"{"authorization":"t\"","x-b":"1"}"#;
    let sent = client.subscription(&rules(&headers, &json!({}))).unwrap();
    assert_eq!(text(sent.init_payload()), Some(expected));
    assert_eq!(sent.headers().len(), 3);
    // By default a shared socket has nobody's headers.
    let sent = client.subscription(&rules(&headers, &json!({"connection_init": "extension"})));
    let sent = sent.unwrap();
    assert_eq!((text(sent.operation_payload()), sent.headers().len()), (Some(expected), 0));
    let both = json!({"connection_init": "extension", "forward_headers": true});
    assert_eq!(client.subscription(&rules(&headers, &both)).unwrap().headers().len(), 3);
    let neither = json!({"forward_headers": false});
    assert_eq!(client.subscription(&rules(&headers, &neither)).unwrap().headers().len(), 0);
    // Mutations and queries are requests of the client's in any case.
    assert_eq!(client.request(&rules(&headers, &neither)).unwrap().headers().len(), 3);
}

#[test]
fn who_says_nothing_inherits_nothing() {
    let headers = json!({"forward": ["authorization"], "cookies": "*"});
    let nobody = Client::default();
    let sent = nobody.subscription(&rules(&headers, &json!({}))).unwrap();
    assert_eq!(sent, artesian_remote::Credentials::none());
    // Without a payload the operation would be the gateway's own.
    let extension = json!({"connection_init": "extension", "init_payload": {"token": "gateway"}});
    let sent = nobody.subscription(&rules(&headers, &extension)).unwrap();
    assert_eq!((text(sent.operation_payload()), shown(&sent).len()), (Some("{}"), 0));
    // Nor does one who says that there is nothing to say.
    for odd in ["null", "[1]", "7", "", "{}", " { } "] {
        let sent = Client::default().init(odd).subscription(&rules(&headers, &extension)).unwrap();
        assert_eq!(text(sent.operation_payload()), Some("{}"), "{odd}");
    }
    assert!(Client::default().init("{").subscription(&rules(&headers, &extension)).is_err());
}
