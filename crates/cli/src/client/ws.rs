//! Both WebSocket subprotocols, as a client with one operation.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderName, HeaderValue, header};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json, value::RawValue};
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, client::IntoClientRequest, protocol::WebSocketConfig},
};

use super::{
    ClientError, Endpoint, http as http_client,
    results::{Protocol, Update},
    stream::{self, Bidirectional},
};
use crate::commands::Asked;

/// How long the server may take to acknowledge the connection.
const ACK_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the closing handshake may take.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
/// The longest message that is read.
const LONGEST_MESSAGE: usize = 64 << 20;
/// The one operation's id.
const ID: &str = "1";

const TRANSPORT_WS: &str = "graphql-transport-ws";
const LEGACY_WS: &str = "graphql-ws";

/// A connection with a running operation.
pub struct Socket {
    socket: WebSocketStream<Box<dyn Bidirectional>>,
    dialect: Dialect,
    endpoint: Endpoint,
    is_over: bool,
}

/// The subprotocol that the server chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Transport,
    Legacy,
}

/// What a message of the server means.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    Ack,
    Result(Update),
    /// Errors instead of a result; the operation is over.
    Failed(Update),
    Complete,
    /// Answer with this.
    Reply(String),
    /// The server refuses the connection, for this reason.
    Refused(String),
    Nothing,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

impl Dialect {
    fn of_name(name: &str) -> Option<Self> {
        match name {
            TRANSPORT_WS => Some(Self::Transport),
            LEGACY_WS => Some(Self::Legacy),
            _ => None,
        }
    }

    fn start(self, asked: &Asked) -> String {
        let kind = match self {
            Self::Transport => "subscribe",
            Self::Legacy => "start",
        };
        json!({ "id": ID, "type": kind, "payload": asked.body() }).to_string()
    }

    fn stop(self) -> &'static str {
        match self {
            Self::Transport => r#"{"id":"1","type":"complete"}"#,
            Self::Legacy => r#"{"id":"1","type":"stop"}"#,
        }
    }

    fn read(self, text: &str) -> Result<Meaning, String> {
        let envelope: Envelope<'_> = serde_json::from_str(text)
            .map_err(|error| format!("a message that is none of the protocol's: {error}"))?;
        let payload = envelope.payload.map_or("null", RawValue::get);
        let result = || Update::new(Bytes::copy_from_slice(payload.as_bytes()));
        let value = || serde_json::from_str(payload).unwrap_or(Json::Null);
        Ok(match (self, envelope.kind.as_str()) {
            (_, "connection_ack") => Meaning::Ack,
            (Self::Transport, "next") | (Self::Legacy, "data") => Meaning::Result(result()),
            (_, "error") => Meaning::Failed(Update::errors(value())),
            (_, "complete") => Meaning::Complete,
            (Self::Transport, "ping") => Meaning::Reply(r#"{"type":"pong"}"#.to_owned()),
            (Self::Legacy, "connection_error") => Meaning::Refused(payload.to_owned()),
            _ => Meaning::Nothing,
        })
    }
}

impl Socket {
    /// Connects, says who asks, and starts the operation.
    pub async fn open(
        endpoint: &Endpoint,
        asked: &Asked,
        protocol: Protocol,
        init: Option<Map<String, Json>>,
    ) -> Result<Self, ClientError> {
        let (socket, dialect) = upgrade(endpoint, asked, protocol).await?;
        let endpoint = endpoint.clone();
        let mut this = Self { socket, dialect, endpoint, is_over: false };
        let payload = init.unwrap_or_else(|| headers_payload(asked));
        let mut message = json!({ "type": "connection_init" });
        if !payload.is_empty() {
            message["payload"] = Json::Object(payload);
        }
        this.send(message.to_string()).await?;
        match timeout(ACK_TIMEOUT, this.acknowledged()).await {
            Ok(result) => result?,
            Err(_) => {
                return Err(this.closed("it did not acknowledge the connection within 30 s"));
            }
        }
        this.send(dialect.start(asked)).await?;
        Ok(this)
    }

    async fn acknowledged(&mut self) -> Result<(), ClientError> {
        loop {
            match self.meaning().await? {
                Meaning::Ack => return Ok(()),
                Meaning::Refused(why) => {
                    return Err(self.closed(&format!("it refuses the connection: {why}")));
                }
                _ => {}
            }
        }
    }

    /// The next result; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Update>, ClientError> {
        while !self.is_over {
            match self.meaning().await? {
                Meaning::Result(update) => return Ok(Some(update)),
                Meaning::Failed(update) => {
                    self.is_over = true;
                    return Ok(Some(update));
                }
                Meaning::Complete => self.is_over = true,
                Meaning::Refused(why) => return Err(self.closed(&why)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Stops the operation and closes the connection.
    pub async fn end(mut self) {
        let farewell = async {
            if !self.is_over {
                self.send(self.dialect.stop().to_owned()).await?;
            }
            // The server may have closed it already.
            let _ = self.socket.close(None).await;
            while let Some(Ok(_)) = self.socket.next().await {}
            Ok::<(), ClientError>(())
        };
        // Whoever leaves does not wait for long.
        let _ = timeout(CLOSE_TIMEOUT, farewell).await;
    }

    /// The next message that means something.
    async fn meaning(&mut self) -> Result<Meaning, ClientError> {
        loop {
            let message = match self.socket.next().await {
                None => return Err(self.closed("without a reason")),
                Some(Err(error)) => return Err(self.closed(&error.to_string())),
                Some(Ok(message)) => message,
            };
            match message {
                Message::Text(text) => match self.dialect.read(&text) {
                    Ok(Meaning::Reply(reply)) => self.send(reply).await?,
                    Ok(Meaning::Nothing) => {}
                    Ok(meaning) => return Ok(meaning),
                    Err(why) => return Err(self.closed(&format!("it sent {why}"))),
                },
                Message::Close(Some(frame)) => {
                    let why = format!("{} {}", u16::from(frame.code), frame.reason);
                    return Err(self.closed(why.trim()));
                }
                Message::Close(None) => return Err(self.closed("without a reason")),
                _ => {}
            }
        }
    }

    async fn send(&mut self, text: String) -> Result<(), ClientError> {
        let sent = self.socket.send(Message::text(text)).await;
        sent.map_err(|error| self.closed(&error.to_string()))
    }

    fn closed(&self, why: &str) -> ClientError {
        ClientError::Closed { endpoint: self.endpoint.ws(), why: why.to_owned() }
    }
}

/// What servers that take credentials from `connection_init` expect.
fn headers_payload(asked: &Asked) -> Map<String, Json> {
    if asked.headers.is_empty() {
        return Map::new();
    }
    let headers = asked.headers.iter().map(|(n, v)| (n.clone(), Json::String(v.clone())));
    Map::from_iter([("headers".to_owned(), Json::Object(headers.collect()))])
}

async fn upgrade(
    endpoint: &Endpoint,
    asked: &Asked,
    protocol: Protocol,
) -> Result<(WebSocketStream<Box<dyn Bidirectional>>, Dialect), ClientError> {
    let answer = |what: String, is_refusal: bool| ClientError::Answer {
        endpoint: endpoint.ws(),
        what,
        is_refusal,
    };
    let offered = match protocol {
        Protocol::TransportWs => TRANSPORT_WS.to_owned(),
        Protocol::LegacyWs => LEGACY_WS.to_owned(),
        Protocol::Auto | Protocol::Sse => format!("{TRANSPORT_WS}, {LEGACY_WS}"),
    };
    let scheme = if endpoint.is_secure { "wss" } else { "ws" };
    let url = format!("{scheme}://{}{}", endpoint.authority, endpoint.path);
    let mut request =
        url.into_client_request().map_err(|error| ClientError::Url(error.to_string()))?;
    let headers = request.headers_mut();
    let known = [
        (header::SEC_WEBSOCKET_PROTOCOL, offered.as_str()),
        (header::USER_AGENT, super::USER_AGENT),
    ];
    for (name, value) in known {
        headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
    }
    for (name, value) in &asked.headers {
        // Both have been checked when they were read.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    let config = WebSocketConfig::default()
        .max_message_size(Some(LONGEST_MESSAGE))
        .max_frame_size(Some(LONGEST_MESSAGE));
    let stream = stream::connect(endpoint).await?;
    let upgrade = tokio_tungstenite::client_async_with_config(request, stream, Some(config));
    let (socket, response) = match timeout(ACK_TIMEOUT, upgrade).await {
        Ok(Ok(upgraded)) => upgraded,
        Ok(Err(tungstenite::Error::Http(response))) => {
            let body = response.body().as_deref().unwrap_or_default();
            let what = http_client::described(response.status(), body);
            // Who is not let in will not be let in otherwise either.
            let is_refusal = !matches!(response.status().as_u16(), 401 | 403);
            return Err(answer(what, is_refusal));
        }
        Ok(Err(tungstenite::Error::Protocol(error))) => {
            return Err(answer(format!("no WebSocket: {error}"), true));
        }
        Ok(Err(error)) => {
            return Err(ClientError::Unreachable {
                endpoint: endpoint.ws(),
                why: error.to_string(),
            });
        }
        Err(_) => return Err(answer("nothing within 30 s".to_owned(), false)),
    };
    let chosen = response.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
    let chosen = chosen.and_then(|name| name.to_str().ok()).unwrap_or_default();
    let dialect = Dialect::of_name(chosen).ok_or_else(|| {
        let what = format!("a WebSocket with the subprotocol `{chosen}`, not {offered}");
        answer(what, true)
    })?;
    tracing::debug!(subprotocol = chosen, "WebSocket is open");
    Ok((socket, dialect))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn messages_of_both_dialects() {
        let update = |text: &'static str| Update::new(Bytes::from_static(text.as_bytes()));
        let errors = r#"{"errors":[{"message":"no"}]}"#;
        use Dialect::{Legacy, Transport};
        for (dialect, text, expected) in [
            (Transport, r#"{"type":"connection_ack","payload":{}}"#, Meaning::Ack),
            (
                Transport,
                r#"{"id":"1","type":"next","payload":{"data":{"n":1.10}}}"#,
                Meaning::Result(update(r#"{"data":{"n":1.10}}"#)),
            ),
            (
                Transport,
                r#"{"id":"1","type":"error","payload":[{"message":"no"}]}"#,
                Meaning::Failed(update(errors)),
            ),
            (Transport, r#"{"type":"ping"}"#, Meaning::Reply(r#"{"type":"pong"}"#.to_owned())),
            (Transport, r#"{"id":"1","type":"complete"}"#, Meaning::Complete),
            (Transport, r#"{"type":"data"}"#, Meaning::Nothing),
            (
                Legacy,
                r#"{"type":"data","id":"1","payload":{"data":null}}"#,
                Meaning::Result(update(r#"{"data":null}"#)),
            ),
            (
                Legacy,
                r#"{"type":"error","id":"1","payload":{"message":"no"}}"#,
                Meaning::Failed(update(errors)),
            ),
            (Legacy, r#"{"type":"ka"}"#, Meaning::Nothing),
            (
                Legacy,
                r#"{"type":"connection_error","payload":"out"}"#,
                Meaning::Refused("\"out\"".to_owned()),
            ),
        ] {
            assert_eq!(dialect.read(text).unwrap(), expected, "{text}");
        }
        assert!(Transport.read("[]").is_err());
        assert!(Legacy.read("no json").is_err());
    }
}
