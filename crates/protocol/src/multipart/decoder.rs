//! Incremental parser of `multipart/mixed` bodies whose parts are JSON (RFC 2046, section 5.1; Apollo's
//! `subscriptionSpec=1.0`).

use bytes::{Buf, Bytes, BytesMut};

/// What a body says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultipartItem {
    /// The body of a part, without the whitespace around it. It may be anything.
    Part(Bytes),
    /// The closing boundary. Nothing follows.
    End,
}

/// Why a body cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// A part, its headers, or what stands between two parts exceeds the limit in bytes.
    #[error("a part exceeds {0} bytes")]
    TooLarge(usize),
    /// Something else than the end of a line behind a boundary.
    #[error("a boundary is malformed")]
    Boundary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first boundary.
    Preamble,
    /// Right behind a boundary.
    Boundary,
    Headers,
    /// Before the first byte of a part that says anything.
    Body,
    /// In a part that is a JSON object.
    Object(Json),
    /// In a part that is something else.
    Other,
    /// Behind an object, before the boundary.
    Between,
    End,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Json {
    depth: u32,
    in_string: bool,
}

/// Parses one body. The items do not depend on how the bytes are cut.
///
/// A part that is a JSON object is given out as soon as the object ends, since not all servers send the
/// boundary that ends a part along with it. Lines may end with LF only.
#[derive(Debug)]
pub struct MultipartDecoder {
    /// `\n--boundary`.
    delimiter: Vec<u8>,
    limit: usize,
    state: State,
    /// Bytes of the buffer that were looked at in this state.
    scanned: usize,
    started: bool,
    failed: Option<MultipartError>,
}

/// What was found at a line break.
enum Found {
    Delimiter,
    Nothing,
    MoreNeeded,
}

impl MultipartDecoder {
    /// A parser for a body with this boundary, whose parts have at most `limit` bytes.
    pub fn new(boundary: &[u8], limit: usize) -> Self {
        Self {
            delimiter: [b"\n--", boundary].concat(),
            limit,
            state: State::Preamble,
            scanned: 0,
            started: false,
            failed: None,
        }
    }

    /// Whether the closing boundary was seen.
    pub fn is_finished(&self) -> bool {
        self.state == State::End
    }

    /// Whether a part has begun and is not finished.
    pub fn is_mid_part(&self) -> bool {
        matches!(self.state, State::Object(_) | State::Other | State::Headers)
    }

    /// Takes as much from `src` as is needed for the next item. `None` means that more bytes are
    /// needed, or, after the end, that there is nothing more to come. After an error the same error
    /// is given again.
    pub fn decode(&mut self, src: &mut BytesMut) -> Result<Option<MultipartItem>, MultipartError> {
        if let Some(error) = self.failed {
            src.clear();
            return Err(error);
        }
        let result = self.advance(src);
        self.failed = result.as_ref().err().copied();
        result
    }

    fn advance(&mut self, src: &mut BytesMut) -> Result<Option<MultipartItem>, MultipartError> {
        if !self.started {
            // The body may begin with a boundary, without the line break before it.
            let bare = self.delimiter.get(1..).unwrap_or_default();
            if src.starts_with(bare) {
                src.advance(bare.len());
                self.state = State::Boundary;
            } else if bare.starts_with(src) {
                return Ok(None);
            }
            self.started = true;
        }
        loop {
            let step = match self.state {
                State::Preamble | State::Between => self.skip(src)?,
                State::Boundary => self.boundary(src)?,
                State::Headers => self.headers(src)?,
                State::Body => self.body(src)?,
                State::Object(json) => self.object(json, src)?,
                State::Other => self.other(src)?,
                State::End => {
                    src.clear();
                    return Ok(None);
                }
            };
            match step {
                Step::Item(item) => return Ok(Some(item)),
                Step::On => {}
                Step::MoreNeeded if self.scanned > self.limit => {
                    return Err(MultipartError::TooLarge(self.limit));
                }
                Step::MoreNeeded => return Ok(None),
            }
        }
    }

    fn enter(&mut self, state: State) -> Step {
        self.state = state;
        self.scanned = 0;
        Step::On
    }

    /// What the line break at `at` begins.
    fn look(&self, src: &[u8], at: usize) -> Found {
        let rest = src.get(at..).unwrap_or_default();
        if rest.starts_with(&self.delimiter) {
            Found::Delimiter
        } else if self.delimiter.starts_with(rest) {
            Found::MoreNeeded
        } else {
            Found::Nothing
        }
    }

    /// The place of the next delimiter; `scanned` moves on to where it may begin.
    fn find(&mut self, src: &[u8]) -> Option<usize> {
        loop {
            let new = src.get(self.scanned..).unwrap_or_default();
            let Some(at) = memchr::memchr(b'\n', new) else {
                self.scanned = src.len();
                return None;
            };
            self.scanned += at;
            match self.look(src, self.scanned) {
                Found::Delimiter => return Some(self.scanned),
                Found::MoreNeeded => return None,
                Found::Nothing => self.scanned += 1,
            }
        }
    }

    fn skip(&mut self, src: &mut BytesMut) -> Result<Step, MultipartError> {
        let Some(at) = self.find(src) else { return Ok(Step::MoreNeeded) };
        self.fits(at)?;
        src.advance(at + self.delimiter.len());
        Ok(self.enter(State::Boundary))
    }

    fn boundary(&mut self, src: &mut BytesMut) -> Result<Step, MultipartError> {
        match src.get(..2) {
            Some(b"--") => {
                src.clear();
                self.enter(State::End);
                return Ok(Step::Item(MultipartItem::End));
            }
            None if src.is_empty() || src.first() == Some(&b'-') => return Ok(Step::MoreNeeded),
            _ => {}
        }
        let new = src.get(self.scanned..).unwrap_or_default();
        let padding = new.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
        self.scanned += padding;
        self.fits(self.scanned)?;
        match src.get(self.scanned) {
            None => Ok(Step::MoreNeeded),
            Some(b'\n') => {
                src.advance(self.scanned + 1);
                Ok(self.enter(State::Headers))
            }
            Some(_) => Err(MultipartError::Boundary),
        }
    }

    /// Headers say nothing that matters here. The line break that ends the empty line stays, since it
    /// may belong to the next boundary.
    fn headers(&mut self, src: &mut BytesMut) -> Result<Step, MultipartError> {
        loop {
            let bare = self.delimiter.get(1..).unwrap_or_default();
            if src.starts_with(bare) {
                src.advance(bare.len());
                return Ok(self.enter(State::Boundary));
            }
            if bare.starts_with(src) {
                return Ok(Step::MoreNeeded);
            }
            let new = src.get(self.scanned..).unwrap_or_default();
            let Some(at) = memchr::memchr(b'\n', new) else {
                self.scanned = src.len();
                return Ok(Step::MoreNeeded);
            };
            let end = self.scanned + at;
            self.fits(end)?;
            if matches!(src.get(..end), Some(b"" | b"\r")) {
                src.advance(end);
                return Ok(self.enter(State::Body));
            }
            src.advance(end + 1);
            self.scanned = 0;
        }
    }

    fn body(&mut self, src: &mut BytesMut) -> Result<Step, MultipartError> {
        loop {
            match src.get(self.scanned) {
                None => return Ok(Step::MoreNeeded),
                Some(b'\n') => match self.look(src, self.scanned) {
                    Found::Delimiter => {
                        self.fits(self.scanned)?;
                        src.advance(self.scanned + self.delimiter.len());
                        self.enter(State::Boundary);
                        return Ok(Step::Item(MultipartItem::Part(Bytes::new())));
                    }
                    Found::MoreNeeded => return Ok(Step::MoreNeeded),
                    Found::Nothing => self.scanned += 1,
                },
                Some(b' ' | b'\t' | b'\r') => self.scanned += 1,
                Some(first) => {
                    let is_object = *first == b'{';
                    self.fits(self.scanned)?;
                    src.advance(self.scanned);
                    let object = State::Object(Json::default());
                    return Ok(self.enter(if is_object { object } else { State::Other }));
                }
            }
        }
    }

    fn object(&mut self, mut json: Json, src: &mut BytesMut) -> Result<Step, MultipartError> {
        loop {
            let new = src.get(self.scanned..).unwrap_or_default();
            let skipped = if json.in_string {
                memchr::memchr3(b'"', b'\\', b'\n', new)
            } else {
                new.iter().position(|byte| matches!(byte, b'"' | b'{' | b'}' | b'\n'))
            };
            let Some(skipped) = skipped else {
                self.scanned = src.len();
                self.state = State::Object(json);
                return Ok(Step::MoreNeeded);
            };
            self.scanned += skipped;
            match src.get(self.scanned) {
                Some(b'\\') => {
                    if src.len() < self.scanned + 2 {
                        self.state = State::Object(json);
                        return Ok(Step::MoreNeeded);
                    }
                    // What is escaped cannot end the string. A line break is not escaped like this.
                    let is_break = src.get(self.scanned + 1) == Some(&b'\n');
                    self.scanned += if is_break { 0 } else { 1 };
                }
                Some(b'"') => json.in_string = !json.in_string,
                Some(b'{') => json.depth = json.depth.saturating_add(1),
                Some(b'}') => json.depth = json.depth.saturating_sub(1),
                // The object is cut short.
                Some(_) => match self.look(src, self.scanned) {
                    Found::Delimiter => return self.cut(src),
                    Found::MoreNeeded => {
                        self.state = State::Object(json);
                        return Ok(Step::MoreNeeded);
                    }
                    Found::Nothing => {}
                },
                None => {}
            }
            self.scanned += 1;
            if json.depth == 0 {
                self.fits(self.scanned)?;
                let part = src.split_to(self.scanned).freeze();
                self.enter(State::Between);
                return Ok(Step::Item(MultipartItem::Part(part)));
            }
        }
    }

    fn other(&mut self, src: &mut BytesMut) -> Result<Step, MultipartError> {
        if self.find(src).is_some() { self.cut(src) } else { Ok(Step::MoreNeeded) }
    }

    /// Gives out what stands before the delimiter at `scanned`.
    fn cut(&mut self, src: &mut BytesMut) -> Result<Step, MultipartError> {
        self.fits(self.scanned)?;
        let part = src.split_to(self.scanned).freeze();
        src.advance(self.delimiter.len());
        self.enter(State::Boundary);
        let length = part.trim_ascii_end().len();
        Ok(Step::Item(MultipartItem::Part(part.slice(..length))))
    }

    fn fits(&self, length: usize) -> Result<(), MultipartError> {
        if length > self.limit { Err(MultipartError::TooLarge(self.limit)) } else { Ok(()) }
    }
}

enum Step {
    Item(MultipartItem),
    On,
    MoreNeeded,
}

/// The boundary that a `Content-Type` names, if it is `multipart/mixed` (RFC 2046, section 5.1.1; at
/// most 70 characters). Without the parameter it is `-`, as GraphQL clients have it.
pub fn boundary(content_type: &str) -> Option<String> {
    let (kind, mut rest) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !kind.trim().eq_ignore_ascii_case("multipart/mixed") {
        return None;
    }
    loop {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        if rest.is_empty() {
            return Some(String::from("-"));
        }
        let (name, value) = rest.split_once('=')?;
        let (value, after) = match value.trim_start().strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_at(value.find(';').unwrap_or(value.len())),
        };
        if name.trim().eq_ignore_ascii_case("boundary") {
            let value = value.trim();
            return (1..=70).contains(&value.len()).then(|| value.to_owned());
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multipart::Encoder;

    fn all(limit: usize, text: &[u8]) -> (Vec<String>, Option<MultipartError>) {
        let mut decoder = MultipartDecoder::new(b"graphql", limit);
        let mut src = BytesMut::from(text);
        let mut items = Vec::new();
        loop {
            match decoder.decode(&mut src) {
                Ok(Some(MultipartItem::Part(part))) => {
                    items.push(String::from_utf8_lossy(&part).into_owned());
                }
                Ok(Some(MultipartItem::End)) => items.push("END".to_owned()),
                Ok(None) => return (items, None),
                Err(error) => return (items, Some(error)),
            }
        }
    }

    fn items(text: &str) -> Vec<String> {
        all(1024, text.as_bytes()).0
    }

    const TYPE: &str = "content-type: application/json\r\n\r\n";

    #[test]
    fn what_our_encoder_writes() {
        let mut encoder = Encoder::new();
        let mut body = Vec::new();
        body.extend(encoder.next(Bytes::from(r#"{"data":{"n":"}\"--graphql"}}"#)).to_bytes());
        body.extend(encoder.heartbeat().unwrap_or_default().to_bytes());
        body.extend(encoder.complete().to_bytes());
        let expected = [r#"{"payload":{"data":{"n":"}\"--graphql"}}}"#, "{}", "END"];
        assert_eq!(all(1024, &body).0, expected);
        assert_eq!(items("\r\n--graphql--\r\n"), ["END"]);
    }

    #[test]
    fn parts_are_given_out_when_they_end() {
        let head = format!("--graphql\r\n{TYPE}");
        assert_eq!(items(&format!("{head}{{\"a\":1}}")), ["{\"a\":1}"]);
        assert_eq!(
            items(&format!("\r\n{head} {{\"a\":{{\"b\\\"}}\":[]}}}}")),
            ["{\"a\":{\"b\\\"}\":[]}}"]
        );
        // A value that is no object ends with the boundary.
        assert_eq!(items(&format!("{head}[1]\r\n")), Vec::<String>::new());
        assert_eq!(items(&format!("{head}[1]\r\n--graphql")), ["[1]"]);
    }

    #[test]
    fn what_other_servers_write() {
        for body in [
            "--graphql\nContent-Type: application/json\n\n{\"a\":1}\n\n--graphql\n\n{\"b\":1}\n--graphql--",
            "preamble\r\n--graphql \t\r\n\r\n{\"a\":1} junk\r\n--graphql\r\n\r\n{\"b\":1}\r\n--graphql--epilogue",
            "\r\n\r\n--graphql\r\na: 1\r\nb: 2\r\n\r\n\r\n{\"a\":1}\r\n--graphql\r\n\r\n{\"b\":1}\r\n--graphql--",
        ] {
            assert_eq!(items(body), ["{\"a\":1}", "{\"b\":1}", "END"], "{body:?}");
        }
        // Pretty JSON.
        let pretty = "--graphql\r\n\r\n{\n  \"a\": 1\n}\r\n--graphql--";
        assert_eq!(items(pretty), ["{\n  \"a\": 1\n}", "END"]);
    }

    #[test]
    fn malformed_parts_do_not_hide_the_next_one() {
        for (part, given) in [
            ("\r\n{\"a\":\"x\r\n--graphql", "{\"a\":\"x"),
            ("\r\n{\"a\":\"x\\\n--graphql", "{\"a\":\"x\\"),
            ("\r\n<html>\r\n--graphql", "<html>"),
            ("\r\n--graphql", ""),
            ("\r\n\r\n--graphql", ""),
        ] {
            let body = format!("--graphql\r\n{part}\r\n\r\n{{\"b\":1}}\r\n--graphql--");
            assert_eq!(items(&body), [given, "{\"b\":1}", "END"], "{part:?}");
        }
        let headless = "--graphql\r\n{\"a\":1}\r\n--graphql\r\n\r\n{\"b\":1}\r\n--graphql--";
        assert_eq!(items(headless), ["{\"b\":1}", "END"]);
        let longer = "--graphql\r\n\r\n1\r\n--graphql2\r\n\r\n{}";
        assert_eq!(all(99, longer.as_bytes()), (vec!["1".into()], Some(MultipartError::Boundary)));
    }

    #[test]
    fn limits() {
        let too_large = Some(MultipartError::TooLarge(20));
        let part = |length: usize| format!("--graphql\r\n\r\n{{\"a\":\"{}\"}}", "x".repeat(length));
        assert_eq!(all(20, part(12).as_bytes()).1, None);
        assert_eq!(all(20, part(12).as_bytes()).0.len(), 1);
        assert_eq!(all(20, part(13).as_bytes()), (vec![], too_large));
        assert_eq!(all(20, "x".repeat(21).as_bytes()).1, too_large);
        assert_eq!(all(20, format!("--graphql\r\n{}", "x".repeat(21)).as_bytes()).1, too_large);
        let between = format!("--graphql\r\n\r\n{{}}{}", " ".repeat(21));
        assert_eq!(all(20, between.as_bytes()), (vec!["{}".into()], too_large));
        // However the bytes are cut: nothing but line breaks is too much before a boundary, too.
        let empty = format!("--graphql\r\n\r\n{}--graphql", "\n".repeat(22));
        assert_eq!(all(20, empty.as_bytes()), (vec![], too_large));
        let html = format!("--graphql\r\n\r\n<{}", " ".repeat(21));
        assert_eq!(all(20, html.as_bytes()).1, too_large);
    }

    #[test]
    fn boundaries() {
        for (value, expected) in [
            ("multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0", Some("graphql")),
            ("Multipart/Mixed; subscriptionSpec=\"1;0\"; Boundary=graphql", Some("graphql")),
            ("multipart/mixed; boundary=a-b ; x=y", Some("a-b")),
            ("multipart/mixed", Some("-")),
            ("multipart/mixed; boundary=\"\"", None),
            ("multipart/mixed; boundary=\"x", None),
            ("multipart/mixed; x", None),
            ("multipart/form-data; boundary=x", None),
            ("application/json", None),
        ] {
            assert_eq!(boundary(value).as_deref(), expected, "{value}");
        }
        assert_eq!(boundary(&format!("multipart/mixed;boundary={}", "x".repeat(71))), None);
    }
}
