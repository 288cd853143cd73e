//! Event streams: the reader of the format, and GraphQL in it (distinct connections mode).

use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{ClientError, Endpoint, http, results::Update};
use crate::commands::Asked;

/// The longest event that is read.
const LONGEST_EVENT: usize = 64 << 20;

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its kind; `message` if it names none.
    pub kind: String,
    /// Its data, lines joined by line feeds.
    pub data: String,
}

/// Cuts bytes into events as WHATWG HTML, section 9.2, says.
#[derive(Default)]
pub struct Parser {
    buffer: Vec<u8>,
    /// Bytes of the buffer that hold no line end.
    seen: usize,
    kind: String,
    data: Option<String>,
    /// A line feed that follows belongs to the carriage return before it.
    after_return: bool,
    started: bool,
}

impl Parser {
    /// Takes bytes; gives the events that are complete. An event that gets too long is an error.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, String> {
        self.buffer.extend_from_slice(bytes);
        let mut events = Vec::new();
        loop {
            if self.after_return && self.buffer.first() == Some(&b'\n') {
                self.buffer.remove(0);
                self.seen = self.seen.saturating_sub(1);
            }
            if !self.buffer.is_empty() {
                self.after_return = false;
            }
            let end = self.buffer[self.seen..].iter().position(|b| matches!(b, b'\n' | b'\r'));
            let Some(end) = end.map(|at| at + self.seen) else {
                break;
            };
            self.after_return = self.buffer[end] == b'\r';
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            self.seen = 0;
            let line = String::from_utf8_lossy(&line[..line.len() - 1]).into_owned();
            events.extend(self.line(&line));
        }
        self.seen = self.buffer.len();
        if self.buffer.len() + self.data.as_ref().map_or(0, String::len) > LONGEST_EVENT {
            return Err("an event is longer than 64 MiB".to_owned());
        }
        Ok(events)
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        let line = if self.started { line } else { line.trim_start_matches('\u{feff}') };
        self.started = true;
        if line.is_empty() {
            let kind = std::mem::take(&mut self.kind);
            let kind = if kind.is_empty() { "message".to_owned() } else { kind };
            return self.data.take().map(|data| Event { kind, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.kind),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            _ => {}
        }
        None
    }
}

/// The results of an operation as an event stream.
pub struct Stream {
    endpoint: Endpoint,
    body: Incoming,
    parser: Parser,
    events: std::collections::VecDeque<Event>,
}

impl Stream {
    /// Asks for a stream.
    pub async fn open(endpoint: &Endpoint, asked: &Asked) -> Result<Self, ClientError> {
        let response = http::post(endpoint, asked, "text/event-stream").await?;
        let kind = response.headers().get(::http::header::CONTENT_TYPE);
        let is_stream = kind
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/event-stream"));
        if response.status().is_success() && is_stream {
            let (endpoint, body) = (endpoint.clone(), response.into_body());
            return Ok(Self {
                endpoint,
                body,
                parser: Parser::default(),
                events: std::collections::VecDeque::new(),
            });
        }
        let status = response.status();
        let body = response.into_body().collect().await.map(|body| body.to_bytes());
        Err(ClientError::Answer {
            endpoint: endpoint.http(),
            what: http::described(status, &body.unwrap_or_default()),
            is_refusal: true,
        })
    }

    /// The next result; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Update>, ClientError> {
        loop {
            while let Some(event) = self.events.pop_front() {
                match event.kind.as_str() {
                    // Some servers name no kind.
                    "next" | "message" => return Ok(Some(Update::new(event.data.into()))),
                    "complete" => return Ok(None),
                    _ => {}
                }
            }
            let closed = |why: String| ClientError::Closed { endpoint: self.endpoint.http(), why };
            match self.body.frame().await {
                None => return Err(closed("the stream ended without `complete`".to_owned())),
                Some(Err(error)) => return Err(closed(error.to_string())),
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.events.extend(self.parser.push(bytes).map_err(closed)?);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = "\u{feff}:\n\nevent: next\ndata: {\"a\":\ndata:1}\nid: 7\n\n\
                        data\n\nevent: x\r\ndata: y\r\n\r\nevent:complete\rdata:\r\revent: lost\n\n";

    fn expected() -> Vec<Event> {
        [("next", "{\"a\":\n1}"), ("message", ""), ("x", "y"), ("complete", "")]
            .map(|(kind, data)| Event { kind: kind.to_owned(), data: data.to_owned() })
            .to_vec()
    }

    #[test]
    fn events_are_cut_whatever_the_pieces_are() {
        let mut whole = Parser::default();
        assert_eq!(whole.push(TEXT.as_bytes()).unwrap(), expected());
        for size in 1..10 {
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for piece in TEXT.as_bytes().chunks(size) {
                events.extend(parser.push(piece).unwrap());
            }
            assert_eq!(events, expected(), "pieces of {size}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut parser = Parser::default();
        let piece = vec![b'a'; 16 << 20];
        let results: Vec<bool> = (0..5).map(|_| parser.push(&piece).is_ok()).collect();
        assert_eq!(results, [true, true, true, true, false]);
    }
}
