//! Negotiation (RFC 7692, sections 5 and 7.1; grammar of the header: RFC 6455, section 9.1).

use super::super::handshake::is_token_byte;

/// The most extensions that a client may offer.
const MAX_OFFERS: usize = 64;

/// The name of the extension.
const NAME: &[u8] = b"permessage-deflate";

/// The parameters of `permessage-deflate` that a connection uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    /// What the client asked for with `server_max_window_bits`, 8 to 15.
    server_window: Option<u8>,
}

impl Deflate {
    /// The value of `Sec-WebSocket-Extensions` in the answer. A server may demand
    /// `client_no_context_takeover` whether it was offered or not (RFC 7692, section 7.1.1.2).
    pub fn answer(self) -> String {
        let mut answer = String::from(
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        );
        if let Some(bits) = self.server_window {
            answer.push_str("; server_max_window_bits=");
            answer.push_str(&bits.to_string());
        }
        answer
    }

    /// Whether a payload of this many bytes may be compressed. Within a smaller window than the
    /// greatest, those go as they are that could refer further back than it is long.
    pub fn allows(self, length: usize) -> bool {
        self.server_window.is_none_or(|bits| bits >= 15 || length <= 1 << bits)
    }
}

/// The header does not conform to its grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Malformed;

/// The extensions that a client offers, of which the first that can be accepted counts.
#[derive(Default)]
pub(in super::super) struct Offers {
    count: usize,
    accepted: Option<Deflate>,
}

impl Offers {
    /// Takes in the value of one `Sec-WebSocket-Extensions` header.
    pub(in super::super) fn add(&mut self, value: &[u8]) -> Result<(), Malformed> {
        let mut scanner = Scanner { rest: value };
        loop {
            // Empty members of the list are skipped (RFC 9110, section 5.6.1).
            while scanner.take(b',') {}
            if scanner.is_at_end() {
                return Ok(());
            }
            self.count += 1;
            if self.count > MAX_OFFERS {
                return Err(Malformed);
            }
            let offer = scanner.extension()?;
            self.accepted = self.accepted.or(offer);
        }
    }

    /// What was agreed on.
    pub(in super::super) fn choose(&self) -> Option<Deflate> {
        self.accepted
    }
}

/// Parameters of one offer. An offer with an unknown, repeated or invalid one is declined
/// (RFC 7692, section 7.1).
#[derive(Default)]
struct Parameters {
    seen: [bool; 4],
    server_window: Option<u8>,
    is_declined: bool,
}

impl Parameters {
    fn add(&mut self, name: &[u8], value: Option<&[u8]>) {
        let (index, is_valid) = match name {
            b"server_no_context_takeover" => (0, value.is_none()),
            b"client_no_context_takeover" => (1, value.is_none()),
            b"server_max_window_bits" => {
                self.server_window = value.and_then(window_bits);
                (2, self.server_window.is_some())
            }
            // With a value or without: a client's window of any size can be read.
            b"client_max_window_bits" => (3, value.is_none_or(|v| window_bits(v).is_some())),
            _ => (0, false),
        };
        let is_repeated =
            self.seen.get_mut(index).is_some_and(|seen| std::mem::replace(seen, true));
        self.is_declined |= is_repeated || !is_valid;
    }
}

/// A whole number from 8 to 15 without leading zeros (RFC 7692, section 7.1.2).
fn window_bits(value: &[u8]) -> Option<u8> {
    match value {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    /// The next extension with its parameters, if it is one that can be accepted.
    fn extension(&mut self) -> Result<Option<Deflate>, Malformed> {
        let is_ours = self.token()? == NAME;
        let mut parameters = Parameters::default();
        while self.take(b';') {
            let name = self.token()?;
            let value = if self.take(b'=') { Some(self.value()?) } else { None };
            parameters.add(name, value.as_deref());
        }
        if !self.is_at_end() && self.rest.first() != Some(&b',') {
            return Err(Malformed);
        }
        let is_accepted = is_ours && !parameters.is_declined;
        Ok(is_accepted.then_some(Deflate { server_window: parameters.server_window }))
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn is_at_end(&mut self) -> bool {
        self.skip_space();
        self.rest.is_empty()
    }

    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(&[byte]) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn token(&mut self) -> Result<&'a [u8], Malformed> {
        self.skip_space();
        let end = self.rest.iter().position(|b| !is_token_byte(*b)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at_checked(end).ok_or(Malformed)?;
        self.rest = rest;
        if token.is_empty() { Err(Malformed) } else { Ok(token) }
    }

    /// A token, or a quoted string whose content is one.
    fn value(&mut self) -> Result<std::borrow::Cow<'a, [u8]>, Malformed> {
        if !self.take(b'"') {
            return self.token().map(Into::into);
        }
        let mut content = Vec::new();
        loop {
            let (&byte, rest) = self.rest.split_first().ok_or(Malformed)?;
            self.rest = rest;
            let byte = match byte {
                b'"' if content.is_empty() => return Err(Malformed),
                b'"' => return Ok(content.into()),
                b'\\' => {
                    let (&escaped, rest) = self.rest.split_first().ok_or(Malformed)?;
                    self.rest = rest;
                    escaped
                }
                byte => byte,
            };
            if !is_token_byte(byte) {
                return Err(Malformed);
            }
            content.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn offer(values: &[&str]) -> Result<Option<Deflate>, Malformed> {
        let mut offers = Offers::default();
        for value in values {
            offers.add(value.as_bytes())?;
        }
        Ok(offers.choose())
    }

    const PLAIN: Deflate = Deflate { server_window: None };

    fn window(bits: u8) -> Deflate {
        Deflate { server_window: Some(bits) }
    }

    #[test]
    fn offers_that_are_accepted() {
        let rows: &[(&[&str], Deflate)] = &[
            (&["permessage-deflate"], PLAIN),
            (&[" permessage-deflate ; client_max_window_bits"], PLAIN),
            (&["permessage-deflate;client_max_window_bits=8"], PLAIN),
            (
                &["permessage-deflate; server_no_context_takeover; client_no_context_takeover"],
                PLAIN,
            ),
            (&["permessage-deflate; server_max_window_bits=10"], window(10)),
            (&["permessage-deflate; server_max_window_bits = \"1\\5\""], window(15)),
            // The first that can be accepted counts, in whatever header it stands.
            (&["permessage-deflate; x, permessage-deflate; server_max_window_bits=9"], window(9)),
            (&["x-webkit-deflate-frame", ", ,permessage-deflate"], PLAIN),
            (&["foo; a=\"b\"; a=c, permessage-deflate, permessage-deflate; y"], PLAIN),
        ];
        for (values, expected) in rows {
            assert_eq!(offer(values), Ok(Some(*expected)), "{values:?}");
        }
    }

    #[test]
    fn offers_that_are_declined() {
        for value in [
            "",
            ",",
            "foo",
            "Permessage-Deflate",
            "permessage-deflate; unknown",
            "permessage-deflate; Server_No_Context_Takeover",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover=true",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; client_max_window_bits; client_max_window_bits",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=08",
            "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
            "permessage-deflate; client_max_window_bits=1",
            "permessage-deflate; client_max_window_bits=150",
        ] {
            assert_eq!(offer(&[value]), Ok(None), "{value}");
        }
    }

    #[test]
    fn headers_that_are_malformed() {
        for value in [
            "permessage-deflate;",
            "permessage-deflate; =1",
            "permessage-deflate; a=",
            "permessage-deflate; a=\"\"",
            "permessage-deflate; a=\"b",
            "permessage-deflate; a=\"b\\",
            "permessage-deflate; a=\"b c\"",
            "permessage-deflate; a=\"b\" c",
            "permessage-deflate foo",
            "(permessage-deflate)",
            "a=b",
            "a, =",
        ] {
            assert_eq!(offer(&[value]), Err(Malformed), "{value}");
        }
        assert_eq!(offer(&[&"x,".repeat(65)]), Err(Malformed));
        assert_eq!(offer(&[&"x,".repeat(64)]), Ok(None));
    }

    #[test]
    fn answers() {
        let plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        assert_eq!(PLAIN.answer(), plain);
        assert_eq!(window(9).answer(), format!("{plain}; server_max_window_bits=9"));
    }

    #[test]
    fn a_small_window_is_for_small_payloads() {
        assert!(PLAIN.allows(1 << 20) && window(15).allows(1 << 20));
        assert!(window(9).allows(512) && !window(9).allows(513));
    }
}
