//! The client's side of the opening handshake (RFC 6455, section 4.1).

use base64::Engine as _;

use super::{Subprotocol, accept_value, list};

/// A handshake that a client has begun.
///
/// No extension is offered: what comes from a server is passed on, and compressing it once more for
/// every socket costs more than it saves within one's own network.
#[derive(Clone, Debug)]
pub struct ClientHandshake {
    key: String,
    offered: Vec<Subprotocol>,
}

/// Why the server's answer does not open a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Another status than 101 (section 4.1, step 1).
    #[error("the server answered the upgrade with status {0}")]
    Status(u16),
    /// `Upgrade` must be `websocket` (step 2).
    #[error("the Upgrade header of the answer is not websocket")]
    UpgradeHeader,
    /// `Connection` must contain `Upgrade` (step 3).
    #[error("the Connection header of the answer does not contain Upgrade")]
    ConnectionHeader,
    /// `Sec-WebSocket-Accept` must belong to our key (step 4).
    #[error("the Sec-WebSocket-Accept header does not belong to this handshake")]
    Accept,
    /// An extension that was not offered (step 5).
    #[error("the server selected an extension that was not offered")]
    Extensions,
    /// A subprotocol that is none of GraphQL's (step 6).
    #[error("the server selected a subprotocol that is none of GraphQL's")]
    Protocol,
}

impl ClientHandshake {
    /// A handshake that offers these subprotocols, the preferred one first. The nonce must be random
    /// (section 4.1, item 7).
    pub fn new(nonce: [u8; 16], offered: &[Subprotocol]) -> Self {
        let key = base64::engine::general_purpose::STANDARD.encode(nonce);
        Self { key, offered: offered.to_vec() }
    }

    /// The headers of the request that belong to the handshake; `Host` is not among them.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("upgrade", String::from("websocket")),
            ("connection", String::from("Upgrade")),
            ("sec-websocket-key", self.key.clone()),
            ("sec-websocket-version", String::from("13")),
        ];
        if !self.offered.is_empty() {
            let names: Vec<_> = self.offered.iter().map(|protocol| protocol.as_str()).collect();
            headers.push(("sec-websocket-protocol", names.join(", ")));
        }
        headers
    }

    /// Checks the answer, and says which subprotocol is spoken.
    ///
    /// RFC 6455 has clients fail when the server selects what was not offered. Here a GraphQL
    /// subprotocol that was not offered is followed, since the server says what it is going to
    /// speak, and a server that selects none is taken to speak the first that was offered: both are
    /// in use, and neither lets anything through that the session would not check.
    pub fn check<'a>(
        &self,
        status: u16,
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Subprotocol, AnswerError> {
        if status != 101 {
            return Err(AnswerError::Status(status));
        }
        let (mut upgrade, mut connection, mut accept) = (false, false, None);
        let (mut extensions, mut selected) = (false, None);
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("upgrade") {
                upgrade |= value.trim_ascii().eq_ignore_ascii_case(b"websocket");
            } else if name.eq_ignore_ascii_case("connection") {
                connection |= list(value).any(|token| token.eq_ignore_ascii_case(b"upgrade"));
            } else if name.eq_ignore_ascii_case("sec-websocket-accept") {
                accept = Some(value.trim_ascii());
            } else if name.eq_ignore_ascii_case("sec-websocket-extensions") {
                extensions |= list(value).next().is_some();
            } else if name.eq_ignore_ascii_case("sec-websocket-protocol") {
                selected = selected.or_else(|| list(value).next());
            }
        }
        if !upgrade {
            return Err(AnswerError::UpgradeHeader);
        }
        if !connection {
            return Err(AnswerError::ConnectionHeader);
        }
        if accept != Some(accept_value(self.key.as_bytes()).as_bytes()) {
            return Err(AnswerError::Accept);
        }
        if extensions {
            return Err(AnswerError::Extensions);
        }
        let known = Subprotocol::PREFERENCE;
        match selected {
            Some(name) => known.into_iter().find(|known| known.as_str().as_bytes() == name),
            None => Some(self.offered.first().copied().unwrap_or(Subprotocol::TransportWs)),
        }
        .ok_or(AnswerError::Protocol)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ws::handshake::{Negotiated, check};

    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    /// The handshake of RFC 6455, section 1.3.
    fn example(offered: &[Subprotocol]) -> ClientHandshake {
        ClientHandshake::new(*b"the sample nonce", offered)
    }

    fn answer(
        offered: &[Subprotocol],
        status: u16,
        changes: &[(&'static str, Option<&'static str>)],
    ) -> Result<Subprotocol, AnswerError> {
        let mut headers = vec![
            ("Upgrade", "WebSocket"),
            ("Connection", "keep-alive, upgrade"),
            ("Sec-WebSocket-Accept", ACCEPT),
        ];
        for (name, value) in changes {
            headers.retain(|(n, _)| n != name);
            headers.extend(value.iter().map(|v| (*name, *v)));
        }
        example(offered).check(status, headers.iter().map(|(n, v)| (*n, v.as_bytes())))
    }

    #[test]
    fn our_server_accepts_it() {
        let handshake = example(&[Subprotocol::Legacy, Subprotocol::TransportWs]);
        let headers = handshake.headers();
        assert!(headers.contains(&("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==".to_owned())));
        let upgrade = check("GET", headers.iter().map(|(n, v)| (*n, v.as_bytes()))).unwrap();
        assert_eq!(upgrade.accept.as_deref(), Some(ACCEPT));
        assert_eq!(upgrade.protocol, Negotiated::Selected(Subprotocol::TransportWs));
        let answered = upgrade.headers();
        let answered = answered.iter().map(|(n, v)| (*n, v.as_bytes()));
        assert_eq!(handshake.check(101, answered), Ok(Subprotocol::TransportWs));
    }

    #[test]
    fn what_the_server_selects_is_spoken() {
        use Subprotocol::*;
        let name = "Sec-WebSocket-Protocol";
        for (offered, selected, expected) in [
            (&[TransportWs, Legacy][..], Some("graphql-transport-ws"), Ok(TransportWs)),
            (&[TransportWs, Legacy], Some("graphql-ws"), Ok(Legacy)),
            (&[TransportWs, Legacy], None, Ok(TransportWs)),
            (&[Legacy], None, Ok(Legacy)),
            // It was not offered, but it can be understood.
            (&[TransportWs], Some("graphql-ws"), Ok(Legacy)),
            // A server that echoes the whole offer.
            (&[TransportWs, Legacy], Some("graphql-transport-ws, graphql-ws"), Ok(TransportWs)),
            (&[TransportWs], Some(""), Ok(TransportWs)),
            (&[TransportWs], Some("mqtt"), Err(AnswerError::Protocol)),
            (&[TransportWs], Some("GraphQL-WS"), Err(AnswerError::Protocol)),
        ] {
            assert_eq!(answer(offered, 101, &[(name, selected)]), expected, "{selected:?}");
        }
    }

    #[test]
    fn answers_that_open_nothing() {
        for (status, name, value, expected) in [
            (401, "X", None, AnswerError::Status(401)),
            (200, "X", None, AnswerError::Status(200)),
            (101, "Upgrade", None, AnswerError::UpgradeHeader),
            (101, "Upgrade", Some("h2c"), AnswerError::UpgradeHeader),
            (101, "Connection", Some("close"), AnswerError::ConnectionHeader),
            (101, "Sec-WebSocket-Accept", None, AnswerError::Accept),
            (101, "Sec-WebSocket-Accept", Some("AAAA"), AnswerError::Accept),
            (101, "Sec-WebSocket-Extensions", Some("permessage-deflate"), AnswerError::Extensions),
        ] {
            assert_eq!(answer(&[], status, &[(name, value)]), Err(expected), "{name} {value:?}");
        }
    }
}
