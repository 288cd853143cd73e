//! Slices of a JSON text.
//!
//! The text was checked to be well-formed when it arrived; this only finds where things begin and end.
//! Whatever the text is, nothing panics and nothing recurses: what does not fit is `None`.

pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The first byte of what comes next.
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.get(self.at)?;
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Enters an object.
    pub(super) fn object(&mut self) -> Option<Members<'a, '_>> {
        self.take(b'{')?;
        Some(Members { scanner: self, is_first: true })
    }

    /// Enters a list.
    pub(super) fn list(&mut self) -> Option<Items<'a, '_>> {
        self.take(b'[')?;
        Some(Items { scanner: self, is_first: true })
    }

    /// A string with its quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let start = self.at - 1;
        loop {
            match self.text.get(self.at)? {
                b'\\' => self.at += 2,
                b'"' => {
                    self.at += 1;
                    return self.text.get(start..self.at);
                }
                _ => self.at += 1,
            }
        }
    }

    /// Any value, as it is written.
    pub(super) fn value(&mut self) -> Option<&'a [u8]> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'"' => self.string(),
            b'{' | b'[' => {
                let mut depth = 0_usize;
                loop {
                    match self.text.get(self.at)? {
                        b'"' => {
                            self.string()?;
                            continue;
                        }
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' => depth -= 1,
                        _ => {}
                    }
                    self.at += 1;
                    if depth == 0 {
                        return self.text.get(start..self.at);
                    }
                }
            }
            _ => {
                let is_end =
                    |b: &u8| matches!(b, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
                let rest = self.text.get(start..)?;
                let length = rest.iter().position(is_end).unwrap_or(rest.len());
                self.at = start + length;
                (length > 0).then(|| self.text.get(start..self.at)).flatten()
            }
        }
    }

    /// Between two members or items: `Some(false)` at the end.
    fn more(&mut self, is_first: &mut bool, end: u8) -> Option<bool> {
        if self.peek()? == end {
            self.at += 1;
            return Some(false);
        }
        if !std::mem::take(is_first) {
            self.take(b',')?;
        }
        Some(true)
    }
}

/// A member: its key with quotes, and its value.
pub(super) type Member<'a> = (&'a [u8], &'a [u8]);

/// The members of an object.
pub(super) struct Members<'a, 's> {
    scanner: &'s mut Scanner<'a>,
    is_first: bool,
}

impl<'a> Members<'a, '_> {
    /// The next one; `Some(None)` at the end, `None` if the text is malformed.
    pub(super) fn next(&mut self) -> Option<Option<Member<'a>>> {
        let Some(key) = self.key()? else { return Some(None) };
        Some(Some((key, self.scanner.value()?)))
    }

    /// The next one's key; the value is to be read by [`scanner`](Self::scanner) before the next.
    pub(super) fn key(&mut self) -> Option<Option<&'a [u8]>> {
        if !self.scanner.more(&mut self.is_first, b'}')? {
            return Some(None);
        }
        self.scanner.peek()?;
        let key = self.scanner.string()?;
        self.scanner.take(b':')?;
        Some(Some(key))
    }

    /// What reads a value.
    pub(super) fn scanner(&mut self) -> &mut Scanner<'a> {
        self.scanner
    }
}

/// The items of a list.
pub(super) struct Items<'a, 's> {
    scanner: &'s mut Scanner<'a>,
    is_first: bool,
}

impl<'a> Items<'a, '_> {
    /// The next one; `Some(None)` at the end, `None` if the text is malformed.
    pub(super) fn next(&mut self) -> Option<Option<&'a [u8]>> {
        match self.scanner()? {
            Some(scanner) => scanner.value().map(Some),
            None => Some(None),
        }
    }

    /// What reads the next item, which must be read before the one after it.
    pub(super) fn scanner(&mut self) -> Option<Option<&mut Scanner<'a>>> {
        Some(self.scanner.more(&mut self.is_first, b']')?.then_some(&mut *self.scanner))
    }
}

/// What a JSON string says.
pub(super) fn text(quoted: &[u8]) -> Option<String> {
    let inner = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inner.contains(&b'\\') {
        return serde_json::from_slice(quoted).ok();
    }
    std::str::from_utf8(inner).ok().map(str::to_owned)
}

/// A text as a JSON string.
pub(super) fn quoted(text: &str) -> Vec<u8> {
    serde_json::to_vec(text).unwrap_or_else(|_| b"\"\"".to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[\\PC\"\\\\{}\\[\\],:]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[\\PC\"\\\\{}:]{0,4}", inner, 0..5)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn members_are_those_that_a_parser_finds(value in json(), pretty: bool) {
            let text =
                if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let text = text.unwrap();
            match &value {
                Value::Object(map) => {
                    let mut scanner = Scanner::new(text.as_bytes());
                    let mut members = scanner.object().unwrap();
                    for (key, value) in map {
                        let (k, v) = members.next().unwrap().unwrap();
                        prop_assert_eq!(&super::text(k).unwrap(), key);
                        prop_assert_eq!(&serde_json::from_slice::<Value>(v).unwrap(), value);
                    }
                    prop_assert_eq!(members.next(), Some(None));
                }
                Value::Array(list) => {
                    let mut scanner = Scanner::new(text.as_bytes());
                    let mut items = scanner.list().unwrap();
                    for value in list {
                        let v = items.next().unwrap().unwrap();
                        prop_assert_eq!(&serde_json::from_slice::<Value>(v).unwrap(), value);
                    }
                    prop_assert_eq!(items.next(), Some(None));
                }
                _ => prop_assert!(Scanner::new(text.as_bytes()).object().is_none()),
            }
        }

        #[test]
        fn nothing_panics(text in "[\\[\\]{}\",:\\\\a1 ]{0,40}") {
            let mut scanner = Scanner::new(text.as_bytes());
            if let Some(mut members) = scanner.object() {
                while let Some(Some(_)) = members.next() {}
            }
            let mut scanner = Scanner::new(text.as_bytes());
            if let Some(mut items) = scanner.list() {
                while let Some(Some(_)) = items.next() {}
            }
        }
    }
}
