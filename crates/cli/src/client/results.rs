//! The results of an operation, whatever brings them.

use artesian_engine::{Event, Payload, ResultStream};
use bytes::Bytes;
use serde_json::{Map, Value as Json};

use super::{ClientError, Endpoint, sse, ws};
use crate::commands::Asked;

/// A result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// `{"data":…}`, `{"errors":[…]}` or both.
    pub bytes: Bytes,
}

impl Update {
    /// A result of these bytes.
    pub fn new(bytes: Bytes) -> Self {
        Self { bytes }
    }

    /// A result of errors alone.
    pub fn errors(errors: Json) -> Self {
        let errors = if errors.is_array() { errors } else { Json::Array(vec![errors]) };
        let object = Map::from_iter([("errors".to_owned(), errors)]);
        Self::new(Json::Object(object).to_string().into())
    }
}

impl From<Event> for Update {
    fn from(event: Event) -> Self {
        Self::new(match event {
            Event::Result(payload) => payload.bytes,
            Event::Error(error) => Payload::request_error(&[error]).bytes,
            Event::Ended(errors) => Payload::request_error(&errors).bytes,
        })
    }
}

/// How to subscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// What the server offers.
    Auto,
    /// The WebSocket subprotocol of the `graphql-ws` library.
    TransportWs,
    /// The WebSocket subprotocol of the `subscriptions-transport-ws` library.
    LegacyWs,
    /// An event stream.
    Sse,
}

impl Protocol {
    /// The protocol of that name.
    pub fn parse(name: &str) -> Self {
        match name {
            "graphql-transport-ws" => Self::TransportWs,
            "graphql-ws" => Self::LegacyWs,
            "sse" => Self::Sse,
            _ => Self::Auto,
        }
    }
}

/// A running operation.
pub enum Results {
    /// In this process.
    Local(Box<dyn ResultStream>),
    /// Over a WebSocket.
    WebSocket(Box<ws::Socket>),
    /// As an event stream.
    Sse(Box<sse::Stream>),
}

impl Results {
    /// Starts an operation at a server.
    pub async fn remote(
        endpoint: &Endpoint,
        asked: &Asked,
        protocol: Protocol,
        init: Option<Map<String, Json>>,
    ) -> Result<Self, ClientError> {
        if protocol != Protocol::Sse {
            match ws::Socket::open(endpoint, asked, protocol, init).await {
                Ok(socket) => return Ok(Self::WebSocket(Box::new(socket))),
                Err(ClientError::Answer { is_refusal: true, what, .. })
                    if protocol == Protocol::Auto =>
                {
                    tracing::debug!("no WebSocket ({what}): trying an event stream");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Self::Sse(Box::new(sse::Stream::open(endpoint, asked).await?)))
    }

    /// The next result; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Update>, ClientError> {
        match self {
            Self::Local(stream) => Ok(stream.next().await.map(Update::from)),
            Self::WebSocket(socket) => socket.next().await,
            Self::Sse(stream) => stream.next().await,
        }
    }

    /// Ends the operation in good order.
    pub async fn end(self) {
        if let Self::WebSocket(socket) = self {
            socket.end().await;
        }
    }
}
