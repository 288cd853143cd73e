//! Incremental parser of `text/event-stream` (WHATWG HTML, section 9.2.6).

use bytes::{Buf, Bytes, BytesMut};

/// What an event stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SseItem {
    /// An event. Its text is not checked to be UTF-8.
    Event {
        /// The value of its last `event:` line; empty if there is none.
        name: Bytes,
        /// The values of its `data:` lines with LF between them.
        data: Bytes,
    },
    /// A line that is a comment. Servers send them as signs of life.
    Comment,
    /// How long to wait before the stream is opened again, in milliseconds.
    Retry(u64),
}

/// Why an event stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// A line, or all lines of an event together, exceed the limit in bytes.
    #[error("an event exceeds {0} bytes")]
    TooLarge(usize),
}

/// Parses one event stream. The items do not depend on how the bytes are cut.
///
/// One thing differs from the text of the standard: an event that has a name and no `data:` line is
/// given out with empty data, since some servers end a stream with a bare `event: complete`.
#[derive(Debug)]
pub struct SseDecoder {
    limit: usize,
    /// Bytes of the buffer in which there is no end of a line.
    scanned: usize,
    started: bool,
    /// The last line ended with CR: a LF that follows belongs to it.
    after_cr: bool,
    name: Bytes,
    data: Option<Data>,
    size: usize,
    failed: Option<SseError>,
}

/// Almost all events have one line, which is not copied.
#[derive(Debug)]
enum Data {
    Line(Bytes),
    Lines(BytesMut),
}

impl SseDecoder {
    /// A parser for a stream whose events, and whose lines, have at most `limit` bytes each.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            scanned: 0,
            started: false,
            after_cr: false,
            name: Bytes::new(),
            data: None,
            size: 0,
            failed: None,
        }
    }

    /// Whether an event, or a line, has begun and is not finished; `rest` is the buffer that
    /// [`decode`](Self::decode) has left.
    pub fn is_mid_event(&self, rest: &[u8]) -> bool {
        !rest.is_empty() || self.size > 0
    }

    /// Takes as much from `src` as is needed for the next item. `None` means that more bytes are
    /// needed. After an error the same error is given again.
    pub fn decode(&mut self, src: &mut BytesMut) -> Result<Option<SseItem>, SseError> {
        if let Some(error) = self.failed {
            src.clear();
            return Err(error);
        }
        let result = self.advance(src);
        if let Err(error) = result {
            self.failed = Some(error);
            self.data = None;
        }
        result
    }

    fn advance(&mut self, src: &mut BytesMut) -> Result<Option<SseItem>, SseError> {
        if !self.started {
            const BOM: &[u8] = b"\xef\xbb\xbf";
            if src.starts_with(BOM) {
                src.advance(BOM.len());
            } else if src.len() < BOM.len() && BOM.starts_with(src) {
                return Ok(None);
            }
            self.started = true;
        }
        loop {
            if self.after_cr && !src.is_empty() {
                self.after_cr = false;
                if src.first() == Some(&b'\n') {
                    src.advance(1);
                }
            }
            let new = src.get(self.scanned..).unwrap_or_default();
            let Some(at) = memchr::memchr2(b'\n', b'\r', new) else {
                self.scanned = src.len();
                if src.len() > self.limit {
                    return Err(SseError::TooLarge(self.limit));
                }
                return Ok(None);
            };
            let line = src.split_to(self.scanned + at).freeze();
            self.scanned = 0;
            self.after_cr = src.first() == Some(&b'\r');
            src.advance(1);
            if line.len() > self.limit {
                return Err(SseError::TooLarge(self.limit));
            }
            if let Some(item) = self.line(line)? {
                return Ok(Some(item));
            }
        }
    }

    fn line(&mut self, line: Bytes) -> Result<Option<SseItem>, SseError> {
        let colon = memchr::memchr(b':', &line);
        let value = match colon {
            _ if line.is_empty() => return Ok(self.dispatch()),
            Some(0) => return Ok(Some(SseItem::Comment)),
            Some(at) => {
                let value = line.slice(at + 1..);
                if value.first() == Some(&b' ') { value.slice(1..) } else { value }
            }
            None => Bytes::new(),
        };
        match line.get(..colon.unwrap_or(line.len())).unwrap_or_default() {
            b"event" => {
                self.size = self.size.saturating_sub(self.name.len()) + value.len();
                self.name = value;
            }
            b"data" => {
                self.size += value.len() + 1;
                if self.size <= self.limit.saturating_add(1) {
                    self.data = Some(match self.data.take() {
                        None => Data::Line(value),
                        Some(data) => {
                            let mut lines = match data {
                                Data::Line(line) => BytesMut::from(&line[..]),
                                Data::Lines(lines) => lines,
                            };
                            lines.extend_from_slice(b"\n");
                            lines.extend_from_slice(&value);
                            Data::Lines(lines)
                        }
                    });
                }
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let digits = std::str::from_utf8(&value).unwrap_or_default();
                return Ok(Some(SseItem::Retry(digits.parse().unwrap_or(u64::MAX))));
            }
            // `id` is for streams that can be taken up again, which GraphQL's cannot.
            _ => {}
        }
        if self.size > self.limit.saturating_add(1) {
            return Err(SseError::TooLarge(self.limit));
        }
        Ok(None)
    }

    fn dispatch(&mut self) -> Option<SseItem> {
        self.size = 0;
        let name = std::mem::take(&mut self.name);
        let data = match self.data.take() {
            None if name.is_empty() => return None,
            None => Bytes::new(),
            Some(Data::Line(line)) => line,
            Some(Data::Lines(lines)) => lines.freeze(),
        };
        Some(SseItem::Event { name, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> SseItem {
        SseItem::Event {
            name: Bytes::copy_from_slice(name.as_bytes()),
            data: Bytes::copy_from_slice(data.as_bytes()),
        }
    }

    fn all(limit: usize, text: &[u8]) -> (Vec<SseItem>, Option<SseError>) {
        let mut decoder = SseDecoder::new(limit);
        let mut src = BytesMut::from(text);
        let mut items = Vec::new();
        loop {
            match decoder.decode(&mut src) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => return (items, None),
                Err(error) => return (items, Some(error)),
            }
        }
    }

    fn items(text: &str) -> Vec<SseItem> {
        all(1024, text.as_bytes()).0
    }

    #[test]
    fn the_examples_of_the_standard() {
        // WHATWG HTML, section 9.2.6.
        assert_eq!(items("data: YHOO\ndata: +2\ndata: 10\n\n"), [event("", "YHOO\n+2\n10")]);
        let stream = ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n\
                      data:  third event\n\n";
        assert_eq!(
            items(stream),
            [
                SseItem::Comment,
                event("", "first event"),
                event("", "second event"),
                event("", " third event"),
            ]
        );
        assert_eq!(items("data\n\ndata\ndata\n\ndata:"), [event("", ""), event("", "\n")]);
        assert_eq!(items("data:test\n\ndata: test\n\n"), [event("", "test"), event("", "test")]);
    }

    #[test]
    fn what_graphql_servers_send() {
        let crlf = "event: next\r\ndata: {}\r\n\r\nevent: complete\r\ndata:\r\n\r\n";
        for stream in [crlf, &crlf.replace("\r\n", "\n"), &crlf.replace("\r\n", "\r")] {
            assert_eq!(items(stream), [event("next", "{}"), event("complete", "")], "{stream:?}");
        }
        assert_eq!(items("event: complete\n\n"), [event("complete", "")]);
        assert_eq!(items("\u{feff}data: 1\n\n"), [event("", "1")]);
        assert_eq!(items("\u{feff}\u{feff}data: 1\n\n"), []);
        assert_eq!(items("retry: 250\nretry: x\nretry:\n"), [SseItem::Retry(250)]);
        assert_eq!(items("retry: 99999999999999999999999\n"), [SseItem::Retry(u64::MAX)]);
        assert_eq!(items("unknown: 1\nevents: 2\n\n\n\n"), []);
        assert_eq!(
            items("event: a\nevent: b\ndata: 1\n\ndata: 2\n\n"),
            [event("b", "1"), event("", "2")]
        );
    }

    #[test]
    fn one_line_is_not_copied() {
        let mut src = BytesMut::from("data: {\"data\":{}}\n\n");
        let start = src.as_ptr() as usize;
        let decoded = SseDecoder::new(99).decode(&mut src);
        let at = match &decoded {
            Ok(Some(SseItem::Event { data, .. })) => Some(data.as_ptr() as usize),
            _ => None,
        };
        assert_eq!(at, Some(start + 6), "{decoded:?}");
    }

    #[test]
    fn limits() {
        let too_large = Some(SseError::TooLarge(10));
        assert_eq!(all(10, b"data: 1234\n\n").0, [event("", "1234")]);
        assert_eq!(all(10, b"data:123456"), (vec![], too_large));
        assert_eq!(all(10, b"data:123456\n\n"), (vec![], too_large));
        assert_eq!(all(10, b":23456789012"), (vec![], too_large));
        // Many small lines of one event.
        assert_eq!(all(10, b"data:1234\ndata:1234\n\n").0, [event("", "1234\n1234")]);
        assert_eq!(all(10, b"data:1234\ndata:12345\ndata:\n\n"), (vec![], too_large));
        let endless = b"data\n".repeat(1000);
        assert_eq!(all(10, &endless), (vec![], too_large));
        // What came before it counts, and nothing after it.
        let mut decoder = SseDecoder::new(10);
        let mut src = BytesMut::from(&b":\ndata: 123456\n:\n"[..]);
        assert_eq!(decoder.decode(&mut src), Ok(Some(SseItem::Comment)));
        assert_eq!(decoder.decode(&mut src), Err(SseError::TooLarge(10)));
        assert_eq!(decoder.decode(&mut src), Err(SseError::TooLarge(10)));
    }
}
