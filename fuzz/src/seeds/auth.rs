//! First inputs of the targets of authentication.

use crate::credentials::{EVERYTHING, NO_COOKIES};
use crate::tokens::{ALGORITHMS, MADE, RAW, signed};

/// Patterns, origins and hosts that differ in one thing.
pub fn origins() -> Vec<Vec<u8>> {
    const PATTERNS: [&str; 9] = [
        "https://app.example.com",
        "https://*.example.com",
        "https://*.example.com:8443/",
        "http://localhost:3000",
        "http://[::1]:3000",
        "http://127.0.0.1",
        "capacitor://localhost",
        "https://xn--bcher-kva.example",
        "https://app.example.com:443",
    ];
    const ORIGINS: [&str; 22] = [
        "https://app.example.com",
        "https://APP.example.com:443",
        "https://app.example.com.",
        "https://app.example.com:8443",
        "https://a.b.example.com",
        "https://example.com",
        "http://localhost:3000",
        "http://[::1]:3000",
        "http://[0:0::1]:3000",
        "http://[::ffff:1.2.3.4]",
        "http://127.0.0.1",
        "http://127.1",
        "http://0x7f.1",
        "capacitor://localhost",
        "null",
        "https://user:word@app.example.com",
        "https://app.example.com/",
        "https://app.example.com?.example.com",
        "https://bücher.example",
        "https://xn--bcher-kva.example",
        "https://a_b.example.com:0",
        "https://app.example.com:065535",
    ];
    const HOSTS: [&str; 5] =
        ["app.example.com", "APP.example.com:443", "localhost:3000", "[::1]:3000", "127.0.0.1:80"];
    let of = |list: &[&'static str], i: usize| list[i % list.len()];
    (0..44)
        .map(|i| {
            format!("{}\n{}\n{}", of(&PATTERNS, i), of(&ORIGINS, i), of(&HOSTS, i)).into_bytes()
        })
        .collect()
}

/// Headers and payloads of `connection_init`.
pub fn credentials() -> Vec<Vec<u8>> {
    const HEADERS: [&[u8]; 12] = [
        b"",
        b"authorization: Bearer t",
        b"Authorization: Bearer t\nauthorization: Bearer u",
        b"x-hasura-admin-secret: s3cret\nx-hasura-role: user\nX-Hasura-User-Id: 7",
        b"x-artesian-admin-secret: s3cre\nx-hasura-access-key: s3cret",
        b"x-hasura-admin-secret: s3cret\nx-hasura-role: ",
        b"cookie: session=t; a=\"1\"\ncookie: b=2",
        b"cookie: session=t; session=u;;= ;\xfc=1",
        b"cookie: a = 1 ; A=2; session=\"x",
        b"x-hasura-user-id: J\xc3\xbcrgen\nx-hasura-vip: \xff",
        b"sec-websocket-key: k\nconnection: upgrade\naccept: a\naccept: b\nx-request-id: 1",
        b"x-hasura-role: a\nx-hasura-role: a\nx-hasura-admin-secret: s3cret",
    ];
    const PAYLOADS: [&str; 16] = [
        "{}",
        "null",
        r#"{"headers":{"Authorization":"Bearer t","x-hasura-role":"user"}}"#,
        r#"{"connectionParams":{"token":"t","headers":{"X-Hasura-User-Id":7}}}"#,
        r#"{"connectionParams":{"authorization":"a"},"authorization":"b"}"#,
        r#"{"authorization":"a","authorization":"b"}"#,
        r#"{"headers":{"authorization":"a"},"Headers":{"AUTHORIZATION":"a"}}"#,
        r#"{"headers":{"x-hasura-admin-secret":"s3cret","cookie":"session=t"}}"#,
        r#"{"x-hasura-vip":true,"x-hasura-list":[1],"x-hasura-n":-1.50e3,"x-hasura-o":{}}"#,
        r#"{"x-hasura-text":"\u0000","headers":{"x-hasura-\u0061":"\ud834\udd1e"}}"#,
        r#"{"connectionParams":{"connectionParams":{"token":"t"},"token":7}}"#,
        r#"{"headers":"x","connectionParams":null,"token":"t"}"#,
        r#" { "headers" : { "authorization" : null } } "#,
        r#"{"connectionParams":{"token":"a","token":"b"}}"#,
        r#"{"x-hasura-role":"\uD800"}"#,
        "[",
    ];
    (0..48)
        .map(|i| {
            let flags = [0, EVERYTHING, NO_COOKIES, EVERYTHING | NO_COOKIES][i % 4];
            let head = HEADERS[(i + i / 12) % HEADERS.len()];
            let payload = PAYLOADS[i % PAYLOADS.len()].as_bytes();
            [&[flags][..], head, b"\n\n", payload].concat()
        })
        .collect()
}

/// Tokens that are good, those that nearly are, and claims to make some of.
pub fn tokens() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for (at, algorithm) in ALGORITHMS.iter().enumerate().filter(|(_, name)| **name != "set") {
        let token = signed(algorithm);
        for keys in [at, ALGORITHMS.len() - 1] {
            all.push([&[keys as u8, RAW][..], token.as_bytes()].concat());
        }
    }
    const MADES: [(&str, &str, &str); 18] = [
        ("", r#"{"sub":"7"}"#, ""),
        ("", r#"{"aud":"shop","iss":"us","exp":1780000100}"#, "0101 2a01"),
        ("", r#"{"aud":["x","bar"],"iss":"us","nbf":1780000010,"exp":1e300}"#, "ffff"),
        ("", r#"{"aud":"shop","iss":"us","exp":-1,"iat":"x"}"#, ""),
        ("", r#"{"aud":"shop","iss":"us","exp":1779999990.5,"nbf":0.5}"#, ""),
        ("", r#"{"aud":"shop","aud":"bar","iss":["us"]}"#, ""),
        ("", "[]", ""),
        ("", "{", ""),
        (r#"{"alg":"none"}"#, "{}", ""),
        (r#"{"alg":"HS384"}"#, "{}", ""),
        (r#"{"alg":"RS256"}"#, "{}", ""),
        (r#"{"alg":"HS256","kid":"HS256"}"#, "{}", ""),
        (r#"{"alg":"HS256","crit":["exp"]}"#, "{}", ""),
        (r#"{"alg":"HS256","alg":"none"}"#, "{}", ""),
        (r#"{"alg":"hs256"}"#, "{}", ""),
        (r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AA"},"x5u":"http://a"}"#, "{}", ""),
        (
            "",
            r#"{"aud":"shop","iss":"us","https://hasura.io/jwt/claims":{"x-hasura-default-role":"user","x-hasura-allowed-roles":["user","b"],"X-Hasura-User-Id":7,"X-Hasura-user-id":"8"}}"#,
            "",
        ),
        (
            "",
            r#"{"aud":"shop","iss":"us","https://hasura.io/jwt/claims":{"x-hasura-default-role":"","x-hasura-allowed-roles":[1],"x-hasura-vip":true,"other":[]}}"#,
            "",
        ),
    ];
    for (i, (header, claims, changes)) in MADES.iter().enumerate() {
        let keys = if i % 5 == 4 { i % ALGORITHMS.len() } else { 0 };
        let text = format!("{header}\n{claims}\n{changes}");
        all.push([&[keys as u8, MADE][..], text.as_bytes()].concat());
    }
    all
}
