//! Errors of all sources in one list.

use bytes::Bytes;

use super::scan::{Scanner, quoted, text};

/// The list as it is written: its items with commas between them.
#[derive(Default)]
pub(super) struct Errors(Vec<u8>);

/// The items of a source's list, one by one.
pub(super) fn each(list: &[u8], source: &str) -> Vec<Bytes> {
    let mut scanner = Scanner::new(list);
    let Some(mut items) = scanner.list() else { return Vec::new() };
    let mut each = Vec::new();
    while let Some(Some(item)) = items.next() {
        let mut errors = Errors::default();
        errors.add(&[b"[", item, b"]"].concat(), source);
        each.push(Bytes::from(errors.0));
    }
    each
}

impl Errors {
    /// Adds a source's errors: a JSON list. Says whether there were any.
    pub(super) fn add(&mut self, list: &[u8], source: &str) -> bool {
        let mut scanner = Scanner::new(list);
        let Some(mut items) = scanner.list() else { return false };
        let mut any = false;
        while let Some(Some(item)) = items.next() {
            any = true;
            self.comma();
            let start = self.0.len();
            if self.object(item, source).is_none() {
                // Some services give strings.
                self.0.truncate(start);
                let message = text(item);
                let message =
                    message.as_deref().unwrap_or("the service gave an error that is none");
                self.message(message, source);
            }
        }
        any
    }

    /// Adds an error of ours about a root field.
    pub(super) fn own(&mut self, message: &str, key: &str, source: &str, code: &str) {
        self.comma();
        self.0.extend_from_slice(b"{\"message\":");
        self.0.extend_from_slice(&quoted(message));
        self.0.extend_from_slice(b",\"path\":[");
        self.0.extend_from_slice(&quoted(key));
        self.0.extend_from_slice(b"],\"extensions\":{\"code\":");
        self.0.extend_from_slice(&quoted(code));
        self.0.extend_from_slice(b",\"source\":");
        self.0.extend_from_slice(&quoted(source));
        self.0.extend_from_slice(b"}}");
    }

    pub(super) fn is_any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Writes the member `errors`, if there are any.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        if !self.0.is_empty() {
            out.extend_from_slice(b",\"errors\":[");
            out.extend_from_slice(&self.0);
            out.push(b']');
        }
    }

    fn comma(&mut self) {
        if !self.0.is_empty() {
            self.0.push(b',');
        }
    }

    fn message(&mut self, message: &str, source: &str) {
        self.0.extend_from_slice(b"{\"message\":");
        self.0.extend_from_slice(&quoted(message));
        self.0.extend_from_slice(b",\"extensions\":{\"source\":");
        self.0.extend_from_slice(&quoted(source));
        self.0.extend_from_slice(b"}}");
    }

    /// Copies an error; `None` if it is no object with a message.
    fn object(&mut self, error: &[u8], source: &str) -> Option<()> {
        let mut scanner = Scanner::new(error);
        let mut members = scanner.object()?;
        let mut has_path = false;
        let mut has_message = false;
        let mut extensions = None;
        let mut between = b'{';
        while let Some((key, value)) = members.next()? {
            match &*text(key)? {
                "locations" => continue,
                "extensions" => {
                    extensions = Some(value);
                    continue;
                }
                // Clients rely on the shape: section 7.1.2 of the specification.
                "path" if !value.starts_with(b"[") => continue,
                "path" => has_path = true,
                "message" if !value.starts_with(b"\"") => return None,
                "message" => has_message = true,
                _ => {}
            }
            self.0.push(between);
            between = b',';
            self.0.extend_from_slice(key);
            self.0.push(b':');
            self.0.extend_from_slice(value);
        }
        if !has_message {
            return None;
        }
        let extensions = extensions.filter(|text| text.starts_with(b"{"));
        match (extensions, has_path) {
            (None, true) => {}
            (Some(text), true) => {
                self.0.extend_from_slice(b",\"extensions\":");
                self.0.extend_from_slice(text);
            }
            (given, false) => {
                self.0.extend_from_slice(b",\"extensions\":");
                self.extensions(given.unwrap_or(b"{}"), source)?;
            }
        }
        self.0.push(b'}');
        Some(())
    }

    /// The service's own extensions with the source's name. A member that is called so already stays.
    fn extensions(&mut self, given: &[u8], source: &str) -> Option<()> {
        let mut scanner = Scanner::new(given);
        let mut members = scanner.object()?;
        let mut between = b'{';
        let mut is_named = false;
        while let Some((key, value)) = members.next()? {
            is_named |= text(key)? == "source";
            self.0.push(between);
            between = b',';
            self.0.extend_from_slice(key);
            self.0.push(b':');
            self.0.extend_from_slice(value);
        }
        if !is_named {
            self.0.push(between);
            self.0.extend_from_slice(b"\"source\":");
            self.0.extend_from_slice(&quoted(source));
        }
        self.0.push(b'}');
        Some(())
    }
}
