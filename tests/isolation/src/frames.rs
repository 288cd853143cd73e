//! Bodies that are streams, taken apart.

use serde_json::Value;

/// What a stream says.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// A result, or errors in its place.
    Result(Value),
    /// The proper end.
    End,
}

/// How messages are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/event-stream`
    Events,
    /// `multipart/mixed;subscriptionSpec=1.0`
    Multipart,
}

impl Format {
    /// What asks for it.
    pub fn accept(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::Multipart => "multipart/mixed;subscriptionSpec=1.0",
        }
    }
}

/// Bytes that make no whole frame yet.
pub struct Frames {
    format: Format,
    text: String,
}

impl Frames {
    /// Nothing has come.
    pub fn new(format: Format) -> Self {
        Self { format, text: String::new() }
    }

    /// What has come in whole. For event streams a result is the JSON of `data`, for multipart the
    /// payload; errors that end a multipart subscription look like other errors.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Frame> {
        // Everything is ASCII.
        self.text.push_str(std::str::from_utf8(bytes).unwrap());
        let separator = match self.format {
            Format::Events => "\n\n",
            Format::Multipart => "\r\n--graphql",
        };
        let mut found = Vec::new();
        while let Some((piece, rest)) = self.text.split_once(separator) {
            found.extend(match self.format {
                Format::Events => event(piece),
                Format::Multipart => part(piece),
            });
            self.text = rest.to_owned();
        }
        if self.format == Format::Multipart && self.text == "--\r\n" {
            found.push(Frame::End);
            self.text = String::new();
        }
        found
    }
}

/// The text itself where it is no JSON, or deeper than is read here.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

fn event(text: &str) -> Option<Frame> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    match field("event:")? {
        "next" => Some(Frame::Result(parsed(field("data:")?))),
        "complete" => match field("data:") {
            None | Some("") => Some(Frame::End),
            // Of an operation in a stream of many.
            Some(data) => {
                let mut data = parsed(data);
                data["complete"] = true.into();
                Some(Frame::Result(data))
            }
        },
        _ => None,
    }
}

fn part(text: &str) -> Option<Frame> {
    let (_, body) = text.split_once("\r\n\r\n")?;
    let mut message = parsed(body);
    match message.get_mut("payload") {
        None => None,
        Some(Value::Null) => Some(Frame::Result(message)),
        Some(payload) => Some(Frame::Result(payload.take())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn in_pieces(format: Format, text: &str) -> Vec<Frame> {
        let whole = Frames::new(format).push(text.as_bytes());
        let mut frames = Frames::new(format);
        let pieces: Vec<Frame> =
            text.as_bytes().chunks(1).flat_map(|byte| frames.push(byte)).collect();
        assert_eq!(whole, pieces);
        whole
    }

    #[test]
    fn streams_are_taken_apart() {
        let result = |n: u8| Frame::Result(json!({ "data": n }));
        let text = ":\n\nevent: next\ndata: {\"data\":1}\n\n:\n\nevent: complete\ndata:\n\n";
        assert_eq!(in_pieces(Format::Events, text), [result(1), Frame::End]);
        let text = "event: complete\ndata: {\"id\":\"7\"}\n\n";
        let complete = Frame::Result(json!({"id": "7", "complete": true}));
        assert_eq!(in_pieces(Format::Events, text), [complete]);

        let head = "\r\ncontent-type: application/json\r\n\r\n";
        let text = format!(
            "\r\n--graphql{head}{{\"payload\":{{\"data\":1}}}}\r\n--graphql{head}{{}}\r\n--graphql\
             {head}{{\"payload\":null,\"errors\":[]}}\r\n--graphql--\r\n"
        );
        let errors = Frame::Result(json!({"payload": null, "errors": []}));
        assert_eq!(in_pieces(Format::Multipart, &text), [result(1), errors, Frame::End]);
    }
}
