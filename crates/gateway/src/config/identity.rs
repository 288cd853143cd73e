//! `headers:`, and what subscriptions say of the client.

use artesian_remote::Transport;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::{
    ConfigError,
    reader::{At, Object},
};
use crate::identity::{
    ConnectionInit, CookieNames, Forward, IdentityRules, Rename, names,
    template::{JsonTemplate, Template},
};

type Read<T> = Result<T, ConfigError>;

/// What of `subscriptions:` is about the client's identity, not read yet.
pub(super) struct Subscriptions<'a> {
    pub transport: Transport,
    pub connection_init: Option<At<'a>>,
    pub payload: Option<At<'a>>,
    pub init_payload: Option<At<'a>>,
    pub forward_headers: Option<At<'a>>,
}

impl Subscriptions<'_> {
    pub fn of(transport: Transport) -> Self {
        Self {
            transport,
            connection_init: None,
            payload: None,
            init_payload: None,
            forward_headers: None,
        }
    }
}

/// `headers:` as it is written.
#[derive(Default)]
pub(super) struct Headers {
    pub rules: Rules,
    pub introspection: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Default)]
pub(super) struct Rules {
    forward: Forward,
    set: Vec<(HeaderName, Template)>,
    constant: Vec<(HeaderName, HeaderValue)>,
    cookies: CookieNames,
}

pub(super) fn headers(object: Option<Object<'_>>) -> Read<Headers> {
    let mut headers = Headers::default();
    let Some(mut object) = object else { return Ok(headers) };
    let rules = &mut headers.rules;
    object.set("forward", &mut rules.forward, forward)?;
    object.set("cookies", &mut rules.cookies, cookies)?;
    if let Some(at) = object.get("set") {
        for (name, at) in at.object()?.entries() {
            let name = header(&at, name)?;
            let is_there = rules.set.iter().map(|(name, _)| name);
            if is_there.chain(rules.constant.iter().map(|(name, _)| name)).any(|n| *n == name) {
                return Err(at.error("this header is there twice"));
            }
            if let Forward::Named(renames) = &rules.forward
                && renames.iter().any(|rename| rename.to == name)
            {
                let message = "this header is forwarded too: who may not send it would be taken for \
                               the gateway; do one or the other";
                return Err(at.error(message));
            }
            let template: Template = at.text()?.parse().map_err(|error| at.error(error))?;
            match template.constant() {
                Some(text) => rules.constant.push((name, value(&at, text)?)),
                None => rules.set.push((name, template)),
            }
        }
    }
    if let Some(at) = object.get("introspection") {
        for (name, at) in at.object()?.entries() {
            let name = header(&at, name)?;
            if headers.introspection.iter().any(|(there, _)| *there == name) {
                return Err(at.error("this header is there twice"));
            }
            headers.introspection.push((name, value(&at, at.text()?)?));
        }
    }
    object.finish()?;
    Ok(headers)
}

fn forward(at: &At<'_>) -> Read<Forward> {
    if at.value == "*" {
        return Ok(Forward::All);
    }
    let mut renames: Vec<Rename> = Vec::new();
    let list = at.list()?;
    let is_alone = list.len() == 1;
    for item in list {
        if item.value == "*" && is_alone {
            return Ok(Forward::All);
        }
        let rename = match item.value {
            Value::String(name) => {
                let name = header(&item, name)?;
                Rename { from: name.clone(), to: name }
            }
            Value::Object(_) => {
                let mut object = item.clone().object()?;
                let (from, to) = (object.need("from")?, object.need("to")?);
                object.finish()?;
                Rename { from: header(&from, from.text()?)?, to: header(&to, to.text()?)? }
            }
            _ => return Err(item.expected("a header's name, or an object with `from` and `to`")),
        };
        if renames.contains(&rename) {
            return Err(item.error("this header is there twice"));
        }
        renames.push(rename);
    }
    Ok(Forward::Named(renames))
}

/// The name of a header that may be sent on.
fn header(at: &At<'_>, name: &str) -> Read<HeaderName> {
    if name == "*" {
        return Err(at.error("`*` stands alone"));
    }
    let name: HeaderName = name.parse().map_err(|_| at.error("this is no name of a header"))?;
    if name == http::header::COOKIE {
        return Err(at.error("cookies are passed on by `cookies`, by their names"));
    }
    if names::is_of_connection(&name) {
        return Err(at.error("this header belongs to the connection or the message"));
    }
    Ok(name)
}

fn value(at: &At<'_>, text: &str) -> Read<HeaderValue> {
    let value = HeaderValue::from_bytes(text.as_bytes());
    let mut value = value.map_err(|_| at.error("this cannot be the value of a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn cookies(at: &At<'_>) -> Read<CookieNames> {
    if at.value == "*" {
        return Ok(CookieNames::All);
    }
    let mut names: Vec<Box<str>> = Vec::new();
    for (at, name) in at.texts()? {
        // RFC 6265, section 4.1.1: a token (RFC 9110, section 5.6.2).
        let is_fit = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || name == "*" || !name.chars().all(is_fit) {
            return Err(at.error("this is no name of a cookie"));
        }
        if !names.iter().any(|there| **there == *name) {
            names.push(name.into());
        }
    }
    Ok(CookieNames::Named(names))
}

/// A payload that is the same for everybody: a JSON object.
pub(super) fn payload(at: &At<'_>) -> Read<Bytes> {
    if !at.value.is_object() {
        return Err(at.expected("an object"));
    }
    Ok(Bytes::from(at.value.to_string()))
}

/// The rules, and the headers that are the same for everybody.
pub(super) fn rules(
    headers: Rules,
    subscriptions: Subscriptions<'_>,
) -> Read<(IdentityRules, Vec<(HeaderName, HeaderValue)>)> {
    const MODES: [(&str, ConnectionInit); 3] = [
        ("extension", ConnectionInit::Extension),
        ("per-client", ConnectionInit::PerClient),
        ("none", ConnectionInit::None),
    ];
    let Subscriptions { transport, connection_init, payload, init_payload, forward_headers } =
        subscriptions;
    let mode = connection_init.as_ref().map(|at| at.choice(&MODES)).transpose()?;
    let is_socket =
        matches!(transport, Transport::Auto | Transport::TransportWs | Transport::LegacyWs);
    if !is_socket {
        let at_odds = connection_init.as_ref().filter(|_| mode != Some(ConnectionInit::None));
        if let Some(at) = at_odds.or(payload.as_ref()).or(init_payload.as_ref()) {
            let message = "only WebSockets have a `connection_init`; this `protocol` has none";
            return Err(at.error(message));
        }
    }
    let mode = match mode {
        Some(mode) => mode,
        None if is_socket => ConnectionInit::PerClient,
        None => ConnectionInit::None,
    };
    if let (Some(at), ConnectionInit::PerClient) = (&init_payload, mode) {
        // A client without a payload of its own would be taken for the gateway.
        let message = "with `connection_init: per-client` each socket speaks for its client; the \
                       gateway's own payload needs `extension` or `none`. What is to be said for \
                       every client belongs into `payload`";
        return Err(at.error(message));
    }
    if let (Some(at), ConnectionInit::None) = (&payload, mode) {
        return Err(at.error("with `connection_init: none` no payload is sent"));
    }
    let payload = match &payload {
        Some(at) if !at.value.is_object() => return Err(at.expected("an object")),
        Some(at) => Some(JsonTemplate::new(at.value).map_err(|error| at.error(error))?),
        None => None,
    };
    let forward_headers = forward_headers.map(|at| at.flag()).transpose()?;
    let taken = headers.constant.iter().map(|(name, _)| name.clone()).collect();
    let rules = IdentityRules {
        forward: headers.forward,
        set: headers.set,
        taken,
        cookies: headers.cookies,
        connection_init: mode,
        payload,
        forward_headers: forward_headers.unwrap_or(mode != ConnectionInit::Extension),
        is_auto: transport == Transport::Auto,
    };
    Ok((rules, headers.constant))
}
