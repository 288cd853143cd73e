//! From bytes to what they mean for the subscription.

use artesian_protocol::{
    multipart::{MultipartDecoder, MultipartError, MultipartItem},
    sse::{SseDecoder, SseError, SseItem},
};
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{RemoteError, Response, error::clean, subscription::End};

/// A parser for either kind of body.
#[derive(Debug)]
pub(super) enum Format {
    Sse(SseDecoder),
    Multipart(MultipartDecoder),
}

/// What a piece of a body means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Next(Bytes),
    End(End),
    /// A sign of life.
    Heartbeat,
    /// How long to wait before the stream is opened again, in milliseconds (`retry:` of an event stream).
    Retry(u64),
    /// Nothing that can be understood.
    Junk,
}

impl Format {
    /// Takes as much from `src` as is needed for the next item; `None` if more bytes are needed.
    pub fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Item>, RemoteError> {
        match self {
            Self::Sse(decoder) => match decoder.decode(src) {
                Ok(item) => Ok(item.map(of_event_stream)),
                Err(SseError::TooLarge(limit)) => Err(RemoteError::TooLarge(limit)),
            },
            Self::Multipart(decoder) => match decoder.decode(src) {
                Ok(Some(MultipartItem::Part(part))) => Ok(Some(of_part(&part))),
                Ok(Some(MultipartItem::End)) => Ok(Some(Item::End(End::Complete))),
                Ok(None) => Ok(None),
                Err(MultipartError::TooLarge(limit)) => Err(RemoteError::TooLarge(limit)),
                Err(error) => Err(RemoteError::Protocol(clean(&error.to_string()))),
            },
        }
    }

    /// Whether an item has begun and is not finished.
    pub fn is_mid_item(&self, rest: &[u8]) -> bool {
        match self {
            Self::Sse(decoder) => decoder.is_mid_event(rest),
            Self::Multipart(decoder) => decoder.is_mid_part(),
        }
    }
}

fn of_event_stream(item: SseItem) -> Item {
    match item {
        SseItem::Comment => Item::Heartbeat,
        // No sign of life: many services say it once, at the beginning.
        SseItem::Retry(milliseconds) => Item::Retry(milliseconds),
        SseItem::Event { name, data } => match &*name {
            b"next" => object(&data).map_or(Item::Junk, |()| Item::Next(data)),
            b"complete" => Item::End(End::Complete),
            // Some services do not name their events.
            b"" | b"message" if Response::parse(&data).is_some() => Item::Next(data),
            _ => Item::Junk,
        },
    }
}

/// Whether a text is a JSON object, and the whole of it well-formed.
fn object(text: &[u8]) -> Option<()> {
    let raw: &RawValue = serde_json::from_slice(text).ok()?;
    raw.get().starts_with('{').then_some(())
}

/// Apollo's multipart protocol: `{"payload": …}` is a result, with `"payload": null` and `errors` the
/// end by an error, and `{}` a sign of life. Some services send results bare.
fn of_part(part: &Bytes) -> Item {
    #[derive(Deserialize)]
    struct Part<'a> {
        // The outer one tells an absent payload from one that is null.
        #[serde(borrow, default, deserialize_with = "present")]
        payload: Option<Option<&'a RawValue>>,
        #[serde(borrow, default)]
        errors: Option<&'a RawValue>,
        #[serde(borrow, default)]
        data: Option<&'a RawValue>,
    }
    fn present<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<&'de RawValue>>, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Some((raw.get() != "null").then_some(raw)))
    }
    if !part.starts_with(b"{") {
        return Item::Junk;
    }
    let Ok(read) = serde_json::from_slice::<Part<'_>>(part) else { return Item::Junk };
    let slice = |raw: &RawValue| part.slice_ref(raw.get().as_bytes());
    let errors = read.errors.filter(|raw| {
        serde_json::from_str::<Vec<&RawValue>>(raw.get()).is_ok_and(|list| !list.is_empty())
    });
    match (read.payload, errors) {
        (Some(Some(payload)), _) if payload.get().starts_with('{') => Item::Next(slice(payload)),
        (Some(None), Some(errors)) => Item::End(End::Errors(slice(errors))),
        (None, Some(_)) => Item::Next(part.clone()),
        (None, None) if read.data.is_some() => Item::Next(part.clone()),
        (None, None) if read.errors.is_none() => Item::Heartbeat,
        _ => Item::Junk,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &'static str) -> Item {
        of_part(&Bytes::from_static(text.as_bytes()))
    }

    fn next(text: &'static str) -> Item {
        Item::Next(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn parts() {
        let errors = Bytes::from_static(br#"[{"message":"x"}]"#);
        for (text, expected) in [
            ("{}", Item::Heartbeat),
            (r#"{"payload":{"data":{"n":1}}}"#, next(r#"{"data":{"n":1}}"#)),
            (r#"{"payload":{"data":null},"errors":[]}"#, next(r#"{"data":null}"#)),
            (r#"{"payload":null,"errors":[{"message":"x"}]}"#, Item::End(End::Errors(errors))),
            (r#"{"data":{"n":1},"hasNext":true}"#, next(r#"{"data":{"n":1},"hasNext":true}"#)),
            (r#"{"errors":[{"message":"x"}]}"#, next(r#"{"errors":[{"message":"x"}]}"#)),
            (r#"{"payload":null}"#, Item::Junk),
            (r#"{"payload":null,"errors":[]}"#, Item::Junk),
            (r#"{"payload":null,"errors":"x"}"#, Item::Junk),
            (r#"{"payload":1}"#, Item::Junk),
            (r#"{"payload":{},"payload":{}}"#, Item::Junk),
            (r#"{"payload":{"data":}"#, Item::Junk),
            ("[1]", Item::Junk),
            ("<html>", Item::Junk),
            ("", Item::Junk),
        ] {
            assert_eq!(part(text), expected, "{text}");
        }
    }

    #[test]
    fn events() {
        let event = |name: &'static str, data: &'static str| {
            of_event_stream(SseItem::Event {
                name: Bytes::from_static(name.as_bytes()),
                data: Bytes::from_static(data.as_bytes()),
            })
        };
        assert_eq!(event("next", r#"{"data":{}}"#), next(r#"{"data":{}}"#));
        assert_eq!(event("", r#"{"data":{}}"#), next(r#"{"data":{}}"#));
        assert_eq!(event("complete", ""), Item::End(End::Complete));
        assert_eq!(event("complete", "null"), Item::End(End::Complete));
        for (name, data) in [
            ("next", ""),
            ("next", "null"),
            ("next", r#"{"data":"#),
            ("", r#"{"message":"x"}"#),
            ("error", r#"{"data":{}}"#),
        ] {
            assert_eq!(event(name, data), Item::Junk, "{name} {data}");
        }
        assert_eq!(of_event_stream(SseItem::Comment), Item::Heartbeat);
        assert_eq!(of_event_stream(SseItem::Retry(5)), Item::Retry(5));
    }
}
