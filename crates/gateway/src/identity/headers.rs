//! Headers and cookies of a client, as a service gets them.

use http::{HeaderName, HeaderValue, header};
use serde_json::{Map, Value};

use super::{
    CookieNames, Forward, IdentityError, IdentityRules, MAX_BYTES, MAX_HEADER_BYTES, names,
    scope::Scope,
};

type Headers = Vec<(HeaderName, HeaderValue)>;

impl IdentityRules {
    /// All headers that say something of the client. `in_payload`: whether headers that are named in
    /// the payload of `connection_init` count.
    pub(super) fn headers(
        &self,
        scope: &Scope<'_>,
        in_payload: bool,
    ) -> Result<Headers, IdentityError> {
        let mut headers = self.forwarded(scope, in_payload)?;
        for (name, template) in &self.set {
            if let Some(text) = template.text(scope) {
                headers.push((name.clone(), value(name, text.as_bytes())?));
            }
        }
        headers.extend(self.cookie(scope)?.map(|value| (header::COOKIE, value)));
        let mut total = 0_usize;
        for (name, value) in &headers {
            total = total.saturating_add(name.as_str().len()).saturating_add(value.len());
            if value.len() > MAX_HEADER_BYTES || total > MAX_BYTES {
                return Err(IdentityError::TooLong(name.clone()));
            }
        }
        Ok(headers)
    }

    /// The headers that are sent on as the client sent them, each once.
    pub(super) fn forwarded(
        &self,
        scope: &Scope<'_>,
        in_payload: bool,
    ) -> Result<Headers, IdentityError> {
        let mut headers = Headers::new();
        match &self.forward {
            Forward::Named(renames) => {
                for rename in renames {
                    if headers.iter().any(|(there, _)| *there == rename.to) {
                        continue;
                    }
                    let said = if in_payload { said(scope.init(), &rename.from) } else { None };
                    let value = match said {
                        Some(text) => Some(value(&rename.to, text.as_bytes())?),
                        None => sent(scope, &rename.from, &rename.to)?,
                    };
                    headers.extend(value.map(|value| (rename.to.clone(), value)));
                }
            }
            Forward::All => {
                // What the gateway says itself nobody else can.
                let is_free = |name: &HeaderName| {
                    !names::is_never_forwarded(name)
                        && !self.taken.contains(name)
                        && !self.set.iter().any(|(own, _)| own == name)
                };
                if in_payload {
                    for (name, text) in said_in_headers(scope.init()) {
                        if !is_free(&name) {
                            continue;
                        }
                        let value = value(&name, text.as_bytes())?;
                        match headers.iter().find(|(there, _)| *there == name) {
                            None => headers.push((name, value)),
                            Some((_, other)) if *other == value => {}
                            Some(_) => return Err(IdentityError::TwoValues(name.to_string())),
                        }
                    }
                }
                for (name, _) in scope.subject.headers {
                    let is_new = !headers.iter().any(|(there, _)| there == name);
                    if is_new && is_free(name) {
                        let value = sent(scope, name, name)?;
                        headers.extend(value.map(|value| (name.clone(), value)));
                    }
                }
            }
        }
        Ok(headers)
    }

    fn cookie(&self, scope: &Scope<'_>) -> Result<Option<HeaderValue>, IdentityError> {
        if let CookieNames::Named(names) = &self.cookies {
            for name in names {
                let mut values =
                    pairs(scope.header(&header::COOKIE)).filter(|(n, _)| *n == name.as_bytes());
                let first = values.next();
                if values.any(|other| Some(other) != first) {
                    return Err(IdentityError::TwoValues(format!("cookie {name}")));
                }
            }
        }
        Ok(cookies_of(scope.header(&header::COOKIE), &self.cookies))
    }
}

/// A header as the client sent it. Several lines of a list are one (RFC 9110, section 5.3); what is no
/// list cannot have two values.
fn sent(
    scope: &Scope<'_>,
    from: &HeaderName,
    to: &HeaderName,
) -> Result<Option<HeaderValue>, IdentityError> {
    let mut different: Vec<&HeaderValue> = Vec::new();
    for value in scope.header(from) {
        if !different.contains(&value) {
            different.push(value);
        }
    }
    if let [] | [_] = different.as_slice() {
        return Ok(different.first().map(|value| (*value).clone()));
    }
    if [from, to].contains(&&header::AUTHORIZATION) {
        return Err(IdentityError::TwoValues(from.to_string()));
    }
    let parts: Vec<&[u8]> = different.iter().map(|value| value.as_bytes()).collect();
    value(to, &parts.join(&b", "[..])).map(Some)
}

/// A header that the payload of `connection_init` names, in its `headers` or itself.
fn said(payload: &Value, name: &HeaderName) -> Option<String> {
    let payload = payload.as_object()?;
    let headers = headers_member(payload);
    let in_headers = headers.and_then(|headers| member(headers, name.as_str()));
    in_headers.or_else(|| member(payload, name.as_str())).and_then(text)
}

/// All headers that the payload has in its `headers`.
fn said_in_headers(payload: &Value) -> Vec<(HeaderName, String)> {
    let headers = payload.as_object().and_then(headers_member);
    let said = headers.into_iter().flatten();
    said.filter_map(|(name, value)| Some((name.parse().ok()?, text(value)?))).collect()
}

fn headers_member(payload: &Map<String, Value>) -> Option<&Map<String, Value>> {
    member(payload, "headers").and_then(Value::as_object)
}

/// A member by its name in lower case. One that is written so goes before others.
fn member<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    let alike = || object.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
    object.get(name).or_else(|| alike().map(|(_, value)| value))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn value(name: &HeaderName, bytes: &[u8]) -> Result<HeaderValue, IdentityError> {
    // Some servers cut them off and others do not, so that they would be two values.
    let value = HeaderValue::from_bytes(bytes.trim_ascii());
    value.map_err(|_| IdentityError::IllegalValue(name.clone()))
}

/// The cookies that are wanted as one header (RFC 6265, section 4.2.1).
pub(super) fn cookies_of<'v>(
    headers: impl Iterator<Item = &'v HeaderValue>,
    wanted: &CookieNames,
) -> Option<HeaderValue> {
    let mut kept: Vec<(&[u8], &[u8])> = Vec::new();
    for pair in pairs(headers) {
        let is_wanted = match wanted {
            CookieNames::All => true,
            CookieNames::Named(names) => names.iter().any(|name| name.as_bytes() == pair.0),
        };
        if is_wanted && !kept.contains(&pair) {
            kept.push(pair);
        }
    }
    let pairs: Vec<Vec<u8>> =
        kept.iter().map(|(name, value)| [name, &b"="[..], value].concat()).collect();
    if pairs.is_empty() { None } else { HeaderValue::from_bytes(&pairs.join(&b"; "[..])).ok() }
}

/// Names and values of cookies, without the spaces around them.
fn pairs<'v>(
    headers: impl Iterator<Item = &'v HeaderValue>,
) -> impl Iterator<Item = (&'v [u8], &'v [u8])> {
    headers.flat_map(|value| value.as_bytes().split(|byte| *byte == b';')).filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = pair.split_at_checked(at)?;
        let name = name.trim_ascii();
        (!name.is_empty()).then(|| (name, value.get(1..).unwrap_or_default().trim_ascii()))
    })
}
