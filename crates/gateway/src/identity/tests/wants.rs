use artesian_engine::Wants as _;
use http::HeaderMap;
use serde_json::json;

use super::{
    super::{CookieNames, WantedHeaders, Wants},
    rules,
};

fn names(list: &[&str]) -> Vec<http::HeaderName> {
    list.iter().map(|name| name.parse().unwrap()).collect()
}

#[test]
fn only_what_rules_look_at_is_wanted() {
    let nothing = rules(&json!({"set": {"a": "b"}}), &json!({"connection_init": "none"})).wants();
    assert!(nothing.is_nothing());
    let some = rules(
        &json!({
            "forward": ["x-b", {"from": "x-a", "to": "x-z"}],
            "set": {"u": "{{headers.x-c}} {{claims.tenant.id}}", "v": "{{session.x-hasura-role}}"},
            "cookies": ["c"],
        }),
        &json!({"payload": {"t": "{{claims.tenant}}", "s": "{{claims.sub}}", "h": "{{headers.X-A}}"}}),
    );
    let expected = Wants {
        headers: WantedHeaders::Named(names(&["x-a", "x-b", "x-c"])),
        cookies: CookieNames::Named(vec!["c".into()]),
        init_payload: true,
        claims: vec!["sub".into(), "tenant".into()],
    };
    assert_eq!(some.wants(), expected);
    let payload =
        rules(&json!({"set": {"u": "{{connection_init.t}}"}}), &json!({"protocol": "sse"}));
    assert_eq!(payload.wants(), Wants { init_payload: true, ..Wants::default() });
    let all = rules(
        &json!({"forward": "*", "set": {"u": "{{headers.accept-language}}"}, "cookies": "*"}),
        &json!({"connection_init": "none"}),
    );
    let both = nothing.union(all.wants()).union(some.wants());
    let kept = names(&["accept-language", "x-a", "x-b", "x-c"]);
    assert_eq!(both.headers, WantedHeaders::All(kept));
    assert_eq!((both.cookies, both.init_payload), (CookieNames::All, true));
}

#[test]
fn what_is_wanted_is_kept() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("authorization", "t"),
        ("x-a", "1"),
        ("x-a", "2"),
        ("x-hop", "h"),
        ("connection", "upgrade, X-Hop"),
        ("host", "h"),
        ("accept-language", "de"),
        ("cookie", "c=1; d=2"),
        ("cookie", "e=3"),
        ("x-hasura-admin-secret", "s"),
    ] {
        headers.append(name, value.parse().unwrap());
    }
    let shown = |wants: &Wants, cookies| {
        let kept = wants.headers(&headers, cookies);
        let mut kept: Vec<String> =
            kept.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        kept.sort();
        kept
    };
    let named = rules(&json!({"forward": ["x-a", "x-hop"], "cookies": ["d"]}), &json!({})).wants();
    assert_eq!(shown(&named, true), ["cookie: d=2", "x-a: 1", "x-a: 2"]);
    assert_eq!(shown(&named, false), ["x-a: 1", "x-a: 2"]);
    let all = rules(&json!({"forward": "*"}), &json!({})).wants();
    assert_eq!(shown(&all, true), ["authorization: t", "x-a: 1", "x-a: 2"]);
    let language = rules(&json!({"set": {"l": "{{headers.accept-language}}"}}), &json!({})).wants();
    let all = all.union(language);
    assert_eq!(shown(&all, true)[0], "accept-language: de");
    assert_eq!(shown(&Wants::default(), true), [""; 0]);
    // Cookies come by their names, whatever else is wanted.
    let cookie = WantedHeaders::Named(names(&["cookie"]));
    let cookie = Wants { headers: cookie, ..Wants::default() };
    assert_eq!((shown(&cookie, true), shown(&cookie, false)), (Vec::new(), Vec::new()));
}
