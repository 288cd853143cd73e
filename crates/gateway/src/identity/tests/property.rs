//! Whatever a client says, only what the rules name goes on, and what they name tells clients apart.

use std::collections::BTreeSet;

use artesian_engine::Wants as _;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    super::{IdentityRules, names, template::Template},
    Client, rules,
};

const NAMES: [&str; 16] = [
    "authorization",
    "x-a",
    "x-b",
    "x-token",
    "x-gateway",
    "x-user",
    "host",
    "connection",
    "cookie",
    "content-type",
    "accept",
    "sec-websocket-key",
    "x-hasura-admin-secret",
    "x-hasura-role",
    "transfer-encoding",
    "te",
];

/// Rules, and the names that they may send; `None`: all but some.
fn all_rules() -> Vec<(IdentityRules, Option<Vec<&'static str>>)> {
    let set = json!({
        "x-gateway": "g", "x-user": "{{session.x-hasura-user-id}}", "x-t": "{{claims.t}}/{{claims.u.v}}",
        "x-i": "{{connection_init.token}}",
    });
    let named = json!({
        "forward": ["authorization", {"from": "x-token", "to": "x-b"}], "set": set, "cookies": ["s"],
    });
    let all = json!({"forward": "*", "set": set, "cookies": "*"});
    let template = json!({"payload": {"a": "{{connection_init.token}}", "b": "{{headers.x-a}}", "c": "{{connection_init}}"}});
    let mut found = Vec::new();
    for subscriptions in [
        json!({}),
        json!({"connection_init": "extension"}),
        json!({"connection_init": "extension", "forward_headers": true}),
        json!({"connection_init": "none"}),
        json!({"protocol": "sse"}),
        template,
    ] {
        let mine = vec!["authorization", "x-b", "x-user", "x-t", "x-i", "cookie"];
        found.push((rules(&named, &subscriptions), Some(mine)));
        found.push((rules(&all, &subscriptions), None));
        found.push((rules(&json!({}), &subscriptions), Some(Vec::new())));
    }
    found
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,12}", "[a-c]{0,2}", "(s=[ab]; ?){1,3}[a-z;= ]{0,6}", "\\PC{0,6}"]
}

/// Values that no header can carry among them.
fn wild() -> impl Strategy<Value = String> {
    prop_oneof![4 => value(), 1 => "[a-z\r\n\0\t]{0,8}"]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        wild().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    let key = prop_oneof![
        prop::sample::select(&NAMES[..]).prop_map(str::to_owned),
        prop::sample::select(vec!["headers", "token", "t", "u", "v", "X-A", "connectionParams"])
            .prop_map(str::to_owned),
        "[a-z]{0,3}",
    ];
    leaf.prop_recursive(3, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

prop_compose! {
    fn client()(
        headers in prop::collection::vec((prop::sample::select(&NAMES[..]), value()), 0..8),
        init in prop::option::of(json_value()),
        claims in prop::option::of(json_value()),
        user in prop::option::of(wild()),
    ) -> Client {
        let mut client = Client::default();
        for (name, value) in headers {
            if http::HeaderValue::from_bytes(value.as_bytes()).is_ok() {
                client = client.header(name, &value);
            }
        }
        if let Some(init) = init {
            client = client.init(&init.to_string());
        }
        if let Some(claims) = claims {
            client = client.claims(&claims);
        }
        if let Some(user) = user {
            client = client.session("x-hasura-user-id", &user);
        }
        client
    }
}

fn has_secret(value: &Value, levels: usize) -> bool {
    value.as_object().is_some_and(|members| {
        members.iter().any(|(name, value)| {
            names::SECRETS.contains(&name.to_ascii_lowercase().as_str())
                || levels > 1 && has_secret(value, levels - 1)
        })
    })
}

proptest! {
    #[test]
    fn any_text_is_a_template_or_none(text in "[{}a-z.\\[\"\\] é]{0,24}|\\{\\{(claims|headers)\\PC{0,12}\\}\\}") {
        let Ok(template) = text.parse::<Template>() else { return Ok(()) };
        for path in template.paths() {
            prop_assert!(path.segments().iter().all(|segment| !segment.is_empty()));
        }
        // Where there is no place the text is what was written.
        if let Some(constant) = template.constant() {
            prop_assert_eq!(constant, text);
        }
    }

    #[test]
    fn nothing_goes_beyond_the_rules(client in client()) {
        for (rules, allowed) in all_rules() {
            for sent in [client.request(&rules), client.subscription(&rules)] {
                let Ok(sent) = sent else { continue };
                let mut seen = BTreeSet::new();
                for (name, value) in sent.headers() {
                    prop_assert!(seen.insert(name.as_str().to_owned()), "{name} twice");
                    prop_assert!(!value.as_bytes().iter().any(|byte| b"\r\n\0".contains(byte)));
                    prop_assert!(!names::is_of_connection(name));
                    prop_assert!(!names::SECRETS.contains(&name.as_str()));
                    prop_assert_ne!(name.as_str(), "x-gateway");
                    if let Some(allowed) = &allowed {
                        prop_assert!(allowed.contains(&name.as_str()), "{name}");
                    }
                }
                for payload in [sent.init_payload(), sent.operation_payload()].into_iter().flatten() {
                    let value: Value = serde_json::from_slice(payload).unwrap();
                    prop_assert!(value.is_object());
                    prop_assert!(!has_secret(&value, 4), "{value}");
                }
                prop_assert!(sent.init_payload().is_none() || sent.operation_payload().is_none());
            }
            // The same words, the same credentials.
            let again = client.clone();
            prop_assert_eq!(client.request(&rules), again.request(&rules));
            prop_assert_eq!(client.subscription(&rules), again.subscription(&rules));
        }
    }

    #[test]
    fn what_is_kept_is_enough(client in client()) {
        for (rules, _) in all_rules() {
            let mut map = http::HeaderMap::new();
            for (name, value) in &client.headers {
                // That one says which others are not the client's own.
                if name != "connection" {
                    map.append(name, value.clone());
                }
            }
            let wants = rules.wants();
            let kept = Client {
                headers: wants.headers(&map, true),
                init_payload: client.init_payload.clone().filter(|_| wants.init_payload),
                claims: client.claims.as_ref().and_then(|claims| {
                    let claims: Value = serde_json::from_slice(claims).ok()?;
                    let kept = |(name, _): &(&String, &Value)| wants.claims.iter().any(|w| **w == **name);
                    let claims = claims.as_object()?.iter().filter(kept);
                    let claims: Map<_, _> = claims.map(|(n, v)| (n.clone(), v.clone())).collect();
                    Some(Value::Object(claims).to_string().into())
                }),
                ..client.clone()
            };
            // Two cookies of one name are refused in either case.
            prop_assert_eq!(kept.request(&rules).ok(), client.request(&rules).ok());
            prop_assert_eq!(kept.subscription(&rules).ok(), client.subscription(&rules).ok());
        }
    }

    #[test]
    fn clients_are_alike_if_and_only_if_what_is_used_is(
        a in prop::array::uniform6(prop::option::of("[a-c]{1,2}")),
        b in prop::array::uniform6(prop::option::of("[a-c]{1,2}")),
        noise in prop::array::uniform2("[a-z]{0,3}"),
        is_same in any::<bool>(),
    ) {
        let b = if is_same { a.clone() } else { b };
        let client = |words: &[Option<String>; 6], noise: &str| {
            let [token, auth, user, tenant, cookie, init] = words;
            let mut client = Client::default().header("x-noise", noise);
            let mut cookies = format!("noise={noise}");
            for (name, value) in [("authorization", auth), ("x-token", token)] {
                if let Some(value) = value {
                    client = client.header(name, value);
                }
            }
            if let Some(value) = user {
                client = client.session("x-hasura-user-id", value);
            }
            if let Some(value) = tenant {
                client = client.claims(&json!({"tenant": value, "noise": noise}));
            }
            if let Some(value) = cookie {
                cookies.push_str(&format!("; s={value}"));
            }
            if let Some(value) = init {
                client = client.init(&json!({ "token": value }).to_string());
            }
            client.header("cookie", &cookies).session("x-hasura-noise", noise)
        };
        let headers = json!({
            "forward": ["authorization", "x-token"], "cookies": ["s"],
            "set": {"x-user": "{{session.x-hasura-user-id}}", "x-tenant": "{{claims.tenant}}"},
        });
        let [noise_a, noise_b] = &noise;
        let (one, other) = (client(&a, noise_a), client(&b, noise_b));
        let without_init = |words: &[Option<String>; 6]| words[..5].to_vec();
        for subscriptions in [
            json!({}), json!({"connection_init": "extension", "forward_headers": true}),
        ] {
            let rules = rules(&headers, &subscriptions);
            let alike = one.subscription(&rules).unwrap() == other.subscription(&rules).unwrap();
            prop_assert_eq!(alike, a == b);
            let alike = one.request(&rules).unwrap() == other.request(&rules).unwrap();
            prop_assert_eq!(alike, without_init(&a) == without_init(&b));
        }
    }
}
