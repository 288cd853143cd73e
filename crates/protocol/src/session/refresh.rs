//! Fresh credentials on an open `graphql-transport-ws` connection.
//!
//! That protocol has one `connection_init`, and closes on a second. So credentials that take the
//! place of the earlier ones come in what it leaves open: the payload of a `ping`, whose `pong` is sent
//! once they are in force, or `extensions.connectionInit` of a `subscribe`, which then starts under
//! the new identity. So a client knows whom a result is for: what comes behind the `pong`, or behind
//! the first message of that operation, is the new identity's. Both have a shape of `connection_init`'s payload: `{"headers":{…}}` or
//! `{"connectionParams":{…}}`. Other shapes mean something else, or nothing, and are left alone. So
//! is the list `extensions` beside the payload that Mercurius gateways send, which is about one
//! operation and not about the connection (`operation_init.rs`).
//!
//! The legacy protocol needs none of this: `connection_init` may be repeated there.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::deferred::{Deferred, Start};
use super::{Phase, Session};
use crate::{GraphQLRequest, json};

/// The member of a request's extensions.
const MEMBER: &str = "connectionInit";

/// Why an authentication is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticateKind {
    /// The client was not accepted before.
    First,
    /// A further `connection_init`, which is acknowledged again.
    Repeated,
    /// Fresh credentials in a `ping` or `subscribe`, which are not acknowledged.
    Refresh,
}

/// What tells a client that its credentials are in force.
#[derive(Debug)]
pub(super) enum Answer {
    /// `connection_ack`
    Acknowledgement,
    /// `pong` with this payload.
    Pong(Box<RawValue>),
    /// Nothing of its own.
    Nothing,
}

/// How fresh credentials came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bearer {
    Ping,
    Subscribe,
}

impl Session {
    /// Authenticates with fresh credentials, after what is pending.
    pub(super) fn refresh(&mut self, credentials: Box<RawValue>, by: Bearer) {
        if self.phase == Phase::Authenticating {
            let bytes = credentials.get().len();
            self.defer(Deferred::Refresh(credentials, by), bytes);
        } else {
            let answer = match by {
                Bearer::Ping => Answer::Pong(credentials.clone()),
                Bearer::Subscribe => Answer::Nothing,
            };
            self.authenticate(Some(credentials), answer);
        }
    }

    /// A `subscribe` of a client that was accepted before, with fresh credentials that come first.
    pub(super) fn refresh_and_start(&mut self, credentials: Box<RawValue>, start: Start) {
        let bytes = start.payload.as_ref().map_or(0, |payload| payload.get().len());
        self.refresh(credentials, Bearer::Subscribe);
        self.defer(Deferred::Start(start), bytes);
    }
}

/// Whether a `ping` with this payload, a JSON object, brings credentials.
pub(super) fn is_credentials(payload: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Shape<'a> {
        #[serde(borrow, default)]
        headers: Option<&'a RawValue>,
        #[serde(borrow, default, rename = "connectionParams")]
        connection_params: Option<&'a RawValue>,
    }
    match serde_json::from_str(payload.get()) {
        Ok(Shape { headers, connection_params }) => {
            [headers, connection_params].into_iter().flatten().any(json::is_object)
        }
        // A member that stands twice: whoever reads credentials has to say what that means.
        Err(error) => error.is_data(),
    }
}

/// Takes the credentials out of a request, which was read from `payload`, so that nobody takes them
/// for a part of it.
pub(super) fn take_credentials(
    request: &mut GraphQLRequest,
    payload: &RawValue,
) -> Result<Option<Box<RawValue>>, String> {
    #[derive(Deserialize)]
    struct Payload<'a> {
        #[serde(borrow, default)]
        extensions: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Extensions<'a> {
        #[serde(borrow, default, rename = "connectionInit")]
        credentials: Option<&'a RawValue>,
    }
    let Some(extensions) = &mut request.extensions else { return Ok(None) };
    if !extensions.contains_key(MEMBER) {
        return Ok(None);
    }
    // As it was written: a value in memory would hide members that stand twice.
    let text = payload.get().trim_start_matches('\u{feff}');
    let raw = serde_json::from_str::<Payload<'_>>(text).ok().and_then(|payload| payload.extensions);
    let read = raw.map(|raw| serde_json::from_str::<Extensions<'_>>(raw.get()));
    let credentials = match read {
        Some(Ok(read)) => read.credentials,
        _ => return Err(format!("`{MEMBER}` must stand once in `extensions`")),
    };
    let credentials = credentials.filter(|raw| json::is_object(raw) && is_credentials(raw));
    if credentials.is_some() {
        extensions.remove(MEMBER);
    }
    Ok(credentials.map(ToOwned::to_owned))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn taken(payload: &str) -> (Result<Option<String>, String>, GraphQLRequest) {
        let raw = RawValue::from_string(payload.to_owned()).unwrap();
        let mut request = GraphQLRequest::from_json(payload.as_bytes()).unwrap();
        let taken = take_credentials(&mut request, &raw);
        (taken.map(|raw| raw.map(|raw| raw.get().to_owned())), request)
    }

    #[test]
    fn credentials_are_taken_out_as_they_were_written() {
        for written in [
            r#"{"headers":{ "a":"b", "a":"c" }}"#,
            r#"{"connectionParams":{}}"#,
            r#"{"headers":{},"headers":{"a":"b"}}"#,
            r#"{"headers":7,"connectionParams":{"headers":{}},"more":1e2}"#,
        ] {
            let payload =
                format!(r#"{{"query":"{{a}}","extensions":{{"x":1,"connectionInit":{written}}}}}"#);
            let (credentials, request) = taken(&payload);
            assert_eq!(credentials, Ok(Some(written.to_owned())));
            let extensions = request.extensions.unwrap();
            assert_eq!(extensions.keys().collect::<Vec<_>>(), ["x"]);
        }
    }

    #[test]
    fn other_shapes_are_left_alone() {
        for written in [
            r#"[{"type":"connectionInit","payload":{"headers":{}}}]"#,
            "{}",
            "null",
            r#"{"authorization":"x"}"#,
            r#"{"headers":[]}"#,
            r#"{"headers":null,"connectionParams":"x"}"#,
        ] {
            let payload =
                format!(r#"{{"query":"{{a}}","extensions":{{"connectionInit":{written}}}}}"#);
            let (credentials, request) = taken(&payload);
            assert_eq!(credentials, Ok(None), "{written}");
            assert!(request.extensions.unwrap().contains_key(MEMBER), "{written}");
        }
        // Beside the payload, as Mercurius gateways send it, it is no part of the request at all.
        assert_eq!(taken(r#"{"query":"{a}","connectionInit":{"headers":{}}}"#).0, Ok(None));
        let twice =
            r#"{"query":"{a}","extensions":{"connectionInit":{"headers":{}},"connectionInit":1}}"#;
        assert!(taken(twice).0.is_err());
    }

    #[test]
    fn a_ping_with_another_payload_is_only_a_ping() {
        let is = |text: &str| is_credentials(&RawValue::from_string(text.to_owned()).unwrap());
        for text in [r#"{"headers":{}}"#, r#"{"connectionParams":{"x":1},"n":1}"#] {
            assert!(is(text), "{text}");
        }
        for text in [
            "{}",
            r#"{"message":"keepalive"}"#,
            r#"{"headers":"x"}"#,
            r#"{"n":{"headers":{}}}"#,
            r#"{"\ud800":{"headers":{}}}"#,
        ] {
            assert!(!is(text), "{text}");
        }
    }
}
