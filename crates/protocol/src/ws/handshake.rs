//! The server's side of the opening handshake (RFC 6455, section 4.2) and the choice of the
//! GraphQL subprotocol; [`ClientHandshake`] is the client's side.

mod client;

pub use client::{AnswerError, ClientHandshake};

use base64::Engine as _;
use sha1::{Digest, Sha1};

use super::deflate::{self, Deflate};

/// The GraphQL subprotocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subprotocol {
    /// `graphql-transport-ws`, the protocol of the GraphQL over WebSocket RFC.
    TransportWs,
    /// `graphql-ws`, the protocol of Apollo's subscriptions-transport-ws.
    Legacy,
}

impl Subprotocol {
    /// All subprotocols in the order in which the server prefers them.
    pub const PREFERENCE: [Self; 2] = [Self::TransportWs, Self::Legacy];

    /// The name in `Sec-WebSocket-Protocol`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TransportWs => "graphql-transport-ws",
            Self::Legacy => "graphql-ws",
        }
    }
}

/// The outcome of the subprotocol negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Negotiated {
    /// This one is echoed in the answer.
    Selected(Subprotocol),
    /// The client offered no subprotocol. Accept without the header and close with 4406.
    NoneOffered,
    /// The client offered subprotocols, but none that we speak. Accept without the header (the
    /// client will give up by itself, RFC 6455 section 4.1) and close with 4406.
    NoneAcceptable,
}

/// An upgrade request that may be answered with `101 Switching Protocols`, over HTTP/2 with `200`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The value for `Sec-WebSocket-Accept`; none over HTTP/2 (RFC 8441, section 5).
    pub accept: Option<String>,
    /// The chosen subprotocol.
    pub protocol: Negotiated,
    /// Compression, if the client offers it in a way that can be accepted (RFC 7692, section 7.1). A
    /// server that does not want it takes it away before it answers.
    pub deflate: Option<Deflate>,
}

impl Upgrade {
    /// The headers of the answer.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if let Some(accept) = &self.accept {
            headers.push(("upgrade", String::from("websocket")));
            headers.push(("connection", String::from("Upgrade")));
            headers.push(("sec-websocket-accept", accept.clone()));
        }
        if let Negotiated::Selected(protocol) = self.protocol {
            headers.push(("sec-websocket-protocol", protocol.as_str().to_owned()));
        }
        if let Some(deflate) = self.deflate {
            headers.push(("sec-websocket-extensions", deflate.answer()));
        }
        headers
    }
}

/// Why an upgrade request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// The method must be GET (section 4.2.1, item 1).
    #[error("a WebSocket handshake must be a GET request")]
    Method,
    /// `Upgrade` must contain `websocket` (item 3).
    #[error("the Upgrade header must be websocket")]
    UpgradeHeader,
    /// `Connection` must contain `upgrade` (item 4).
    #[error("the Connection header must contain Upgrade")]
    ConnectionHeader,
    /// `Sec-WebSocket-Key` must be there once and decode to 16 bytes (item 5).
    #[error("the Sec-WebSocket-Key header is missing or malformed")]
    Key,
    /// `Sec-WebSocket-Version` must be 13 (item 6; section 4.4).
    #[error("only version 13 of the WebSocket protocol is supported")]
    Version,
    /// `Sec-WebSocket-Protocol` must be a list of tokens without repetition (section 4.1,
    /// item 10), of at most 64 entries here.
    #[error("the Sec-WebSocket-Protocol header is malformed")]
    Protocol,
    /// `Sec-WebSocket-Extensions` must be a list of extensions (section 9.1), of at most 64 entries
    /// here.
    #[error("the Sec-WebSocket-Extensions header is malformed")]
    Extensions,
}

impl UpgradeError {
    /// The HTTP status for this refusal.
    pub fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::Version => 426,
            _ => 400,
        }
    }

    /// Headers that belong to the refusal: the supported version with 426 (section 4.4), `Allow`
    /// with 405 (RFC 9110, section 15.5.6).
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Method => &[("allow", "GET")],
            Self::Version => &[("sec-websocket-version", "13"), ("upgrade", "websocket")],
            _ => &[],
        }
    }
}

const MAX_OFFERS: usize = 64;

/// Whether a request asks for a WebSocket at all, so that a plain request to the same path can be
/// told apart before [`check`] is called.
pub fn is_upgrade<'a>(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> bool {
    headers.into_iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("upgrade")
            && list(value).any(|token| token.eq_ignore_ascii_case(b"websocket"))
    })
}

/// Checks an upgrade request in one pass over its headers. Header names are compared without regard
/// to case, and a header may be repeated.
pub fn check<'a>(
    method: &str,
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<Upgrade, UpgradeError> {
    if method != "GET" {
        return Err(UpgradeError::Method);
    }
    let asked = Asked::read(headers)?;
    if !asked.upgrade {
        return Err(UpgradeError::UpgradeHeader);
    }
    if !asked.connection {
        return Err(UpgradeError::ConnectionHeader);
    }
    asked.check_version()?;
    let key = asked.key.filter(|_| asked.keys == 1).ok_or(UpgradeError::Key)?;
    let mut nonce = [0u8; 18];
    match base64::engine::general_purpose::STANDARD.decode_slice(key, &mut nonce) {
        Ok(16) => {}
        _ => return Err(UpgradeError::Key),
    }
    Ok(asked.accept(Some(accept_value(key))))
}

/// Checks the headers of an extended CONNECT request whose `:protocol` is `websocket` (RFC 8441,
/// section 5). There is no key, and what HTTP/1 says with `Upgrade` and `Connection` is said by then.
pub fn check_connect<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<Upgrade, UpgradeError> {
    let asked = Asked::read(headers)?;
    asked.check_version()?;
    Ok(asked.accept(None))
}

/// What the headers say.
#[derive(Default)]
struct Asked<'a> {
    upgrade: bool,
    connection: bool,
    key: Option<&'a [u8]>,
    keys: usize,
    version_13: bool,
    versions: usize,
    protocols: Offers,
    extensions: deflate::Offers,
}

impl<'a> Asked<'a> {
    fn read(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Self, UpgradeError> {
        let mut asked = Self::default();
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("upgrade") {
                asked.upgrade |= list(value).any(|t| t.eq_ignore_ascii_case(b"websocket"));
            } else if name.eq_ignore_ascii_case("connection") {
                asked.connection |= list(value).any(|t| t.eq_ignore_ascii_case(b"upgrade"));
            } else if name.eq_ignore_ascii_case("sec-websocket-key") {
                asked.keys += 1;
                asked.key = Some(value.trim_ascii());
            } else if name.eq_ignore_ascii_case("sec-websocket-version") {
                asked.versions += 1;
                asked.version_13 = value.trim_ascii() == b"13";
            } else if name.eq_ignore_ascii_case("sec-websocket-protocol") {
                asked.protocols.add(value)?;
            } else if name.eq_ignore_ascii_case("sec-websocket-extensions") {
                let add = asked.extensions.add(value);
                add.map_err(|deflate::Malformed| UpgradeError::Extensions)?;
            }
        }
        Ok(asked)
    }

    fn check_version(&self) -> Result<(), UpgradeError> {
        let is_13 = self.version_13 && self.versions == 1;
        if is_13 { Ok(()) } else { Err(UpgradeError::Version) }
    }

    fn accept(&self, accept: Option<String>) -> Upgrade {
        Upgrade { accept, protocol: self.protocols.choose(), deflate: self.extensions.choose() }
    }
}

/// `Sec-WebSocket-Accept` for a key (section 4.2.2, item 5.4).
pub fn accept_value(key: &[u8]) -> String {
    let mut sha = Sha1::new();
    sha.update(key);
    sha.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64::engine::general_purpose::STANDARD.encode(sha.finalize())
}

/// Chooses a subprotocol from the values of all `Sec-WebSocket-Protocol` headers by the server's
/// preference, whatever the order of the offers.
pub fn negotiate<'a>(
    values: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Negotiated, UpgradeError> {
    let mut offers = Offers::default();
    for value in values {
        offers.add(value)?;
    }
    Ok(offers.choose())
}

#[derive(Default)]
struct Offers {
    count: usize,
    known: [bool; 2],
}

impl Offers {
    fn add(&mut self, value: &[u8]) -> Result<(), UpgradeError> {
        for token in list(value) {
            self.count += 1;
            if self.count > MAX_OFFERS || !token.iter().copied().all(is_token_byte) {
                return Err(UpgradeError::Protocol);
            }
            for (seen, protocol) in self.known.iter_mut().zip(Subprotocol::PREFERENCE) {
                // Subprotocol names are compared with regard to case (section 11.3.4).
                *seen |= token == protocol.as_str().as_bytes();
            }
        }
        Ok(())
    }

    fn choose(&self) -> Negotiated {
        let known = self.known.iter().zip(Subprotocol::PREFERENCE);
        match known.filter(|(seen, _)| **seen).map(|(_, p)| p).next() {
            Some(protocol) => Negotiated::Selected(protocol),
            None if self.count == 0 => Negotiated::NoneOffered,
            None => Negotiated::NoneAcceptable,
        }
    }
}

/// The members of a comma list; empty ones are skipped (RFC 9110, section 5.6.1).
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// RFC 9110, section 5.6.2.
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &[(&str, &str)] = &[
        ("Host", "server.example.com"),
        ("Upgrade", "websocket"),
        ("Connection", "keep-alive, Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];

    fn with(changes: &[(&'static str, Option<&'static str>)]) -> Result<Upgrade, UpgradeError> {
        let mut headers: Vec<(&str, &str)> = GOOD.to_vec();
        for (name, value) in changes {
            headers.retain(|(n, _)| n != name);
            headers.extend(value.iter().map(|v| (*name, *v)));
        }
        check("GET", headers.iter().map(|(n, v)| (*n, v.as_bytes())))
    }

    #[test]
    fn accepts_the_example_of_the_rfc() {
        // RFC 6455, section 1.3.
        let upgrade = with(&[]).unwrap();
        assert_eq!(upgrade.accept.as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(upgrade.protocol, Negotiated::NoneOffered);
        assert_eq!(upgrade.headers().len(), 3);
    }

    #[test]
    fn over_http_2_there_is_no_key() {
        let headers = [
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "graphql-ws, graphql-transport-ws"),
            ("sec-websocket-extensions", "permessage-deflate"),
        ];
        let connect = |headers: &[(&str, &str)]| {
            check_connect(headers.iter().map(|(name, value)| (*name, value.as_bytes())))
        };
        let upgrade = connect(&headers).unwrap();
        assert_eq!(upgrade.protocol, Negotiated::Selected(Subprotocol::TransportWs));
        let names: Vec<_> = upgrade.headers().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["sec-websocket-protocol", "sec-websocket-extensions"]);
        assert_eq!(connect(&headers[1..]), Err(UpgradeError::Version));
        assert_eq!(connect(&[headers[0], headers[0]]), Err(UpgradeError::Version));
        assert_eq!(
            connect(&[headers[0], ("sec-websocket-protocol", "a b")]),
            Err(UpgradeError::Protocol)
        );
    }

    #[test]
    fn compression_is_answered_unless_it_is_taken_away() {
        let offer = "permessage-deflate; client_max_window_bits";
        let mut upgrade = with(&[("Sec-WebSocket-Extensions", Some(offer))]).unwrap();
        let answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        let expected = ("sec-websocket-extensions", answer.to_owned());
        assert!(upgrade.headers().contains(&expected));
        upgrade.deflate = None;
        assert_eq!(upgrade.headers().len(), 3);
        let other = with(&[("Sec-WebSocket-Extensions", Some("x-webkit-deflate-frame"))]);
        assert_eq!(other.unwrap().deflate, None);
    }

    #[test]
    fn refusals() {
        let rows: &[(&'static str, Option<&'static str>, UpgradeError, u16)] = &[
            ("Upgrade", None, UpgradeError::UpgradeHeader, 400),
            ("Upgrade", Some("h2c"), UpgradeError::UpgradeHeader, 400),
            ("Connection", None, UpgradeError::ConnectionHeader, 400),
            ("Connection", Some("close"), UpgradeError::ConnectionHeader, 400),
            ("Sec-WebSocket-Key", None, UpgradeError::Key, 400),
            ("Sec-WebSocket-Key", Some(""), UpgradeError::Key, 400),
            ("Sec-WebSocket-Key", Some("dGhlIHNhbXBsZQ=="), UpgradeError::Key, 400),
            ("Sec-WebSocket-Key", Some("!!!!"), UpgradeError::Key, 400),
            ("Sec-WebSocket-Version", None, UpgradeError::Version, 426),
            ("Sec-WebSocket-Version", Some("8"), UpgradeError::Version, 426),
            ("Sec-WebSocket-Protocol", Some("a b"), UpgradeError::Protocol, 400),
            ("Sec-WebSocket-Extensions", Some("a b"), UpgradeError::Extensions, 400),
        ];
        for (name, value, error, status) in rows {
            assert_eq!(with(&[(name, *value)]), Err(*error), "{name} {value:?}");
            assert_eq!(error.status(), *status);
        }
        let post = check("POST", GOOD.iter().map(|(n, v)| (*n, v.as_bytes())));
        assert_eq!(post, Err(UpgradeError::Method));
        assert_eq!(UpgradeError::Method.status(), 405);
        assert_eq!(UpgradeError::Version.headers().first(), Some(&("sec-websocket-version", "13")));
        let twice = GOOD.iter().chain(&[("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]);
        assert_eq!(check("GET", twice.map(|(n, v)| (*n, v.as_bytes()))), Err(UpgradeError::Key));
    }

    #[test]
    fn the_server_prefers() {
        use Negotiated::*;
        use Subprotocol::*;
        let rows: &[(&[&str], Negotiated)] = &[
            (&[], NoneOffered),
            (&[""], NoneOffered),
            (&["graphql-transport-ws"], Selected(TransportWs)),
            (&["graphql-ws"], Selected(Legacy)),
            (&["graphql-ws, graphql-transport-ws"], Selected(TransportWs)),
            (&["graphql-ws", "graphql-transport-ws"], Selected(TransportWs)),
            (&["graphql-transport-ws,graphql-ws"], Selected(TransportWs)),
            (&["mqtt, ,graphql-ws"], Selected(Legacy)),
            (&["mqtt"], NoneAcceptable),
            (&["GraphQL-WS"], NoneAcceptable),
        ];
        for (values, expected) in rows {
            let got = negotiate(values.iter().map(|v| v.as_bytes()));
            assert_eq!(got, Ok(*expected), "{values:?}");
        }
    }

    #[test]
    fn long_offers_are_refused_in_linear_time() {
        let many = "x,".repeat(200_000);
        assert_eq!(negotiate([many.as_bytes()]), Err(UpgradeError::Protocol));
        let spaces = " ".repeat(1_000_000);
        assert_eq!(negotiate([spaces.as_bytes()]), Ok(Negotiated::NoneOffered));
    }

    #[test]
    fn plain_requests_are_told_apart() {
        assert!(is_upgrade(GOOD.iter().map(|(n, v)| (*n, v.as_bytes()))));
        assert!(!is_upgrade([("accept", &b"*/*"[..])]));
    }
}
