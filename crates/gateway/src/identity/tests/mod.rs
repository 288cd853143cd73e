mod headers;
mod payload;
mod property;
mod wants;

use std::path::Path;

use artesian_remote::Credentials;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::{IdentityError, IdentityRules, Subject};
use crate::config::{SourceConfig, SourceKind};

/// Rules as the settings have them.
fn rules(headers: &Value, subscriptions: &Value) -> IdentityRules {
    let graphql = json!({"url": "http://a", "headers": headers, "subscriptions": subscriptions});
    let source = json!({"name": "a", "graphql": graphql});
    match SourceConfig::from_json(&source, Path::new(".")).unwrap().kind {
        SourceKind::Service(service) => service.identity,
        SourceKind::Events(_) => panic!("no service"),
    }
}

/// A client that owns its words.
#[derive(Clone, Debug, Default)]
struct Client {
    session: Vec<(Box<str>, Box<str>)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    init_payload: Option<Bytes>,
    claims: Option<Bytes>,
}

impl Client {
    fn header(mut self, name: &str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        self.headers.push((name.parse().unwrap(), value));
        self
    }

    fn init(mut self, payload: &str) -> Self {
        self.init_payload = Some(Bytes::copy_from_slice(payload.as_bytes()));
        self
    }

    fn session(mut self, name: &str, value: &str) -> Self {
        self.session.push((name.into(), value.into()));
        self
    }

    fn claims(mut self, claims: &Value) -> Self {
        self.claims = Some(claims.to_string().into());
        self
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            session: &self.session,
            headers: &self.headers,
            init_payload: self.init_payload.as_ref(),
            claims: self.claims.as_ref(),
        }
    }

    fn request(&self, rules: &IdentityRules) -> Result<Credentials, IdentityError> {
        rules.request_credentials(&self.subject())
    }

    fn subscription(&self, rules: &IdentityRules) -> Result<Credentials, IdentityError> {
        rules.subscription_credentials(&self.subject())
    }
}

/// Names and values, as text.
fn shown(credentials: &Credentials) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    credentials.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
