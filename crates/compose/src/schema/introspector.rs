//! Asking a service for its schema, without I/O.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{ReadLimits, SchemaError, ServiceSchema, query, query::Feature};
use crate::clean;

/// Asks a service for its schema: send [`query`](Self::query), hand the response to
/// [`answer`](Self::answer), and again while it gives nothing. It asks at most seven times: what the
/// service does not understand is left out of the next query.
///
/// What a service once did not understand is remembered: keep it for the next time.
#[derive(Clone, Debug)]
pub struct Introspector {
    pub(super) features: Vec<Feature>,
    limits: ReadLimits,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
}

impl Introspector {
    /// An introspector that asks for everything.
    pub fn new(limits: ReadLimits) -> Self {
        Self { features: Feature::ALL.to_vec(), limits }
    }

    /// The query to send, named `IntrospectionQuery`: some services let only that name pass.
    pub fn query(&self) -> String {
        query::text(&self.features)
    }

    /// Reads the body of a response. `None`: ask again.
    ///
    /// # Errors
    /// The service refuses, or its answer cannot be read, or the schema is too large or not valid.
    pub fn answer(&mut self, body: &[u8]) -> Result<Option<ServiceSchema>, SchemaError> {
        super::within(body.len(), self.limits.bytes, "bytes")?;
        let answer: Answer<'_> = serde_json::from_slice(body)
            .map_err(|error| SchemaError::Malformed(clean(&error.to_string())))?;
        let has_data = answer.data.is_some_and(|data| {
            #[derive(Deserialize)]
            struct Data<'a> {
                #[serde(rename = "__schema", borrow)]
                schema: Option<&'a RawValue>,
            }
            serde_json::from_str::<Data<'_>>(data.get()).is_ok_and(|data| data.schema.is_some())
        });
        if has_data {
            return ServiceSchema::from_introspection(body, &self.limits).map(Some);
        }
        let raw = answer.errors.map(RawValue::get).unwrap_or_default();
        // Quotes within messages are escaped in JSON.
        let errors = raw.replace("\\\"", "\"");
        let before = self.features.len();
        self.features.retain(|feature| !feature.is_named_in(&errors));
        if self.features.len() == before && !self.features.is_empty() {
            self.features.remove(0);
        }
        if self.features.len() == before {
            return Err(SchemaError::Refused(message_of(raw)));
        }
        Ok(None)
    }
}

/// The first error's message, or what there is in its place.
fn message_of(errors: &str) -> String {
    let errors: Option<Vec<serde_json::Value>> = serde_json::from_str(errors).ok();
    let first = errors.as_deref().and_then(<[_]>::first);
    let message = first.and_then(|e| e.get("message")).and_then(|m| m.as_str());
    clean(message.unwrap_or("it gave neither a schema nor an error"))
}
