//! What `docs/authentication.md` shows works: its settings are read, and tokens of the shapes that it
//! shows are verified with them. Samples are fenced blocks behind a comment, `<!-- test: NAME -->`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod providers;

use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};

use artesian_auth::{Auth, AuthConfig, AuthError, Authenticated, Credentials, error::TokenError};
use http::HeaderMap;
use serde_json::{Value, json};

use self::providers::{PROVIDERS, now};
use super::{auth::doubts, tests::load};

const GUIDE: &str = include_str!("../../../../../docs/authentication.md");
const ADMIN: (&str, &str) = ("ADMIN_SECRET", "an admin secret");

struct Sample {
    name: Option<&'static str>,
    language: &'static str,
    text: String,
}

fn samples() -> Vec<Sample> {
    let mut found = Vec::new();
    let (mut name, mut open): (_, Option<Sample>) = (None, None);
    for line in GUIDE.lines() {
        if let Some(language) = line.strip_prefix("```") {
            match open.take() {
                Some(sample) => found.push(sample),
                None => open = Some(Sample { name: name.take(), language, text: String::new() }),
            }
        } else if let Some(sample) = &mut open {
            sample.text.push_str(line);
            sample.text.push('\n');
        } else if let Some(marked) = line.strip_prefix("<!-- test: ") {
            name = Some(marked.strip_suffix(" -->").expect("a comment in one line"));
        } else {
            assert!(line.is_empty() || name.is_none(), "a sample follows its comment: {line}");
        }
    }
    found
}

fn sample(name: &str) -> String {
    let mut named = samples().into_iter().filter(|sample| sample.name == Some(name));
    let found = named.next().unwrap_or_else(|| panic!("the guide has no sample {name}"));
    assert!(named.next().is_none(), "two samples are {name}");
    found.text
}

fn json_sample(name: &str) -> Value {
    serde_json::from_str(&sample(name)).unwrap()
}

#[test]
fn every_sample_of_settings_is_read_without_warnings() {
    let mut read = 0;
    for sample in samples().iter().filter(|sample| sample.language == "yaml") {
        assert!(sample.name.is_some(), "a sample of settings is not tested:\n{}", sample.text);
        let settings = load(&[], &[ADMIN], &sample.text).unwrap();
        assert_eq!(settings.warnings, [""; 0], "{}", sample.text);
        assert_eq!(doubts(&settings.server), [""; 0], "{}", sample.text);
        read += 1;
    }
    assert!(read >= 9, "{read}");
}

/// `NAME='VALUE'`.
fn from_environment(name: &str) -> AuthConfig {
    let line = sample(name);
    let (variable, value) = line.trim().split_once("='").unwrap();
    let value = value.strip_suffix('\'').unwrap();
    let variables = [(variable, value), ("HASURA_GRAPHQL_ADMIN_SECRET", ADMIN.1)];
    load(&[], &variables, "").unwrap().server.auth
}

fn from_file(name: &str) -> AuthConfig {
    load(&[], &[ADMIN], &sample(name)).unwrap().server.auth
}

#[test]
fn the_environment_and_the_file_say_the_same() {
    for provider in PROVIDERS.map(|provider| provider.name).into_iter().chain(["webhook"]) {
        let mode = from_file(&format!("{provider} yaml")).mode;
        assert!(mode == from_environment(&format!("{provider} env")).mode, "{provider}");
    }
}

async fn ask(auth: &Auth, token: &str, role: Option<&str>) -> Result<Authenticated, AuthError> {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    if let Some(role) = role {
        headers.insert("x-hasura-role", role.parse().unwrap());
    }
    let credentials = Credentials::from_headers(&headers, auth.wanted(), true);
    auth.authenticate(&credentials, None).await
}

fn session(found: &Authenticated) -> Vec<(String, String)> {
    let pairs = found.identity.session.iter();
    pairs.map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

#[tokio::test]
async fn tokens_of_each_provider_are_verified() {
    for provider in &PROVIDERS {
        let name = provider.name;
        let auth = provider.auth(from_file(&format!("{name} yaml"))).await;
        let claims = provider.claims();
        let token = provider.sign(&claims);

        let found = ask(&auth, &token, None).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(session(&found), provider.session(), "{name}");
        let skew = if name == "clerk" { 5 } else { 0 };
        let expires = u64::try_from(claims["exp"].as_i64().unwrap() + skew).unwrap();
        assert_eq!(found.expires, Some(UNIX_EPOCH + Duration::from_secs(expires)), "{name}");

        if let Some(role) = provider.other_role {
            let found = ask(&auth, &token, Some(role)).await.unwrap();
            assert_eq!(&*found.identity.role, role, "{name}");
        }
        let refused = ask(&auth, &token, Some("admin")).await.unwrap_err();
        assert_eq!(refused, AuthError::RoleNotAllowed, "{name}");
        for (claim, error) in [("iss", TokenError::Issuer), ("aud", TokenError::Audience)] {
            let mut foreign = claims.clone();
            foreign[claim] = json!("https://somebody-else.example.com");
            let refused = ask(&auth, &provider.sign(&foreign), None).await.unwrap_err();
            assert_eq!(refused, AuthError::Token(error), "{name}");
        }
        let mut late = claims.clone();
        late["exp"] = json!(now() - 60);
        let refused = ask(&auth, &provider.sign(&late), None).await.unwrap_err();
        assert_eq!(refused, AuthError::Token(TokenError::Expired), "{name}");
    }
}

#[tokio::test]
async fn what_the_guide_warns_of_is_refused() {
    let provider = |name| PROVIDERS.iter().find(|provider| provider.name == name).unwrap();
    // A user of Firebase who has no claims yet.
    let firebase = provider("firebase");
    let auth = firebase.auth(from_file("firebase yaml")).await;
    let mut claims = firebase.claims();
    claims.as_object_mut().unwrap().remove("https://hasura.io/jwt/claims");
    assert!(matches!(
        ask(&auth, &firebase.sign(&claims), None).await.unwrap_err(),
        AuthError::Claims(_)
    ));
    // The key of a Supabase project that may do everything.
    let supabase = provider("supabase");
    let auth = supabase.auth(from_file("supabase yaml")).await;
    let mut claims = supabase.claims();
    claims["role"] = json!("service_role");
    let refused = ask(&auth, &supabase.sign(&claims), None).await.unwrap_err();
    assert_eq!(refused, AuthError::RoleNotAllowed);
    // Somebody without an account there.
    claims["role"] = json!("authenticated");
    claims["is_anonymous"] = json!(true);
    let found = ask(&auth, &supabase.sign(&claims), None).await.unwrap();
    assert_eq!(found.identity.session.get("x-hasura-is-anonymous"), Some("true"));
}

/// Where a name of a Keycloak mapper leads: a dot nests, a backslash takes away what a character
/// means.
fn steps(name: &str) -> Vec<String> {
    let mut steps = vec![String::new()];
    let mut characters = name.chars();
    while let Some(character) = characters.next() {
        match character {
            '.' => steps.push(String::new()),
            '\\' => steps.last_mut().unwrap().extend(characters.next()),
            other => steps.last_mut().unwrap().push(other),
        }
    }
    steps
}

#[tokio::test]
async fn mappers_of_keycloak_make_the_same_claims() {
    let keycloak = &PROVIDERS[1];
    let mut claims = keycloak.claims();
    for mapper in json_sample("keycloak mappers").as_array().unwrap() {
        let config = &mapper["config"];
        assert_eq!(mapper["protocol"], "openid-connect");
        assert_eq!(config["access.token.claim"], "true");
        let value = match mapper["protocolMapper"].as_str().unwrap() {
            "oidc-usermodel-realm-role-mapper" => {
                assert_eq!(config["multivalued"], "true");
                claims["realm_access"]["roles"].clone()
            }
            "oidc-hardcoded-claim-mapper" => config["claim.value"].clone(),
            "oidc-usermodel-property-mapper" => {
                assert_eq!(config["user.attribute"], "id");
                claims["sub"].clone()
            }
            other => panic!("{other}"),
        };
        let mut at = &mut claims;
        for step in steps(config["claim.name"].as_str().unwrap()) {
            at = &mut at[step];
        }
        *at = value;
    }
    let line = sample("keycloak env");
    let (_, text) = line.trim().split_once("='").unwrap();
    let mut settings: BTreeMap<String, Value> =
        serde_json::from_str(text.strip_suffix('\'').unwrap()).unwrap();
    settings.remove("claims_map").unwrap();
    let settings = serde_json::to_string(&settings).unwrap();
    let config = load(&[("jwt-secret", &settings)], &[], "").unwrap().server.auth;
    let auth = keycloak.auth(config).await;
    let found = ask(&auth, &keycloak.sign(&claims), None).await.unwrap();
    assert_eq!(session(&found), keycloak.session());
    let mapper = json_sample("keycloak audience");
    let audience = &mapper["config"]["included.custom.audience"];
    assert!(claims["aud"].as_array().unwrap().contains(audience));
}

#[test]
fn the_template_of_clerk_makes_the_claims() {
    let claims = json_sample("clerk claims");
    let template = sample("clerk template").replace("{{user.id}}", claims["sub"].as_str().unwrap());
    let template: Value = serde_json::from_str(&template).unwrap();
    for (name, value) in template.as_object().unwrap() {
        assert_eq!(claims[name], *value, "{name}");
    }
}
