//! The outer shape of a client's message: `type`, `id`, `payload`.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::operations::ClientId;

/// A message whose payload is not yet looked at. Unknown members are ignored.
#[derive(Deserialize)]
pub(super) struct Envelope<'a> {
    /// Empty if there is none, which is an unknown type.
    #[serde(rename = "type", default)]
    pub kind: String,
    #[serde(borrow, default)]
    pub id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub payload: Option<&'a RawValue>,
}

/// Whether ids may be numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    Strings,
    StringsAndNumbers,
}

impl<'a> Envelope<'a> {
    /// Reads a message, or says what is wrong with it.
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(text).map_err(|_| "not UTF-8")?;
        // A derived struct would accept an array as well.
        if !text.trim_ascii_start().starts_with('{') {
            return Err("not a JSON object");
        }
        serde_json::from_str(text).map_err(|error| {
            if error.is_data() {
                "`type` must be a string, and no member may be repeated"
            } else {
                "not JSON"
            }
        })
    }

    /// The id of the operation: a string that is not empty, or a number where those are allowed.
    pub(super) fn id(&self, ids: Ids, longest: usize) -> Result<ClientId, &'static str> {
        const WRONG: &str = "`id` must be a non-empty string";
        let raw = self.id.ok_or(WRONG)?.get();
        let id = match raw.as_bytes().first() {
            Some(b'"') => {
                let text: String = serde_json::from_str(raw).map_err(|_| WRONG)?;
                ClientId::string(&text)
            }
            Some(b'-' | b'0'..=b'9') if ids == Ids::StringsAndNumbers => ClientId::number(raw),
            _ => return Err(WRONG),
        };
        match id.text().len() {
            0 => Err(WRONG),
            length if length > longest => Err("`id` is too long"),
            _ => Ok(id),
        }
    }

    /// The payload where it must be an object, null or absent.
    pub(super) fn object(&self) -> Result<Option<&'a RawValue>, &'static str> {
        match self.payload {
            Some(raw) if !crate::json::is_object(raw) => Err("`payload` must be an object or null"),
            payload => Ok(payload),
        }
    }
}
